"""The connections of a load generator: kept open, without blocking, watched by one epoll."""

import os
import select
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from paddle_serving_client.errors import Unreachable
from paddle_serving_server.commands.load.replies import HttpReplies, Replies
from paddle_serving_server.commands.load.request import Target

IDLE: Final = -1.0
"""The `since` of a connection without a request."""
_RETRY_S: Final = 0.2
"""Pause before a connection that was refused is tried again."""
_CONNECT_S: Final = 10.0


class Connection:
    """One connection and the request on it."""

    __slots__ = ("is_connecting", "replies", "rest", "since", "socket")

    def __init__(self) -> None:
        self.socket: socket.socket | None = None
        self.replies: Replies = HttpReplies()
        self.since = IDLE
        """When the request was sent (open loop: due); `IDLE` without one."""
        self.rest: memoryview | None = None
        """What has not been sent of it."""
        self.is_connecting = False

    def finish_connecting(self, epoll: select.epoll) -> str:
        """Find out how connecting ended: why it failed, or an empty text."""
        assert self.socket is not None
        if error := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            return reason_of(OSError(error, ""))
        self.is_connecting = False
        epoll.modify(self.socket, select.EPOLLIN)
        return ""

    def send_rest(self, epoll: select.epoll) -> int:
        """Go on sending; how many bytes went."""
        assert self.socket is not None
        sent = 0
        if self.rest is not None:
            try:
                sent = self.socket.send(self.rest)
            except BlockingIOError:
                return 0
            except OSError:  # an answer that was sent before the server closed can still be read
                sent = 0
                self.rest = None
            else:
                self.rest = self.rest[sent:] if sent < len(self.rest) else None
        if self.rest is None:
            epoll.modify(self.socket, select.EPOLLIN)
        return sent


class Connections:
    """All of them, to one server.

    Args:
        replies: makes what reads the answers of a new connection.

    Raises:
        Unreachable: there is no such host.
    """

    def __init__(self, target: Target, count: int, replies: Callable[[], Replies]) -> None:
        self.epoll = select.epoll()
        self._target = target
        self._family, self._address = _resolved(target)
        self._replies = replies
        self._all = [Connection() for _ in range(count)]
        self._by_fd: dict[int, Connection] = {}
        self._broken: deque[tuple[float, Connection]] = deque()
        """To be connected again, and when."""

    @property
    def all(self) -> Sequence[Connection]:
        """Connected or not."""
        return self._all

    def __getitem__(self, fd: int) -> Connection:
        return self._by_fd[fd]

    def open(self) -> None:
        """Connect all.

        Raises:
            Unreachable: nobody listens there.
        """
        for connection in self._all:
            sock = socket.socket(self._family, socket.SOCK_STREAM)
            try:
                sock.settimeout(_CONNECT_S)
                sock.connect(self._address)
            except OSError as exc:
                sock.close()
                raise Unreachable(f"{self._target}: {reason_of(exc)}") from exc
            self._take(connection, sock, select.EPOLLIN)

    def reopen(self, connection: Connection, now: float) -> str:
        """Begin again with a new connection: why that failed at once, or an empty text; `retry_due` has it then."""
        self.drop(connection)
        sock = socket.socket(self._family, socket.SOCK_STREAM)
        self._take(connection, sock, select.EPOLLIN | select.EPOLLOUT)
        connection.is_connecting = True
        try:
            sock.connect(self._address)
        except BlockingIOError:
            return ""
        except OSError as exc:
            self.retry(connection, now)
            return reason_of(exc)
        return ""

    def retry(self, connection: Connection, now: float) -> None:
        """Let it rest, and try again later."""
        self.drop(connection)
        self._broken.append((now + _RETRY_S, connection))

    def retry_due(self, now: float) -> list[Connection]:
        """Those that have rested."""
        due = []
        while self._broken and self._broken[0][0] <= now:
            due.append(self._broken.popleft()[1])
        return due

    def drop(self, connection: Connection) -> None:
        """Close it."""
        if connection.socket is not None:
            del self._by_fd[connection.socket.fileno()]
            connection.socket.close()
            connection.socket = None

    def close(self) -> None:
        """Close all."""
        for connection in self._all:
            self.drop(connection)
        self.epoll.close()

    def _take(self, connection: Connection, sock: socket.socket, events: int) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.socket = sock
        connection.replies = self._replies()
        connection.since, connection.rest, connection.is_connecting = IDLE, None, False
        self._by_fd[sock.fileno()] = connection
        self.epoll.register(sock, events)


def reason_of(exc: Exception) -> str:
    """An error of a socket in few words."""
    if isinstance(exc, TimeoutError):
        return "connecting took too long"
    if isinstance(exc, OSError) and exc.errno and exc.errno > 0:
        return os.strerror(exc.errno).lower()
    return str(exc)


def _resolved(target: Target) -> tuple[int, tuple[object, ...]]:
    try:
        family, _, _, _, address = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as exc:
        raise Unreachable(f"{target}: {reason_of(exc)}") from exc
    return family, address
