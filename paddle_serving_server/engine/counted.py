"""Counts what an engine does: how long calls take, wait and run, how many rows share a batch, how many are inside."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from paddle_serving_app.signature import Arranged
from paddle_serving_client.errors import BackendFailed, ServingError
from paddle_serving_server.counting.counters import Counters
from paddle_serving_server.counting.series import Series, Work
from paddle_serving_server.engine import batch
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Engine, Reply
from paddle_serving_server.engine.wrapper import Wrapper

MODEL: Final = "model"
"""Series by service, model, variant and version."""
MODEL_FAILURE: Final = "model_failure"
"""Counts by service, model, variant, version and err_no."""
_MAX_VERSIONS: Final = 256
"""That one engine counts each by itself in its life; what comes then is counted as one."""
_OTHERS: Final = "-"


def _one_version() -> str:
    return "1"


class CountedEngine(Wrapper):
    """An engine whose calls are counted, by the version that answers them."""

    def __init__(
        self,
        engine: Engine,
        counters: Counters,
        service: str,
        model: str,
        variant: str = "",
        version: Callable[[], str] = _one_version,
    ) -> None:
        """`version` says the one that callers know; it is asked whenever another one answers."""
        super().__init__(engine)
        self._labels = {"service": service, "model": model, "variant": variant}
        self._counters = counters
        self._version_now = version
        self._seen = ""
        """The version of the engine that the following three are of."""
        self._joins = False
        self._version = ""
        self._series: Series | None = None
        self._known: set[str] = set()

    async def run(self, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        """See `interface.Engine.run`."""
        started = time.monotonic()
        if context.goes_on:
            return await self._go_on(arranged, outputs, context)
        series = self.enter()
        try:
            reply = await self.inner.run(arranged, outputs, context)
        except ServingError as exc:
            series.leave_unanswered()
            self.count_failure(exc, started)
            raise
        except BaseException:  # called off: nobody waits for the answer any more
            series.leave_unanswered(called_off=True)
            raise
        if not reply.rows:
            series.leave_unanswered()
            self.count_failure(BackendFailed(), started)
            return reply
        share = batch.rows_of([array.shape for array in arranged.arrays]) if self._joins else 1
        self.count_answer(series, reply, started, share, context.rows or share)
        return reply

    def enter(self, calls: int = 1) -> Series:
        """So many calls are inside until they leave the series that is returned."""
        series = self._series_now()
        series.enter(calls)
        return series

    def count_answer(self, series: Series, reply: Reply, started: float, share: int, rows: int, calls: int = 1) -> None:
        """So many calls that are inside a series are answered by one reply.

        Args:
            series: from `enter`.
            reply: to all of them.
            started: when they were asked, on the clock of `time.monotonic`.
            share: what of the batch are each call's.
            rows: of each call.
            calls: how many there are.
        """
        now = time.monotonic()
        work = None if reply.is_cached else _work(reply, share, rows)
        series.leave(int((now - started) * 1e6), now, work, calls)
        if reply.cache_ms:
            series.look_up(reply.is_cached, int(reply.cache_ms * 1000))

    def count_failure(self, error: ServingError, started: float, calls: int = 1) -> None:
        """So many calls that are not inside have failed."""
        now = time.monotonic()
        series = self._series_now()
        for _ in range(calls):
            series.add_failure(now, us=int((now - started) * 1e6))
        labels = {**self._labels, "version": self._version}
        self._counters.count(MODEL_FAILURE, **labels, err_no=str(int(error.err_no))).add(calls)

    async def _go_on(self, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        """One more part of an answer: it takes time, and is no other call."""
        try:
            reply = await self.inner.run(arranged, outputs, context)
        except ServingError as exc:
            self.count_failure(exc, time.monotonic())
            raise
        self._series_now().spend(_work(reply, 0, 0))
        return reply

    def _series_now(self) -> Series:
        try:
            seen = self.inner.version
        except ServingError:  # nobody answers any more
            seen = self._seen
        if self._series is None or seen != self._seen:
            self._look(seen)
        assert self._series is not None
        return self._series

    def _look(self, seen: str) -> None:
        self._seen = seen
        try:
            version = self._version_now()
            self._joins = int(str(self.inner.plan.get("max_rows", 1))) > 1
        except ServingError:
            version = self._version or _one_version()
        if len(self._known) >= _MAX_VERSIONS and version not in self._known:
            version = _OTHERS
        self._known.add(version)
        self._version = version
        self._series = self._counters.series(MODEL, **self._labels, version=version)


def _work(reply: Reply, share: int, rows: int) -> Work:
    return Work(
        queue_us=int(reply.queue_ms * 1000),
        input_us=int(reply.input_ms * 1000),
        run_us=int(reply.run_ms * 1000),
        output_us=int(reply.output_ms * 1000),
        batch_size=max(1, reply.rows),
        share=share,
        rows=rows,
    )
