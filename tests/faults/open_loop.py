"""Load that does not wait for answers: requests are due at times of their own, and latency counts from there.

Unlike `paddle_serving_server.commands.load` it keeps the times of refusals, and opens as many connections as it needs.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from paddle_serving_server.commands.load.replies import BadReply, BrpcReplies, HttpReplies, Replies

_MAX_CONNECTIONS = 900
_REFUSALS = ("503", "429", "2004", "1011")
"""How answers begin that say: not now."""
_LATE = ("504", "1008")
"""How answers begin that say: not in time."""


@dataclass(slots=True)
class Outcome:
    """What became of the requests, in seconds from when each was due."""

    good: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """What other answers said."""
    lost: int = 0
    """Without any answer: the connection was closed or reset, or nothing came."""
    seconds: float = 0.0
    """How long there was load; answers may come later."""
    good_meanwhile: int = 0
    """Good answers that came while there was load."""

    @property
    def rate(self) -> float:
        """Good answers a second, while there was load."""
        return self.good_meanwhile / self.seconds if self.seconds else 0.0


def quantile(times: Sequence[float], part: float) -> float:
    """The time within which that part was answered; 0 without any."""
    return sorted(times)[min(len(times) - 1, int(part * len(times)))] if times else 0.0


def open_loop(port: int, request: bytes, rate: float, seconds: float, *, timeout_s: float = 90.0) -> Outcome:
    """Send `rate` requests a second, at random times, and wait for all answers."""
    return asyncio.run(_Load(port, request, timeout_s).open(rate, seconds))


def closed_loop(port: int, request: bytes, clients: int, seconds: float, *, timeout_s: float = 90.0) -> Outcome:
    """So many callers, each with one request in work at any time."""
    return asyncio.run(_Load(port, request, timeout_s).closed(clients, seconds))


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, replies: Replies) -> None:
        self._replies = replies
        self._waiting: asyncio.Future[str | None] | None = None
        self.is_usable = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, request: bytes) -> "asyncio.Future[str | None]":
        """The answer's error; "" for a good one, None where none came."""
        self._waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._waiting

    def data_received(self, data: bytes) -> None:
        try:
            reply = self._replies.feed(data)
        except BadReply as exc:
            self._end(f"no answer but {exc}")
            self.transport.abort()
            return
        if reply is not None:
            self.is_usable = reply.keeps_alive
            self._end(reply.error)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_usable = False
        self._end(None)

    def _end(self, error: str | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(error)


class _Load:
    def __init__(self, port: int, request: bytes, timeout_s: float) -> None:
        self._port = port
        self._request = request
        self._timeout_s = timeout_s
        self._replies: Callable[[], Replies] = BrpcReplies if request[:4] == b"PRPC" else HttpReplies
        self._free: list[_Connection] = []
        self._slots = asyncio.Semaphore(_MAX_CONNECTIONS)
        self._outcome = Outcome()
        self._ends = float("inf")

    async def open(self, rate: float, seconds: float) -> Outcome:
        arrivals = random.Random(1)
        started = due = time.perf_counter()
        self._ends = started + seconds
        asked: set[asyncio.Task[None]] = set()
        while due < self._ends:
            await asyncio.sleep(due - time.perf_counter())
            task = asyncio.create_task(self._one(due))
            asked.add(task)
            task.add_done_callback(asked.discard)
            due += arrivals.expovariate(rate)
        self._outcome.seconds = seconds
        await asyncio.gather(*asked)
        return self._close()

    async def closed(self, clients: int, seconds: float) -> Outcome:
        self._ends = time.perf_counter() + seconds

        async def caller() -> None:
            while (now := time.perf_counter()) < self._ends:
                await self._one(now)

        await asyncio.gather(*(caller() for _ in range(clients)))
        self._outcome.seconds = seconds
        return self._close()

    async def _one(self, due: float) -> None:
        async with self._slots:
            try:
                async with asyncio.timeout(self._timeout_s):
                    connection = await self._connection()
                    error = await connection.ask(self._request)
            except (OSError, TimeoutError):
                self._outcome.lost += 1
                return
        now = time.perf_counter()
        took = now - due
        if connection.is_usable:
            self._free.append(connection)
        else:
            connection.transport.close()
        if error is None:
            self._outcome.lost += 1
        elif not error:
            self._outcome.good.append(took)
            self._outcome.good_meanwhile += now <= self._ends
        elif error.startswith(_REFUSALS):
            self._outcome.refused.append(took)
        elif error.startswith(_LATE):
            self._outcome.late.append(took)
        else:
            self._outcome.failed.append(error)

    async def _connection(self) -> _Connection:
        while self._free:
            if (connection := self._free.pop()).is_usable:
                return connection
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: _Connection(self._replies()), "127.0.0.1", self._port)
        return connection

    def _close(self) -> Outcome:
        for connection in self._free:
            connection.transport.abort()
        return self._outcome
