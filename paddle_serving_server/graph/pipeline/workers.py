"""The workers of one op: requests wait in its channel until a worker takes them, alone or as a batch.

A worker is a thread with a `Runner`. One that has not returned by the deadline of its requests hangs, and another
takes its place.
"""

import asyncio
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from paddle_serving_client.errors import BadModel, Busy, DeadlineExceeded, ServingError
from paddle_serving_server.graph.pipeline.config import OpConfig
from paddle_serving_server.graph.pipeline.error_catch import ChannelDataErrcode
from paddle_serving_server.graph.pipeline.op import Op
from paddle_serving_server.graph.pipeline.runners import Runner
from paddle_serving_server.graph.pipeline.step import Job, Outcome
from paddle_serving_server.user_code.admission import Mean
from paddle_serving_server.user_code.threads import STUCK_S, Threads

logger = logging.getLogger(__name__)

MAX_WAITING: Final = 1000
"""Requests that may wait before an op whose channel has no size; the next is refused."""
_LEAST_SPARE: Final = 4


@dataclass(slots=True, eq=False)
class _Batch:
    """Requests that a worker has taken."""

    deadline: float
    thread: int
    keeps_time: bool
    is_over: bool = False
    hangs: bool = False

    def is_late(self, now: float) -> bool:
        """Whether it hangs, and nobody has noticed yet."""
        return not (self.keeps_time or self.is_over or self.hangs) and self.deadline <= now


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request in the channel, or in a batch."""

    job: Job
    future: "asyncio.Future[Outcome]"
    deadline: float
    batch: _Batch | None = None


class Workers:
    """The channel of an op, and the threads that empty it."""

    def __init__(
        self,
        op: Op,
        config: OpConfig,
        make_runner: Callable[[int], Runner],
        channel_size: int,
        threads: Threads,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`make_runner` is given the number of a worker; `threads` are told of those that hang."""
        self.op = op
        self.count = config.concurrency
        """How many workers there are beside those that hang."""
        self.took = Mean()
        """How long one request keeps a worker."""
        self._config = config
        self._make_runner = make_runner
        self._threads = threads
        self._loop = loop
        self._size = channel_size
        self._room = asyncio.Semaphore(channel_size) if channel_size else None
        self._channel: deque[_Waiting] = deque()
        self._some = threading.Condition()
        """Its lock is that of the channel, of batches, and of the two numbers below."""
        self._alive = 0
        self._hanging = 0
        self._returned_at = time.monotonic()

    @property
    def waiting(self) -> tuple[int, int]:
        """How many requests are in the channel, and how many it takes; 0: no number was said."""
        return len(self._channel), self._size

    @property
    def wait_s(self) -> float:
        """How long one more request would wait for a worker; inf: there is none."""
        usable = self._alive - self._hanging
        return len(self._channel) * self.took.s / usable if usable > 0 else math.inf

    def start(self) -> None:
        """Start every worker and wait until all are ready.

        Raises:
            BadModel: `init_op` failed; the text says how.
        """
        failed: deque[BaseException] = deque()
        barrier = [threading.Event() for _ in range(self.count)]
        for number, ready in enumerate(barrier):
            self._start_worker(number, ready, failed)
        for ready in barrier:
            ready.wait()
        if failed:
            exc = failed[0]
            text = str(exc) if isinstance(exc, ServingError) else f"init_op failed: {type(exc).__name__}: {exc}"
            raise BadModel(f"op {self.op.name!r}: {text}") from exc

    async def run(self, job: Job, deadline: float) -> Outcome:
        """Take a request through the op. Call on the event loop.

        Raises:
            Busy: too many wait already.
        """
        if self._room is not None:
            await self._room.acquire()
        elif len(self._channel) >= MAX_WAITING:
            raise Busy(f"{MAX_WAITING} requests wait for op {self.op.name!r}; try again later", self.wait_s)
        waiting = _Waiting(job, self._loop.create_future(), deadline)
        with self._some:
            self._channel.append(waiting)
            self._some.notify()
        alarm = None
        if deadline != math.inf:
            alarm = self._loop.call_later(max(0.0, deadline - time.monotonic()), self._on_deadline, waiting)
        try:
            return await waiting.future
        finally:
            has_begun = self._leave(waiting)
            if alarm is not None and not has_begun:
                alarm.cancel()

    def _leave(self, waiting: _Waiting) -> bool:
        """Nobody waits any more: keep nothing of what has not begun. Whether it has begun and is not over."""
        with self._some:
            if waiting.batch is None and waiting in self._channel:
                self._channel.remove(waiting)
                if self._room is not None:
                    self._room.release()
            return waiting.batch is not None and not waiting.batch.is_over

    def _on_deadline(self, waiting: _Waiting) -> None:
        with self._some:
            batch = waiting.batch
            is_news = batch is not None and batch.is_late(waiting.deadline)
            if is_news and batch is not None:
                batch.hangs = True
                self._hanging += 1
            needs_worker = is_news and self._hanging <= max(_LEAST_SPARE, self.count)
        if not waiting.future.done():
            waiting.future.set_result(_late(self.op.name))
        if is_news and batch is not None:
            self._threads.note_hang(f"op {self.op.name!r}", batch.thread)
            if needs_worker:
                self._start_worker(self._alive, threading.Event(), deque())
            self._loop.call_later(STUCK_S, self._check_stuck)

    def _check_stuck(self) -> None:
        if self._alive > self._hanging:
            return
        left_s = self._returned_at + STUCK_S - time.monotonic()
        if left_s > 0:
            self._loop.call_later(left_s, self._check_stuck)
        else:
            self._threads.on_stuck()

    def _start_worker(self, number: int, ready: threading.Event, failed: "deque[BaseException]") -> None:
        arguments = (self._make_runner(number), ready, failed)
        self._alive += 1
        threading.Thread(target=self._work, args=arguments, name=f"{self.op.name}-{number}", daemon=True).start()

    # -- in the threads

    def _work(self, runner: Runner, ready: threading.Event, failed: "deque[BaseException]") -> None:
        try:
            runner.start()
        except BaseException as exc:
            logger.exception("a worker of op %s cannot start", self.op.name)
            failed.append(exc if isinstance(exc, Exception) else RuntimeError(f"raised {exc!r}"))
            with self._some:
                self._alive -= 1
            return
        finally:
            ready.set()
        is_needed = True
        while is_needed:
            is_needed = self._run(runner, *self._take(runner.keeps_time))
        runner.close()

    def _take(self, keeps_time: bool) -> tuple[list[_Waiting], _Batch]:
        """The next batch: the oldest request, and those that come before the waiting ends."""
        with self._some:
            while not self._channel:
                self._some.wait()
            taken = [self._channel.popleft()]
            batch = taken[0].batch = _Batch(taken[0].deadline, threading.get_ident(), keeps_time)
            until = time.monotonic() + self._config.batch_wait_s
            while len(taken) < self._config.batch_size:
                if self._channel:
                    taken.append(self._channel.popleft())
                    taken[-1].batch = batch
                    batch.deadline = max(batch.deadline, taken[-1].deadline)
                    continue
                left_s = until - time.monotonic()
                if left_s <= 0:
                    break
                self._some.wait(left_s)
        return taken, batch

    def _run(self, runner: Runner, taken: Sequence[_Waiting], batch: _Batch) -> bool:
        """Take a batch through the op; whether this worker is still needed."""
        began = time.monotonic()
        if self._room is not None:
            for _ in taken:
                self._loop.call_soon_threadsafe(self._room.release)
        wanted = [waiting for waiting in taken if waiting.deadline >= began and not waiting.future.done()]
        late = [waiting for waiting in taken if waiting.deadline < began]
        results = self._outcomes(runner, wanted, batch.deadline) if wanted else []
        with self._some:
            batch.is_over = True
            self._returned_at = time.monotonic()
            self._hanging -= batch.hangs
            is_needed = self._alive - self._hanging <= self.count
            self._alive -= not is_needed
        if wanted:
            self.took.add((self._returned_at - began) / len(wanted))
        outcomes = [*results, *(_late(self.op.name) for _ in late)]
        self._loop.call_soon_threadsafe(self._deliver, batch, [*wanted, *late], outcomes)
        if runner.is_stuck:
            self._loop.call_soon_threadsafe(self._threads.on_stuck)
        return is_needed

    def _outcomes(self, runner: Runner, wanted: Sequence[_Waiting], deadline: float) -> Sequence[Outcome]:
        """One for each request, whatever the runner does."""
        try:
            results = runner.run([waiting.job for waiting in wanted], deadline)
            if len(results) != len(wanted):
                raise RuntimeError(f"{len(wanted)} requests, {len(results)} outcomes")
            return results
        except BaseException as exc:
            logger.exception("op %s failed", self.op.name)
            text = str(exc) if isinstance(exc, ServingError) else "internal error"
            number = int(exc.err_no) if isinstance(exc, ServingError) else int(ChannelDataErrcode.UNKNOW)
            return [Outcome(None, number, f"op {self.op.name!r}: {text}")] * len(wanted)

    # -- on the event loop

    def _deliver(self, batch: _Batch, taken: Sequence[_Waiting], outcomes: Sequence[Outcome]) -> None:
        if batch.hangs:
            self._threads.note_return()
        for waiting, outcome in zip(taken, outcomes, strict=True):
            if not waiting.future.done():
                waiting.future.set_result(outcome)


def _late(name: str) -> Outcome:
    return Outcome(None, int(DeadlineExceeded.err_no), f"op {name!r}: no answer within the time given")
