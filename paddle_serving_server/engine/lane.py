"""Small calls of one kind, run together: what comes in one turn of the event loop is one feed of many rows.

Some numbers in and some out cost less to compute than to hand on. So a protocol that recognises such a call gives its
values to a `Lane`; when the turn is over their rows are joined into one feed, which goes through the engine like any
other, and each caller gets his rows of the answer by a plain call, with no task or future of his own.

    callers ──values──> Kind ──one feed a turn──> Counted, Live, Replicas, Channel ──rows──> callers

It is open only where that changes nothing but the time: rows are computed together at all, one instance would have
got them anyway, and nothing is around the engine but its counter. What fails together is tried again one by one.
"""

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from paddle_serving_app.signature import Arranged, Signature
from paddle_serving_client import dtype
from paddle_serving_client.errors import DeadlineExceeded, ServingError, Stopping
from paddle_serving_client.message import Array
from paddle_serving_client.wire import recall
from paddle_serving_server.counting.series import Series
from paddle_serving_server.engine.counted import CountedEngine
from paddle_serving_server.engine.interface import Engine, Reply
from paddle_serving_server.engine.live import Live, Version

logger = logging.getLogger(__name__)

MAX_BYTES: Final = recall.MAX_BYTES
"""Messages up to this are small."""
_MAX_KINDS = 256
_OF_ALL = (DeadlineExceeded, Stopping)
"""Errors that say nothing about one call: the same for each of those that were joined."""
Values = bytes | memoryview | Array
"""One input of one call: C-contiguous, in native byte order."""


class Caller(Protocol):
    """Who gave values, and waits. One of these is called, once."""

    def answered(self, outputs: Sequence[Array], reply: Reply) -> None:
        """His rows of the outputs, which are views; and what it took, for all that were joined."""

    def failed(self, error: ServingError) -> None:
        """There is no answer."""

    def again(self) -> None:
        """Answer this call in the ordinary way: together with others it failed."""


class Kind:
    """Calls that differ in nothing but their values."""

    __slots__ = ("_lane", "callers", "deadline", "outputs", "rows", "shapes", "signature", "types", "values")

    def __init__(
        self, lane: "Lane", signature: Signature, arrays: Sequence[Array], outputs: tuple[int, ...], rows: int
    ) -> None:
        self._lane = lane
        self.signature = signature
        self.types = [array.dtype for array in arrays]
        self.shapes = [array.shape[1:] for array in arrays]
        self.rows = rows
        self.outputs = outputs
        self.callers: list[Caller] = []
        self.values: list[Sequence[Values]] = []
        self.deadline = math.inf
        """Of the first that waits; the others have come in the same turn."""

    def submit(self, caller: Caller, values: Sequence[Values], deadline: float) -> None:
        """Answer a call at the end of this turn.

        Args:
            caller: who is told.
            values: one entry for each input, of this kind's shapes.
            deadline: on the clock of `time.monotonic`, in seconds.
        """
        if not self.callers:
            self.deadline = deadline
            self._lane.is_due(self)
        self.callers.append(caller)
        self.values.append(values)

    def take(self, count: int) -> tuple[list[Caller], Arranged]:
        """The first calls that wait, as one feed."""
        callers, values = self.callers[:count], self.values[:count]
        del self.callers[:count], self.values[:count]
        arrays = tuple(
            np.frombuffer(b"".join(parts), kind).reshape(-1, *shape)
            for parts, kind, shape in zip(zip(*values, strict=True), self.types, self.shapes, strict=True)
        )
        return callers, Arranged(arrays, {})


