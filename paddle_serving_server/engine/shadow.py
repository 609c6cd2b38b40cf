"""Shadow traffic: one engine answers, another gets a copy of some requests afterwards, and the answers are compared.

The copy is made after the answer is there, runs one at a time in an engine process of the lowest priority, and is
dropped when too much waits: callers never wait for the shadow and never see what becomes of it.
"""

import asyncio
import contextlib
import logging
import math
import random
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from paddle_serving_app.choosing.agreement import distance
from paddle_serving_app.signature import Arranged
from paddle_serving_client.errors import ServingError
from paddle_serving_client.message import Array, describe
from paddle_serving_server.counting.counters import MOST, Counters
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Engine, Reply
from paddle_serving_server.engine.wrapper import Wrapper

logger = logging.getLogger(__name__)

EQUAL: Final = "shadow_equal"
DIFFERENT: Final = "shadow_different"
FAILED: Final = "shadow_failed"
DROPPED: Final = "shadow_dropped"
LARGEST: Final = MOST + "shadow_difference"
"""The largest finite difference, in billionths."""
NICE: Final = 19
"""How far a shadow's engine process stands back for all others."""
_MAX_WAITING = 16
_MAX_WAITING_BYTES = 32 << 20
_RUN_S = 60.0
_EXAMPLES = 10
_IN_A_THREAD_BYTES = 1 << 16
"""Outputs from which on they are compared in a thread."""


@dataclass(frozen=True, slots=True)
class Example:
    """A request that the shadow answered otherwise, without the values of anybody's request."""

    at: float
    """Seconds since 1970."""
    outputs: tuple[str, ...]
    """Those that differ."""
    distance: float
    """The largest difference, as a part of the largest value; infinite where shapes or types differ."""
    inputs: tuple[str, ...]
    """Type and shape of each input."""


@dataclass(frozen=True, slots=True, eq=False)
class _Copy:
    arranged: Arranged
    outputs: tuple[int, ...]
    expected: tuple[Array, ...]
    size: int


class ShadowEngine(Wrapper):
    """An engine with a shadow."""

    def __init__(
        self,
        engine: Engine,
        shadow: Engine,
        percent: float,
        tolerance: float,
        counters: Counters,
        labels: Mapping[str, str],
    ) -> None:
        """Answer by `engine`, compare with `shadow`.

        Args:
            engine: answers.
            shadow: gets copies; it has the same inputs and outputs.
            percent: how many of a hundred requests are copied.
            tolerance: answers count as equal up to this part of an output's largest value.
            counters: what comes of it is counted there.
            labels: service, model and shadow, for the counts.
        """
        super().__init__(engine)
        self.shadow = shadow
        self.percent = percent
        self.tolerance = tolerance
        self.labels = dict(labels)
        self.examples: deque[Example] = deque(maxlen=_EXAMPLES)
        """The last ones that differ, as this process has seen them."""
        self._waiting: deque[_Copy] = deque()
        self._waiting_bytes = 0
        self._worker: asyncio.Task[None] | None = None
        self._largest = counters.count(LARGEST, **labels)
        self._equal, self._different, self._failed, self._dropped = (
            counters.count(kind, **labels) for kind in (EQUAL, DIFFERENT, FAILED, DROPPED)
        )

    async def run(self, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        """See `interface.Engine.run`."""
        reply = await self.inner.run(arranged, outputs, context)
        self.consider(arranged, outputs, reply)
        return reply

    def held(self, context: Context) -> Engine:
        """See `interface.Engine.held`; the shadow is not held: what it says is nobody's answer."""
        inner = self.inner.held(context)
        return self if inner is self.inner else _HeldShadowEngine(inner, self)

    def consider(self, arranged: Arranged, outputs: Sequence[int], reply: Reply) -> None:
        """A request was answered: copy it, if it is one of those that are compared."""
        if random.random() * 100 < self.percent:
            self._copy(arranged, outputs, reply)

    async def stop(self) -> None:
        """Compare nothing more."""
        if self._worker is not None:
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker

    async def close(self) -> None:
        """See `interface.Engine.close`."""
        await self.stop()
        await self.shadow.close()
        await self.inner.close()

    def _copy(self, arranged: Arranged, outputs: Sequence[int], reply: Reply) -> None:
        size = sum(array.nbytes for array in (*arranged.arrays, *reply.arrays))
        if len(self._waiting) >= _MAX_WAITING or self._waiting_bytes + size > _MAX_WAITING_BYTES:
            self._dropped.add()
            return
        # What can still be written to, its owner may change.
        feed = Arranged(_kept(arranged.arrays), dict(arranged.lods))
        self._waiting.append(_Copy(feed, tuple(outputs), _kept(reply.arrays), size))
        self._waiting_bytes += size
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._compare_all())

    async def _compare_all(self) -> None:
        try:
            while self._waiting:
                copy = self._waiting[0]
                await self._compare(copy)
                self._waiting.popleft()
                self._waiting_bytes -= copy.size
        finally:
            self._worker = None

    async def _compare(self, copy: _Copy) -> None:
        try:
            reply = await self.shadow.run(copy.arranged, copy.outputs, Context(time.monotonic() + _RUN_S))
            if copy.size > _IN_A_THREAD_BYTES:
                apart = await asyncio.to_thread(_distances, reply.arrays, copy.expected)
            else:
                apart = _distances(reply.arrays, copy.expected)
        except ServingError as exc:
            logger.info("shadow %s failed: %s", self.labels, exc)
            self._failed.add()
            return
        except Exception:
            logger.exception("shadow %s failed", self.labels)
            self._failed.add()
            return
        self._judge(copy, apart)

    def _judge(self, copy: _Copy, apart: Sequence[float]) -> None:
        far = max(apart, default=0.0)
        if math.isfinite(far):
            self._largest.raise_to(int(far * 1e9))
        if far <= self.tolerance:
            self._equal.add()
            return
        self._different.add()
        names = tuple(
            self.signature.outputs[k].alias for k, d in zip(copy.outputs, apart, strict=True) if d > self.tolerance
        )
        inputs = tuple(map(describe, copy.arranged.arrays))
        self.examples.append(Example(time.time(), names, far, inputs))


class _HeldShadowEngine(Wrapper):
    """An engine with a shadow, as one request asks it."""

    def __init__(self, engine: Engine, whole: ShadowEngine) -> None:
        super().__init__(engine)
        self._whole = whole

    async def run(self, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        """See `interface.Engine.run`."""
        reply = await self.inner.run(arranged, outputs, context)
        self._whole.consider(arranged, outputs, reply)
        return reply


def _kept(arrays: Sequence[Array]) -> tuple[Array, ...]:
    return tuple(array.copy() if array.flags.writeable else array for array in arrays)


def _distances(found: Sequence[Array], expected: Sequence[Array]) -> list[float]:
    return [distance([a], [b]) for a, b in zip(found, expected, strict=True)]
