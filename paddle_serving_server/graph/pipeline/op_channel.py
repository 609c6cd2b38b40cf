"""The channel of one op: requests wait in it until workers take them, alone or as a batch.

Workers are threads of this process (`thread_workers`), or engine processes (`process_workers`).
"""

import asyncio
import math
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from paddle_serving_client.errors import Busy, DeadlineExceeded, ServingError
from paddle_serving_server.graph.pipeline.config import OpConfig
from paddle_serving_server.graph.pipeline.error_catch import ChannelDataErrcode
from paddle_serving_server.graph.pipeline.step import Job, Outcome
from paddle_serving_server.user_code.admission import Mean

MAX_WAITING: Final = 1000
"""Requests that may wait before an op whose channel has no size; the next is refused."""


@dataclass(slots=True, eq=False)
class Waiting:
    """A request in the channel, or on its way through the op."""

    job: Job
    future: "asyncio.Future[Outcome]"
    deadline: float


class OpChannel(ABC):
    """Call it on the event loop."""

    def __init__(self, name: str, config: OpConfig, channel_size: int, loop: asyncio.AbstractEventLoop) -> None:
        """Of the op of that name; a size of 0 is none."""
        self.name = name
        self.count = config.concurrency
        """How many workers there are."""
        self.took = Mean()
        """How long one request keeps a worker."""
        self._config = config
        self._loop = loop
        self._size = channel_size
        self._room = asyncio.Semaphore(channel_size) if channel_size else None
        self._channel: deque[Waiting] = deque()

    @property
    def waiting(self) -> tuple[int, int]:
        """How many requests are in the channel, and how many it takes; 0: no number was said."""
        return len(self._channel), self._size

    @property
    def wait_s(self) -> float:
        """How long one more request would wait for a worker; inf: there is none."""
        usable = self._usable()
        return len(self._channel) * self.took.s / usable if usable > 0 else math.inf

    @abstractmethod
    def start(self) -> None:
        """Have all workers ready.

        Raises:
            BadModel: `init_op` failed; the text says how.
        """

    async def run(self, job: Job, deadline: float) -> Outcome:
        """Take a request through the op.

        Raises:
            Busy: too many wait already.
        """
        if self._room is not None:
            await self._room.acquire()
        elif len(self._channel) >= MAX_WAITING:
            raise Busy(f"{MAX_WAITING} requests wait for op {self.name!r}; try again later", self.wait_s)
        waiting = self._put(job, self._loop.create_future(), deadline)
        alarm = None
        if deadline != math.inf:
            alarm = self._loop.call_later(max(0.0, deadline - time.monotonic()), self._on_deadline, waiting)
        try:
            return await waiting.future
        finally:
            has_begun = self._leave(waiting)
            if alarm is not None and not has_begun:
                alarm.cancel()

    @abstractmethod
    def _usable(self) -> int:
        """How many workers take requests now."""

    @abstractmethod
    def _put(self, job: Job, future: "asyncio.Future[Outcome]", deadline: float) -> Waiting:
        """A request comes into the channel."""

    @abstractmethod
    def _leave(self, waiting: Waiting) -> bool:
        """Nobody waits any more: keep nothing of what has not begun. Whether the deadline still matters."""

    def _on_deadline(self, waiting: Waiting) -> None:
        if not waiting.future.done():
            waiting.future.set_result(late(self.name))

    def _drop(self, waiting: Waiting) -> None:
        """It is taken out of the channel, if it is still there."""
        if waiting in self._channel:
            self._channel.remove(waiting)
            if self._room is not None:
                self._room.release()


def late(name: str) -> Outcome:
    """What a request gets whose time is over."""
    return Outcome(None, int(DeadlineExceeded.err_no), f"op {name!r}: no answer within the time given")


def failed(name: str, exc: BaseException, count: int) -> Sequence[Outcome]:
    """What so many requests get where whoever was to take them through the op has failed; the log knows more."""
    text = str(exc) if isinstance(exc, ServingError) else "internal error"
    number = int(exc.err_no) if isinstance(exc, ServingError) else int(ChannelDataErrcode.UNKNOW)
    return [Outcome(None, number, f"op {name!r}: {text}")] * count