class Lane:
    """The way for small calls of one model. Everything happens on the front's event loop."""

    def __init__(self, engine: CountedEngine, live: Live) -> None:
        self._engine = engine
        self._live = live
        self._loop = asyncio.get_running_loop()
        self._version: Version | None = None
        self._max_rows = 1
        self._kinds: dict[object, Kind] = {}
        self._due: list[Kind] = []

    @classmethod
    def beside(cls, engine: Engine) -> "Lane | None":
        """The lane of an engine, where it has nothing around it that looks at single calls."""
        if type(engine) is CountedEngine and type(engine.inner) is Live:
            return cls(engine, engine.inner)
        return None

    @property
    def is_open(self) -> bool:
        """Whether small calls of the version that answers now may be joined."""
        if self._live.current is not self._version:
            self._look()
        return self._max_rows > 1

    @property
    def version(self) -> Version | None:
        """What kinds belong to: they are of no use for another one."""
        return self._version

    @property
    def signature(self) -> Signature:
        """Of the version that answers now."""
        return self._live.signature

    def kind(self, arranged: Arranged, outputs: tuple[int, ...]) -> Kind | None:
        """What calls with such a feed are; None for those that are not joined.

        Args:
            arranged: from `signature.arrange`, in the same turn.
            outputs: from `signature.select`.
        """
        key = (outputs, *[array.shape for array in arranged.arrays])
        if (known := self._kinds.get(key)) is None:
            rows = {array.shape[0] for array in arranged.arrays}
            if arranged.lods or len(rows) != 1 or max(rows) > self._max_rows:
                return None
            if any(array.size == 0 for array in arranged.arrays):  # of nothing nobody can tell how many rows it is
                return None
            if len(self._kinds) >= _MAX_KINDS:
                self._kinds.clear()
            known = self._kinds[key] = Kind(self, self.signature, arranged.arrays, outputs, rows.pop())
        return known

    def is_due(self, kind: Kind) -> None:
        """Run what waits of this kind when the turn is over."""
        if not self._due:
            self._loop.call_soon(self._run_due)
        self._due.append(kind)

    def _look(self) -> None:
        """Another version has taken over: what was known of the one before is void."""
        self._version = version = self._live.current
        self._kinds.clear()
        self._max_rows = 1
        if version is None or version.replicas.count > 1:
            return
        signature = version.replicas.signature
        if any(i.elem_type == dtype.STRING for i in signature.inputs):  # of no width that calls could have in common
            return
        if signature.can_join and not any(output.is_lod for output in signature.outputs):
            self._max_rows = int(str(version.replicas.plan["max_rows"]))

    def _run_due(self) -> None:
        due, self._due = self._due, []
        for kind in due:
            # An engine that was started again says the same in other words: an equal signature.
            if not self.is_open or (kind.signature is not self.signature and kind.signature != self.signature):
                callers, kind.callers, kind.values = kind.callers, [], []
                for caller in callers:
                    _again(caller)
            while kind.callers:
                self._run(kind, *kind.take(max(1, self._max_rows // kind.rows)))

    def _run(self, kind: Kind, callers: list[Caller], arranged: Arranged) -> None:
        started, count = time.monotonic(), len(callers)
        try:
            future = self._live.begin(arranged, kind.outputs, kind.deadline, count)
        except Exception as exc:
            self._give_back(callers, exc, started)
            return
        series = self._engine.enter(count)
        future.add_done_callback(lambda done: self._finish(kind, callers, series, started, done))

    def _finish(
        self, kind: Kind, callers: list[Caller], series: Series, started: float, done: "asyncio.Future[Reply]"
    ) -> None:
        error = Stopping("the server is stopping") if done.cancelled() else done.exception()
        count, rows = len(callers), kind.rows
        if error is None:
            reply = done.result()
            if count == 1 or all(a.ndim and len(a) == rows * count for a in reply.arrays):
                self._engine.count_answer(series, reply, started, rows, rows, count)
                self._hand_out(callers, reply, rows)
                return
        series.leave_unanswered(count)
        self._give_back(callers, error, started)

    def _give_back(self, callers: list[Caller], error: BaseException | None, started: float) -> None:
        """There is no answer: say so, where that is true of each caller by himself."""
        if isinstance(error, _OF_ALL) or (len(callers) == 1 and isinstance(error, ServingError)):
            self._engine.count_failure(error, started, len(callers))
            for caller in callers:
                try:
                    caller.failed(error)
                except Exception:  # one caller's trouble is not that of the others
                    logger.exception("a refusal could not be written")
        else:
            for caller in callers:
                _again(caller)

    def _hand_out(self, callers: list[Caller], reply: Reply, rows: int) -> None:
        for at, caller in zip(range(0, rows * len(callers), rows), callers, strict=True):
            arrays = reply.arrays if len(callers) == 1 else [array[at : at + rows] for array in reply.arrays]
            try:
                caller.answered(arrays, reply)
            except Exception:  # one caller's trouble is not that of the others
                logger.exception("an answer could not be written")
                _again(caller)


def _again(caller: Caller) -> None:
    try:
        caller.again()
    except Exception:
        logger.exception("a call could not be answered in the ordinary way")
