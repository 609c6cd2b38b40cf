"""An op whose workers are threads of this process.

One that has not returned by the deadline of its requests hangs, and another takes its place.
"""

import asyncio
import copy
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from paddle_serving_client.errors import BadModel, ServingError
from paddle_serving_server.graph.pipeline.config import OpConfig
from paddle_serving_server.graph.pipeline.model import BlockingModel
from paddle_serving_server.graph.pipeline.op import Op
from paddle_serving_server.graph.pipeline.op_channel import OpChannel, Waiting, failed, late
from paddle_serving_server.graph.pipeline.step import Job, Outcome, is_full, run_batch
from paddle_serving_server.user_code.threads import STUCK_S, Threads

logger = logging.getLogger(__name__)

_LEAST_SPARE: Final = 4


@dataclass(slots=True, eq=False)
class _Batch:
    """Requests that a worker has taken."""

    deadline: float
    thread: int
    is_over: bool = False
    hangs: bool = False

    def is_late(self, now: float) -> bool:
        """Whether it hangs, and nobody has noticed yet."""
        return not (self.is_over or self.hangs) and self.deadline <= now


@dataclass(slots=True, eq=False)
class _Waiting(Waiting):
    """With the batch that it is in, once it has begun."""

    batch: _Batch | None = None


class _Worker:
    """A copy of the op, in a thread of its own."""

    def __init__(self, op: Op, number: int, config: OpConfig, model: BlockingModel | None) -> None:
        self._op = copy.copy(op)
        self._op.concurrency_idx = number
        self._op.use_model(model)
        self._model = model
        self._config = config
        self._left: list[threading.Thread] = []

    def start(self) -> None:
        """Get ready; raises where that fails."""
        self._op.init_op()

    def run(self, jobs: Sequence[Job], deadline: float) -> list[Outcome]:
        """Take requests through the op."""
        if self._model is not None:
            self._model.deadline = deadline
        return run_batch(self._op, self._config, jobs, self._left)

    @property
    def is_stuck(self) -> bool:
        """Whether it can run nothing any more."""
        return is_full(self._left)


