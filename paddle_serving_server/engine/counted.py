"""Counts what an engine does: how long calls take, wait and run, how many rows share a batch, how many are inside."""

import time
from collections.abc import Sequence
from typing import Final

from paddle_serving_app.signature import Arranged
from paddle_serving_client.errors import ServingError
from paddle_serving_server.counting.counters import Counters
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Engine, Reply
from paddle_serving_server.engine.wrapper import Wrapper

MODEL: Final = "model"
"""Series by service, model and variant."""
MODEL_FAILURE: Final = "model_failure"
"""Counts by service, model, variant and err_no."""


class CountedEngine(Wrapper):
    """An engine whose calls are counted."""

    def __init__(self, engine: Engine, counters: Counters, service: str, model: str, variant: str = "") -> None:
        super().__init__(engine)
        self._labels = {"service": service, "model": model, "variant": variant}
        self._counters = counters
        self._series = counters.series(MODEL, **self._labels)

    async def run(self, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        """See `interface.Engine.run`."""
        started = time.monotonic()
        self.count_entered()
        try:
            reply = await self.inner.run(arranged, outputs, context)
        except ServingError as exc:
            self.count_left()
            self.count_failure(exc)
            raise
        except BaseException:  # called off: nobody waits for the answer any more
            self.count_left()
            raise
        self.count_answer(reply, started)
        return reply

    def count_entered(self, calls: int = 1) -> None:
        """So many calls are inside until they are answered or have left."""
        self._series.enter(calls)

    def count_answer(self, reply: Reply, started: float, calls: int = 1) -> None:
        """So many calls that were inside are answered by one reply."""
        now = time.monotonic()
        rows = 0 if reply.is_cached else reply.rows
        self._series.leave(int((now - started) * 1e6), now, reply.queue_ms, reply.run_ms, rows, calls)

    def count_left(self, calls: int = 1) -> None:
        """So many calls that were inside are gone without an answer."""
        self._series.leave_unanswered(calls)

    def count_failure(self, error: ServingError, calls: int = 1) -> None:
        """So many calls that are not inside have failed."""
        for _ in range(calls):
            self._series.add_failure(time.monotonic())
        self._counters.count(MODEL_FAILURE, **self._labels, err_no=str(int(error.err_no))).add(calls)
