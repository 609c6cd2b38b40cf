"""The loop that puts load on a server: connections that are kept open, one request in work on each.

Closed loop: each connection sends its next request as soon as it has the answer. Open loop: requests are due at times
that do not depend on the answers, and latency counts from when a request was due, so that a server that stalls is seen
to stall. One thread, epoll, and bytes that were made before: the generator shares the processors with what it measures.
"""

import itertools
import math
import os
import random
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from paddle_serving_client.errors import BadConfig, ServingError
from paddle_serving_server.commands.load.replies import BadReply, HttpReplies, Replies
from paddle_serving_server.commands.load.request import Payload, Target
from paddle_serving_server.commands.load.tally import Result, Second, Tally

Arrivals = Literal["poisson", "even"]

_RECEIVE_BYTES = 64 << 10
_RETRY_S = 0.2
"""Pause before a connection that was refused is tried again."""
_CHECK_S = 0.25
"""How often it is looked whether an answer is overdue."""
_CONNECT_S = 10.0
_IDLE = -1.0


class Unreachable(ServingError):
    """Nobody listens where the requests are to go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much, for how long."""

    clients: int = 8
    """Connections."""
    seconds: float = 10.0
    """Measured."""
    warmup_s: float = 1.0
    """Load before measuring begins, in seconds."""
    rate: float | None = None
    """Requests per second of the open loop; None: closed loop."""
    arrivals: Arrivals = "poisson"
    """Of the open loop: with random pauses, as from many independent callers, or one like the other."""
    timeout_s: float = 60.0
    """From when a request without an answer is an error."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("clients", 1, 10_000),
            ("seconds", 0.1, 86_400),
            ("warmup_s", 0, 3600),
            ("timeout_s", 0.01, 86_400),
        ):
            if not low <= getattr(self, name) <= high:
                raise BadConfig(f"--{name} must be from {low} to {high}, got {getattr(self, name)}")
        if self.rate is not None and not 0.01 <= self.rate <= 1_000_000:
            raise BadConfig(f"--rate must be from 0.01 to 1000000, got {self.rate}")


def run(
    target: Target, payload: Payload, load: Load, on_second: Callable[[Second], None] = lambda second: None
) -> Result:
    """Put load on a server. Ctrl-C ends it early, with the result so far.

    Args:
        on_second: called after each second, those of the warm-up too.

    Raises:
        Unreachable: nobody listens there at the start. What happens later is counted.
    """
    generator = _Generator(target, payload, load, on_second)
    try:
        return generator.run()
    finally:
        generator.close()


class _Connection:
    """One connection and the request on it."""

    __slots__ = ("is_connecting", "replies", "rest", "since", "socket")

    def __init__(self) -> None:
        self.socket: socket.socket | None = None
        self.replies: Replies = HttpReplies()
        self.since = _IDLE
        """When the request was sent (open loop: due); `_IDLE` without one."""
        self.rest: memoryview | None = None
        """What has not been sent of it."""
        self.is_connecting = False


class _Generator:
    def __init__(self, target: Target, payload: Payload, load: Load, on_second: Callable[[Second], None]) -> None:
        self._target = target
        self._family, self._address = _resolved(target)
        self._payload = payload
        self._requests = itertools.cycle(payload.requests)
        self._load = load
        self._on_second = on_second
        self._tally = Tally()
        self._epoll = select.epoll()
        self._connections = [_Connection() for _ in range(load.clients)]
        self._by_fd: dict[int, _Connection] = {}
        self._free: list[_Connection] = []
        """Open loop: connected and without a request."""
        self._backlog: deque[float] = deque()
        """Open loop: when requests were due for which no connection was free."""
        self._broken: deque[tuple[float, _Connection]] = deque()
        """To be connected again, and when."""
        self._random = random.Random(1)
        self._next_due = math.inf
        self._is_measuring = False

    def run(self) -> Result:
        for connection in self._connections:
            self._connect_at_start(connection)
        now = time.perf_counter()
        if self._load.rate is None:
            for connection in self._connections:
                self._send(connection, now)
        else:
            self._free = list(self._connections)
            self._next_due = now
        try:
            self._until(now + self._load.warmup_s)
            self._tally.start(time.perf_counter(), time.process_time())
            self._is_measuring = True
            self._until(time.perf_counter() + self._load.seconds)
        except KeyboardInterrupt:
            if not self._is_measuring:
                self._tally.start(time.perf_counter(), time.process_time())
        now = time.perf_counter()
        if self._load.rate is not None:
            waiting = [*(c.since for c in self._connections if c.since != _IDLE), *self._backlog]
            self._tally.waiting, self._tally.oldest_s = len(waiting), now - min(waiting, default=now)
        if self._tally.has_open_second:
            self._on_second(self._tally.end_second(now))
        return self._tally.result(now, time.process_time(), self._first_body())

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            if connection.socket is not None:
                connection.socket.close()
        self._epoll.close()

    # -- the loop

    def _until(self, end: float) -> None:
        now = time.perf_counter()
        second_ends, check_at = now + 1.0, now + _CHECK_S
        while now < end:
            self._events(min(second_ends, check_at, self._next_due, end) - now)
            now = time.perf_counter()
            if now >= self._next_due:
                self._send_due(now)
            if now >= check_at:
                self._check(now)
                check_at = now + _CHECK_S
            if now >= second_ends:
                if self._is_measuring:
                    self._on_second(self._tally.end_second(now))
                second_ends += 1.0

    def _events(self, wait_s: float) -> None:
        """Wait, and do what the sockets are ready for."""
        if self._load.rate is not None and wait_s > 0:
            select.select((self._epoll,), (), (), wait_s)  # epoll alone waits whole milliseconds
            wait_s = 0
        for fd, mask in self._epoll.poll(max(wait_s, 0)):
            connection = self._by_fd[fd]
            sock = connection.socket
            assert sock is not None
            if mask & select.EPOLLOUT:
                self._write(connection, sock)
            if mask & ~select.EPOLLOUT and connection.socket is sock:
                self._read(connection, sock)

    def _read(self, connection: _Connection, sock: socket.socket) -> None:
        try:
            data = sock.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as exc:
            self._lost(connection, _reason(exc))
            return
        if not data:
            self._lost(connection, "closed by the server without a whole answer")
            return
        self._tally.received_bytes += len(data)
        try:
            reply = connection.replies.feed(data)
        except BadReply as exc:
            self._lost(connection, str(exc))
            return
        if reply is None:
            return
        if connection.since == _IDLE:
            self._lost(connection, "an answer came that nobody waits for", is_error=True)
            return
        now = time.perf_counter()
        if reply.error:
            self._tally.fail(reply.error)
        else:
            self._tally.latencies.append(now - connection.since)
        connection.since = _IDLE
        if not reply.keeps_alive or connection.rest is not None:
            self._reconnect(connection, now)
        elif self._load.rate is None:
            self._send(connection, now)
        else:
            self._take_next(connection)

    def _take_next(self, connection: _Connection) -> None:
        """Open loop: a connection is free."""
        if self._backlog:
            self._send(connection, self._backlog.popleft())
        else:
            self._free.append(connection)

    def _send_due(self, now: float) -> None:
        """Open loop: send what is due, or let it wait for a connection."""
        assert self._load.rate is not None
        while self._next_due <= now:
            due = self._next_due
            self._next_due += (
                1 / self._load.rate if self._load.arrivals == "even" else self._random.expovariate(self._load.rate)
            )
            self._tally.late_s = max(self._tally.late_s, now - due)
            if self._free:
                self._send(self._free.pop(), due)
            else:
                self._backlog.append(due)

    def _send(self, connection: _Connection, since: float) -> None:
        request = next(self._requests)
        connection.since = since
        assert connection.socket is not None
        try:
            sent = connection.socket.send(request)
        except BlockingIOError:
            sent = 0
        except OSError as exc:
            self._lost(connection, _reason(exc))
            return
        self._tally.sent_bytes += sent
        if sent < len(request):
            connection.rest = memoryview(request)[sent:]
            self._epoll.modify(connection.socket, select.EPOLLIN | select.EPOLLOUT)

    def _write(self, connection: _Connection, sock: socket.socket) -> None:
        """Go on sending; or find out how connecting ended."""
        if connection.is_connecting:
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                self._lost(connection, _reason(OSError(error, "")))
                return
            connection.is_connecting = False
            self._epoll.modify(sock, select.EPOLLIN)
            if self._load.rate is None:
                self._send(connection, time.perf_counter())
            else:
                self._take_next(connection)
            return
        if connection.rest is not None:
            try:
                sent = sock.send(connection.rest)
            except BlockingIOError:
                return
            except OSError:
                connection.rest = None  # an answer that was sent before the server closed can still be read
                self._epoll.modify(sock, select.EPOLLIN)
                return
            self._tally.sent_bytes += sent
            connection.rest = connection.rest[sent:] if sent < len(connection.rest) else None
        if connection.rest is None:
            self._epoll.modify(sock, select.EPOLLIN)

    # -- connections

    def _connect_at_start(self, connection: _Connection) -> None:
        sock = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            sock.settimeout(_CONNECT_S)
            sock.connect(self._address)
        except OSError as exc:
            sock.close()
            raise Unreachable(f"{self._target}: {_reason(exc)}") from exc
        self._take(connection, sock, select.EPOLLIN)

    def _reconnect(self, connection: _Connection, now: float) -> None:
        """Begin again with a new connection."""
        self._drop(connection)
        sock = socket.socket(self._family, socket.SOCK_STREAM)
        self._take(connection, sock, select.EPOLLIN | select.EPOLLOUT)
        connection.is_connecting = True
        try:
            sock.connect(self._address)
        except BlockingIOError:
            return
        except OSError as exc:
            self._drop(connection)
            self._tally.fail(_reason(exc))
            self._broken.append((now + _RETRY_S, connection))

    def _take(self, connection: _Connection, sock: socket.socket, events: int) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.socket = sock
        connection.replies = self._payload.replies()
        connection.since, connection.rest, connection.is_connecting = _IDLE, None, False
        self._by_fd[sock.fileno()] = connection
        self._epoll.register(sock, events)

    def _drop(self, connection: _Connection) -> None:
        if connection.socket is not None:
            del self._by_fd[connection.socket.fileno()]
            connection.socket.close()
            connection.socket = None
        if connection in self._free:
            self._free.remove(connection)

    def _lost(self, connection: _Connection, reason: str, is_error: bool = False) -> None:
        """A connection ended by itself. Not an error while there was nothing to answer."""
        now = time.perf_counter()
        was_refused = connection.is_connecting
        if connection.since != _IDLE or was_refused or is_error:
            self._tally.fail(reason)
        connection.since = _IDLE
        if was_refused:
            self._drop(connection)
            self._broken.append((now + _RETRY_S, connection))
        else:
            self._reconnect(connection, now)

    def _check(self, now: float) -> None:
        """Give up what is overdue, and try again where a connection was refused."""
        while self._broken and self._broken[0][0] <= now:
            self._reconnect(self._broken.popleft()[1], now)
        for connection in self._connections:
            if connection.since != _IDLE and now - connection.since > self._load.timeout_s:
                self._tally.fail(f"no answer within {self._load.timeout_s:g} s")
                connection.since = _IDLE
                self._reconnect(connection, now)

    def _first_body(self) -> bytes:
        """Of an HTTP answer."""
        readers = (c.replies for c in self._connections)
        return next((r.first_body for r in readers if isinstance(r, HttpReplies) and r.first_body), b"")


def _resolved(target: Target) -> tuple[int, tuple[object, ...]]:
    try:
        family, _, _, _, address = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as exc:
        raise Unreachable(f"{target}: {_reason(exc)}") from exc
    return family, address


def _reason(exc: Exception) -> str:
    """An error of a socket in few words."""
    if isinstance(exc, TimeoutError):
        return "connecting took too long"
    if isinstance(exc, OSError) and exc.errno and exc.errno > 0:
        return os.strerror(exc.errno).lower()
    return str(exc)