class ThreadWorkers(OpChannel):
    """The channel of an op, and the threads that empty it."""

    def __init__(
        self,
        op: Op,
        config: OpConfig,
        channel_size: int,
        loop: asyncio.AbstractEventLoop,
        make_model: Callable[[], BlockingModel | None],
        threads: Threads,
    ) -> None:
        """Each worker has a model of its own; `threads` are told of those that hang."""
        super().__init__(op.name, config, channel_size, loop)
        self._op = op
        self._make_model = make_model
        self._threads = threads
        self._some = threading.Condition()
        """Its lock is that of the channel, of batches, and of the two numbers below."""
        self._alive = 0
        self._hanging = 0
        self._returned_at = time.monotonic()

    def start(self) -> None:
        """See `OpChannel.start`."""
        failures: deque[BaseException] = deque()
        barrier = [threading.Event() for _ in range(self.count)]
        for number, ready in enumerate(barrier):
            self._start_worker(number, ready, failures)
        for ready in barrier:
            ready.wait()
        if failures:
            exc = failures[0]
            text = str(exc) if isinstance(exc, ServingError) else f"init_op failed: {type(exc).__name__}: {exc}"
            raise BadModel(f"op {self.name!r}: {text}") from exc

    def _usable(self) -> int:
        return self._alive - self._hanging

    def _put(self, job: Job, future: "asyncio.Future[Outcome]", deadline: float) -> Waiting:
        waiting = _Waiting(job, future, deadline)
        with self._some:
            self._channel.append(waiting)
            self._some.notify()
        return waiting

    def _leave(self, waiting: Waiting) -> bool:
        assert isinstance(waiting, _Waiting)
        with self._some:
            if waiting.batch is None:
                self._drop(waiting)
            return waiting.batch is not None and not waiting.batch.is_over

    def _on_deadline(self, waiting: Waiting) -> None:
        assert isinstance(waiting, _Waiting)
        with self._some:
            batch = waiting.batch
            is_news = batch is not None and batch.is_late(waiting.deadline)
            if is_news and batch is not None:
                batch.hangs = True
                self._hanging += 1
            needs_worker = is_news and self._hanging <= max(_LEAST_SPARE, self.count)
        super()._on_deadline(waiting)
        if is_news and batch is not None:
            self._threads.note_hang(f"op {self.name!r}", batch.thread)
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

    def _start_worker(self, number: int, ready: threading.Event, failures: "deque[BaseException]") -> None:
        worker = _Worker(self._op, number, self._config, self._make_model())
        self._alive += 1
        arguments = (worker, ready, failures)
        threading.Thread(target=self._work, args=arguments, name=f"{self.name}-{number}", daemon=True).start()

    # -- in the threads

    def _work(self, worker: _Worker, ready: threading.Event, failures: "deque[BaseException]") -> None:
        try:
            worker.start()
        except BaseException as exc:
            logger.exception("a worker of op %s cannot start", self.name)
            failures.append(exc if isinstance(exc, Exception) else RuntimeError(f"raised {exc!r}"))
            with self._some:
                self._alive -= 1
            return
        finally:
            ready.set()
        is_needed = True
        while is_needed:
            is_needed = self._run(worker, *self._take())

    def _take(self) -> tuple[list[_Waiting], _Batch]:
        """The next batch: the oldest request, and those that come before the waiting ends."""
        with self._some:
            while not self._channel:
                self._some.wait()
            taken = [self._next()]
            batch = taken[0].batch = _Batch(taken[0].deadline, threading.get_ident())
            until = time.monotonic() + self._config.batch_wait_s
            while len(taken) < self._config.batch_size:
                if self._channel:
                    taken.append(self._next())
                    taken[-1].batch = batch
                    batch.deadline = max(batch.deadline, taken[-1].deadline)
                    continue
                left_s = until - time.monotonic()
                if left_s <= 0:
                    break
                self._some.wait(left_s)
        return taken, batch

    def _next(self) -> _Waiting:
        waiting = self._channel.popleft()
        assert isinstance(waiting, _Waiting)
        return waiting

    def _run(self, worker: _Worker, taken: Sequence[_Waiting], batch: _Batch) -> bool:
        """Take a batch through the op; whether this worker is still needed."""
        began = time.monotonic()
        if self._room is not None:
            for _ in taken:
                self._loop.call_soon_threadsafe(self._room.release)
        wanted = [waiting for waiting in taken if waiting.deadline >= began and not waiting.future.done()]
        too_late = [waiting for waiting in taken if waiting.deadline < began]
        results = self._outcomes(worker, wanted, batch.deadline) if wanted else []
        with self._some:
            batch.is_over = True
            self._returned_at = time.monotonic()
            self._hanging -= batch.hangs
            is_needed = self._alive - self._hanging <= self.count
            self._alive -= not is_needed
        if wanted:
            self.took.add((self._returned_at - began) / len(wanted))
        outcomes = [*results, *(late(self.name) for _ in too_late)]
        self._loop.call_soon_threadsafe(self._deliver, batch, [*wanted, *too_late], outcomes)
        if worker.is_stuck:
            self._loop.call_soon_threadsafe(self._threads.on_stuck)
        return is_needed

    def _outcomes(self, worker: _Worker, wanted: Sequence[_Waiting], deadline: float) -> Sequence[Outcome]:
        """One for each request, whatever the op does."""
        try:
            return worker.run([waiting.job for waiting in wanted], deadline)
        except BaseException as exc:
            logger.exception("op %s failed", self.name)
            return failed(self.name, exc, len(wanted))

    # -- on the event loop

    def _deliver(self, batch: _Batch, taken: Sequence[_Waiting], outcomes: Sequence[Outcome]) -> None:
        if batch.hangs:
            self._threads.note_return()
        for waiting, outcome in zip(taken, outcomes, strict=True):
            if not waiting.future.done():
                waiting.future.set_result(outcome)
