"""Counts what an engine does: how long calls take, wait and run, how many rows share a batch, how many are inside."""

import math
import time
from collections.abc import Sequence
from typing import Final

from paddle_serving_app.signature import Arranged
from paddle_serving_client.errors import ServingError
from paddle_serving_server.counters import Counters
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

    async def run(self, arranged: Arranged, outputs: Sequence[int], deadline: float = math.inf) -> Reply:
        """See `interface.Engine.run`."""
        series = self._series
        started = time.monotonic()
        series.enter()
        try:
            reply = await self.inner.run(arranged, outputs, deadline)
        except ServingError as exc:
            series.leave_unanswered()
            series.add_failure(time.monotonic())
            self._counters.count(MODEL_FAILURE, **self._labels, err_no=str(int(exc.err_no))).add()
            raise
        except BaseException:  # called off: nobody waits for the answer any more
            series.leave_unanswered()
            raise
        now = time.monotonic()
        rows = 0 if reply.is_cached else reply.rows
        series.leave(int((now - started) * 1e6), now, reply.queue_ms, reply.run_ms, rows)
        return reply
