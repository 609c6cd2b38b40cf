"""An engine's end of the line to one front: what comes, what is due, and the shared memory that belongs to it."""

import os
import selectors
import socket
from collections import deque
from typing import Final

from paddle_serving_server.engine import messages, segments

_OUTPUT_MESSAGES: Final = 1024
"""A front that lets this many answers lie unread is cut off."""


class FrontLine:
    """The connection of one front."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.segments: dict[int, segments.Segment] = {}
        self.outbox: deque[tuple[bytes, int | None]] = deque()
        self.is_open = True
        self.watched = selectors.EVENT_READ

    def receive(self) -> tuple[bytes, list[int]] | None:
        """One packet and the descriptors that rode along; None when there is none now; empty at the end."""
        try:
            packet, ancillary, _, _ = self.socket.recvmsg(messages.MAX_PACKET_BYTES, socket.CMSG_SPACE(4))
        except BlockingIOError:
            return None
        except OSError:
            return b"", []
        return packet, [int.from_bytes(data[:4], "little") for _, _, data in ancillary]

    def send(self, message: bytes, fd: int | None = None) -> None:
        """Send with what else is due, at the next `flush`; takes over `fd`."""
        self.outbox.append((message, fd))

    def send_now(self, message: bytes, fd: int | None = None) -> bool:
        """Send at once, if nothing waits and the front takes it; then `fd` is closed."""
        if self.outbox or not self.is_open:
            return False
        try:
            self._send(messages.bundle([message]), fd)
        except OSError:
            return False
        return True

    def flush(self) -> None:
        """Send what waits, as far as the front takes it now."""
        while self.outbox and self.is_open:
            packet, fd, count = messages.next_packet(self.outbox)
            try:
                self._send(packet, fd)
            except BlockingIOError:
                self.is_open = len(self.outbox) < _OUTPUT_MESSAGES
                return
            except OSError:
                self.is_open = False
                return
            for _ in range(count):
                self.outbox.popleft()

    def _send(self, packet: bytes, fd: int | None) -> None:
        if fd is None:
            self.socket.send(packet)
            return
        socket.send_fds(self.socket, [packet], [fd])
        os.close(fd)

    def close(self) -> None:
        """Let go of the socket and the segments."""
        self.is_open = False
        self.socket.close()
        for segment in self.segments.values():
            segments.discard(segment)
        for _, fd in self.outbox:
            if fd is not None:
                os.close(fd)
