"""The workers of one op: requests wait in its channel until a worker takes them, alone or as a batch.

A worker is a thread. With `is_thread_op` it runs a copy of the op itself, else it hands batches to a process.
"""

import asyncio
import copy
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from paddle_serving_client.errors import BadModel, Busy, DeadlineExceeded, ServingError
from paddle_serving_server.pipeline.config import OpConfig
from paddle_serving_server.pipeline.error_catch import ChannelDataErrcode
from paddle_serving_server.pipeline.model import BlockingModel
from paddle_serving_server.pipeline.op import Op
from paddle_serving_server.pipeline.step import Job, Outcome, run_batch

logger = logging.getLogger(__name__)

MAX_WAITING: Final = 1000
"""Requests that may wait before an op whose channel has no size; the next is refused."""


class Runner(Protocol):
    """What a worker does with a batch."""

    def start(self) -> None:
        """Get ready; raises where that fails."""

    def run(self, jobs: Sequence[Job], deadline: float) -> list[Outcome]:
        """Take requests through the op."""


class ThreadRunner:
    """Runs a copy of the op in the worker's thread."""

    def __init__(self, op: Op, number: int, config: OpConfig, model: BlockingModel | None) -> None:
        self._op = copy.copy(op)
        self._op.concurrency_idx = number
        self._op.use_model(model)
        self._model = model
        self._config = config

    def start(self) -> None:
        """See `Runner.start`."""
        self._op.init_op()

    def run(self, jobs: Sequence[Job], deadline: float) -> list[Outcome]:
        """See `Runner.run`."""
        if self._model is not None:
            self._model.deadline = deadline
        return run_batch(self._op, self._config, jobs)


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request in the channel."""

    job: Job
    future: "asyncio.Future[Outcome]"
    deadline: float


class Workers:
    """The channel of an op, and the threads that empty it."""

    def __init__(
        self,
        op: Op,
        config: OpConfig,
        runners: Sequence[Runner],
        channel_size: int,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.op = op
        self._config = config
        self._runners = runners
        self._loop = loop
        self._size = channel_size
        self._room = asyncio.Semaphore(channel_size) if channel_size else None
        self._channel: deque[_Waiting] = deque()
        self._some = threading.Condition()

    @property
    def count(self) -> int:
        """How many workers there are."""
        return len(self._runners)

    @property
    def waiting(self) -> tuple[int, int]:
        """How many requests are in the channel, and how many it takes; 0: no number was said."""
        return len(self._channel), self._size

    def start(self) -> None:
        """Start every worker and wait until all are ready.

        Raises:
            BadModel: `init_op` failed; the text says how.
        """
        started: deque[Exception] = deque()
        barrier = [threading.Event() for _ in self._runners]
        for number, (runner, ready) in enumerate(zip(self._runners, barrier, strict=True)):
            arguments = (runner, ready, started)
            threading.Thread(target=self._work, args=arguments, name=f"{self.op.name}-{number}", daemon=True).start()
        for ready in barrier:
            ready.wait()
        if started:
            exc = started[0]
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
            raise Busy(f"{MAX_WAITING} requests wait for op {self.op.name!r}; try again later")
        waiting = _Waiting(job, self._loop.create_future(), deadline)
        with self._some:
            self._channel.append(waiting)
            self._some.notify()
        return await waiting.future

    def _work(self, runner: Runner, ready: threading.Event, failed: "deque[Exception]") -> None:
        try:
            runner.start()
        except (Exception, SystemExit) as exc:
            logger.exception("a worker of op %s cannot start", self.op.name)
            failed.append(exc if isinstance(exc, Exception) else RuntimeError(f"called sys.exit({exc.code!r})"))
            return
        finally:
            ready.set()
        while True:
            self._run(runner, self._take())

    def _take(self) -> list[_Waiting]:
        """The next batch: the oldest request, and those that come before the waiting ends."""
        with self._some:
            while not self._channel:
                self._some.wait()
            batch = [self._channel.popleft()]
            until = time.monotonic() + self._config.batch_wait_s
            while len(batch) < self._config.batch_size:
                if self._channel:
                    batch.append(self._channel.popleft())
                    continue
                left_s = until - time.monotonic()
                if left_s <= 0:
                    break
                self._some.wait(left_s)
        return batch

    def _run(self, runner: Runner, batch: Sequence[_Waiting]) -> None:
        now = time.monotonic()
        wanted = []
        for waiting in batch:
            if self._room is not None:
                self._loop.call_soon_threadsafe(self._room.release)
            if waiting.deadline < now:
                self._answer([waiting], lambda: [_late(self.op.name)])
            elif not waiting.future.cancelled():
                wanted.append(waiting)
        if wanted:
            deadline = max(waiting.deadline for waiting in wanted)
            self._answer(wanted, lambda: runner.run([waiting.job for waiting in wanted], deadline))

    def _answer(self, batch: Sequence[_Waiting], outcomes: Callable[[], Sequence[Outcome]]) -> None:
        try:
            results = outcomes()
        except Exception as exc:
            logger.exception("op %s failed", self.op.name)
            text = str(exc) if isinstance(exc, ServingError) else "internal error"
            number = int(exc.err_no) if isinstance(exc, ServingError) else int(ChannelDataErrcode.UNKNOW)
            results = [Outcome(None, number, f"op {self.op.name!r}: {text}")] * len(batch)
        self._loop.call_soon_threadsafe(_deliver, batch, results)


def _deliver(batch: Sequence[_Waiting], results: Sequence[Outcome]) -> None:
    for waiting, result in zip(batch, results, strict=True):
        if not waiting.future.done():
            waiting.future.set_result(result)


def _late(name: str) -> Outcome:
    return Outcome(None, int(DeadlineExceeded.err_no), f"op {name!r}: the request waited beyond its deadline")
