"""Where an op runs: in the thread of its worker, or in a process. The one place that chooses is `Runners.make`."""

import asyncio
import copy
import threading
from collections.abc import Mapping, Sequence
from typing import Protocol

from paddle_serving_server.engine.interface import Engine
from paddle_serving_server.graph.pipeline.config import LocalModel, OpConfig
from paddle_serving_server.graph.pipeline.model import BlockingModel, ClientModel, EngineModel, GrpcModel, PipelineModel
from paddle_serving_server.graph.pipeline.op import Op
from paddle_serving_server.graph.pipeline.process import Origin, ProcessRunner
from paddle_serving_server.graph.pipeline.step import Job, Outcome, is_full, run_batch


class Runner(Protocol):
    """What a worker does with a batch."""

    def start(self) -> None:
        """Get ready; raises where that fails."""

    def run(self, jobs: Sequence[Job], deadline: float) -> list[Outcome]:
        """Take requests through the op."""

    @property
    def is_stuck(self) -> bool:
        """Whether it can run nothing any more."""

    @property
    def keeps_time(self) -> bool:
        """Whether it ends by itself what takes too long."""

    def close(self) -> None:
        """It is not needed any more."""


class ThreadRunner:
    """Runs a copy of the op in the worker's thread."""

    def __init__(self, op: Op, number: int, config: OpConfig, model: BlockingModel | None) -> None:
        self._op = copy.copy(op)
        self._op.concurrency_idx = number
        self._op.use_model(model)
        self._model = model
        self._config = config
        self._left: list[threading.Thread] = []

    def start(self) -> None:
        """See `Runner.start`."""
        self._op.init_op()

    def run(self, jobs: Sequence[Job], deadline: float) -> list[Outcome]:
        """See `Runner.run`."""
        if self._model is not None:
            self._model.deadline = deadline
        return run_batch(self._op, self._config, jobs, self._left)

    @property
    def is_stuck(self) -> bool:
        """See `Runner.is_stuck`."""
        return is_full(self._left)

    @property
    def keeps_time(self) -> bool:
        """See `Runner.keeps_time`."""
        return False

    def close(self) -> None:
        """See `Runner.close`."""


class Runners:
    """Makes the runners of a pipeline's workers. Call on the event loop."""

    def __init__(self, pipeline: str, engines: Mapping[str, Engine], process_origin: Origin | None) -> None:
        """Prepare for a pipeline.

        Args:
            pipeline: its name.
            engines: of this server, by the name of the op that asks them.
            process_origin: where processes find the pipeline; None: its ops run in threads.
        """
        self._pipeline = pipeline
        self._engines = engines
        self._origin = process_origin
        self._loop = asyncio.get_running_loop()

    def make(self, op: Op, settings: OpConfig, number: int) -> Runner:
        """For one worker of an op; `number` is that of the worker, from 0."""
        model = self._model(op, settings)
        if self._origin is None:
            return ThreadRunner(op, number, settings, model)
        return ProcessRunner(self._origin, self._pipeline, op.name, number, model)

    def _model(self, op: Op, settings: OpConfig) -> BlockingModel | None:
        model = settings.model
        if model is None:
            return None
        if isinstance(model, LocalModel):
            return EngineModel(self._engines[op.name], model.fetch, settings.timeout_s, self._loop)
        if model.client_type == "pipeline_grpc":
            return PipelineModel(model, settings.timeout_s, op.pack_tensor_format)
        return (GrpcModel if model.client_type == "grpc" else ClientModel)(model, settings.timeout_s)
