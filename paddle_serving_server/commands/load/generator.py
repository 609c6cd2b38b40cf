"""The loop that puts load on a server: connections that are kept open, one request in work on each.

Closed loop: each connection sends its next request as soon as it has the answer. Open loop: requests are due at times
that do not depend on the answers, and latency counts from when a request was due, so that a server that stalls is seen
to stall. One thread, epoll, and bytes that were made before: the generator shares the processors with what it measures.
"""

import itertools
import math
import random
import select
import socket
import time
from collections import deque
from collections.abc import Callable

from paddle_serving_server.commands.load.amount import Load
from paddle_serving_server.commands.load.connections import IDLE, Connection, Connections, reason_of
from paddle_serving_server.commands.load.replies import BadReply, HttpReplies
from paddle_serving_server.commands.load.request import Payload, Target
from paddle_serving_server.commands.load.tally import Result, Second, Tally

_RECEIVE_BYTES = 64 << 10
_CHECK_S = 0.25
"""How often it is looked whether an answer is overdue."""


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


class _Generator:
    def __init__(self, target: Target, payload: Payload, load: Load, on_second: Callable[[Second], None]) -> None:
        self._requests = itertools.cycle(payload.requests)
        self._load = load
        self._on_second = on_second
        self._tally = Tally()
        self._connections = Connections(target, load.clients, payload.replies)
        self._free: list[Connection] = []
        """Open loop: connected and without a request."""
        self._backlog: deque[float] = deque()
        """Open loop: when requests were due for which no connection was free."""
        self._random = random.Random(1)
        self._next_due = math.inf
        self._is_measuring = False

    def run(self) -> Result:
        self._connections.open()
        now = time.perf_counter()
        if self._load.rate is None:
            for connection in self._connections.all:
                self._send(connection, now)
        else:
            self._free = list(self._connections.all)
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
            waiting = [*(c.since for c in self._connections.all if c.since != IDLE), *self._backlog]
            self._tally.waiting, self._tally.oldest_s = len(waiting), now - min(waiting, default=now)
        if self._tally.has_open_second:
            self._on_second(self._tally.end_second(now))
        return self._tally.result(now, time.process_time(), self._first_body())

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

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
            select.select((self._connections.epoll,), (), (), wait_s)  # epoll alone waits whole milliseconds
            wait_s = 0
        for fd, mask in self._connections.epoll.poll(max(wait_s, 0)):
            connection = self._connections[fd]
            sock = connection.socket
            assert sock is not None
            if mask & select.EPOLLOUT:
                self._write(connection)
            if mask & ~select.EPOLLOUT and connection.socket is sock:
                self._read(connection, sock)

    def _read(self, connection: Connection, sock: socket.socket) -> None:
        try:
            data = sock.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as exc:
            self._lost(connection, reason_of(exc))
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
        if connection.since == IDLE:
            self._lost(connection, "an answer came that nobody waits for", is_error=True)
            return
        now = time.perf_counter()
        if reply.error:
            self._tally.fail(reply.error)
        else:
            self._tally.latencies.append(now - connection.since)
        connection.since = IDLE
        if not reply.keeps_alive or connection.rest is not None:
            self._begin_again(connection, now)
        elif self._load.rate is None:
            self._send(connection, now)
        else:
            self._take_next(connection)

    def _take_next(self, connection: Connection) -> None:
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

    def _send(self, connection: Connection, since: float) -> None:
        request = next(self._requests)
        connection.since = since
        assert connection.socket is not None
        try:
            sent = connection.socket.send(request)
        except BlockingIOError:
            sent = 0
        except OSError as exc:
            self._lost(connection, reason_of(exc))
            return
        self._tally.sent_bytes += sent
        if sent < len(request):
            connection.rest = memoryview(request)[sent:]
            self._connections.epoll.modify(connection.socket, select.EPOLLIN | select.EPOLLOUT)

    def _write(self, connection: Connection) -> None:
        """Go on sending; or find out how connecting ended."""
        if not connection.is_connecting:
            self._tally.sent_bytes += connection.send_rest(self._connections.epoll)
        elif failure := connection.finish_connecting(self._connections.epoll):
            self._lost(connection, failure)
        elif self._load.rate is None:
            self._send(connection, time.perf_counter())
        else:
            self._take_next(connection)

    # -- connections

    def _lost(self, connection: Connection, reason: str, is_error: bool = False) -> None:
        """A connection ended by itself. Not an error while there was nothing to answer."""
        now = time.perf_counter()
        was_refused = connection.is_connecting
        if connection.since != IDLE or was_refused or is_error:
            self._tally.fail(reason)
        connection.since = IDLE
        self._take_from_free(connection)
        if was_refused:
            self._connections.retry(connection, now)
        else:
            self._begin_again(connection, now)

    def _begin_again(self, connection: Connection, now: float) -> None:
        """Have a new connection in its place."""
        self._take_from_free(connection)
        if failure := self._connections.reopen(connection, now):
            self._tally.fail(failure)

    def _take_from_free(self, connection: Connection) -> None:
        if connection in self._free:
            self._free.remove(connection)

    def _check(self, now: float) -> None:
        """Give up what is overdue, and try again where a connection was refused."""
        for connection in self._connections.retry_due(now):
            self._begin_again(connection, now)
        for connection in self._connections.all:
            if connection.since != IDLE and now - connection.since > self._load.timeout_s:
                self._tally.fail(f"no answer within {self._load.timeout_s:g} s")
                connection.since = IDLE
                self._begin_again(connection, now)

    def _first_body(self) -> bytes:
        """Of an HTTP answer."""
        readers = (c.replies for c in self._connections.all)
        return next((r.first_body for r in readers if isinstance(r, HttpReplies) and r.first_body), b"")
