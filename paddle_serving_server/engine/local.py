"""A model inside the serving process: for debugging, and for hosts that bring their own processes."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.model import Model
from paddle_serving_app.signature import Arranged
from paddle_serving_client.errors import DeadlineExceeded
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Engine, Reply


class LocalEngine:
    """One model, one thread. A crash of native code takes the process with it."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._thread = ThreadPoolExecutor(1, "model")
        self.signature = model.signature
        self.backend_name = model.backend_name
        self.plan: Mapping[str, object] = {**model.plan.describe(), "max_rows": 1}
        self.version = "1"

    @classmethod
    def load(
        cls, path: str | Path, options: ModelOptions, tune_s: float = 0.0, key: bytes | None = None
    ) -> "LocalEngine":
        """Load a model; as `Model.load`."""
        return cls(Model.load(path, options, tune_s, key))

    async def run(self, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        """See `interface.Engine.run`."""
        arrived = time.monotonic()
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._run, arranged, outputs, context.deadline, arrived
        )

    def _run(self, arranged: Arranged, outputs: Sequence[int], deadline: float, arrived: float) -> Reply:
        started = time.monotonic()
        if started > deadline:
            raise DeadlineExceeded("waited for the model beyond its deadline")
        given = self._model.run(arranged)
        lods = {at: given.lods[k] for at, k in enumerate(outputs) if k in given.lods}
        arrays = tuple(given.arrays[k] for k in outputs)
        return Reply(arrays, lods, (started - arrived) * 1000, (time.monotonic() - started) * 1000)

    def held(self, context: Context) -> Engine:
        """See `interface.Engine.held`: there is but one version."""
        return self

    async def close(self) -> None:
        """Let go of the model."""
        self._thread.shutdown(wait=True)
        self._model.close()
