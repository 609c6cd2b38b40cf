"""What a front has to send to one engine: what is due at one moment of the event loop leaves as one packet."""

import asyncio
import os
import socket
from collections import deque
from typing import Final

from paddle_serving_server.engine import messages

_MESSAGES_AT_ONCE: Final = 8


class Outbox:
    """Of one line. Without a socket what is sent is lost."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: deque[tuple[bytes, int | None]] = deque()
        self._flush_is_due = False
        self._socket: socket.socket | None = None
        self._given: set[int] = set()
        """Descriptors that are closed here."""

    def open(self, sock: socket.socket) -> None:
        """Send on this socket from now on."""
        self._socket = sock

    def close(self) -> None:
        """The line is gone, and what was due with it."""
        if self._socket is not None:
            self._loop.remove_writer(self._socket.fileno())
            self._socket = None
        for _, fd in self._due:
            self._close_given(fd)
        self._due.clear()

    def send(self, message: bytes, fd: int | None, gives: bool = False) -> None:
        """Send with what else is due at this moment; before it becomes much, so that the engine can begin.

        Args:
            message: of `messages`.
            fd: rides along; who owns it keeps it open for as long as the line.
            gives: whether it is closed when it has left, or the line is gone.
        """
        if gives and fd is not None:
            self._given.add(fd)
            if self._socket is None:
                self._close_given(fd)
                return
        self._due.append((message, fd))
        if len(self._due) == _MESSAGES_AT_ONCE:
            self._flush()
        elif not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush_due)

    def _flush_due(self) -> None:
        self._flush_is_due = False
        self._flush()

    def _flush(self) -> None:
        sock = self._socket
        while self._due and sock is not None:
            packet, fd, count = messages.next_packet(self._due)
            try:
                if fd is None:
                    sock.send(packet)
                else:
                    socket.send_fds(sock, [packet], [fd])
            except BlockingIOError:
                self._loop.add_writer(sock.fileno(), self._flush_blocked)
                return
            except OSError:
                return  # the reader sees the end of the line and submits everything again
            for _ in range(count):
                self._due.popleft()
            self._close_given(fd)

    def _close_given(self, fd: int | None) -> None:
        if fd in self._given:
            self._given.discard(fd)
            os.close(fd)

    def _flush_blocked(self) -> None:
        if self._socket is not None:
            self._loop.remove_writer(self._socket.fileno())
        self._flush()
