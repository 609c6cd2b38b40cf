"""A service whose steps ask other services of the same server, as Triton's ensembles do."""

import contextlib
import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace

from paddle_serving_app.signature import Arranged, Signature
from paddle_serving_client.errors import BadConfig
from paddle_serving_client.message import Stage
from paddle_serving_server.counting.counters import Counters
from paddle_serving_server.engine import batch
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.counted import CountedEngine
from paddle_serving_server.engine.interface import Engine, Reply
from paddle_serving_server.graph.tensor_graph import Ask, TensorGraph
from paddle_serving_server.services.model_service import ModelService
from paddle_serving_server.services.service import Others
from paddle_serving_server.user_code.threads import Threads


class GraphService(ModelService):
    """Takes and gives what its graph says, like a model; it has no engine of its own.

    Its steps ask services by name and version. Those need not be there when it is made: a request that finds one of
    them missing gets an error that names it.
    """

    def __init__(self, name: str, graph: TensorGraph, title: str = "", max_rows: int = 1) -> None:
        """Be called `name`.

        Args:
            name: of the service.
            graph: its steps.
            title: one line for people.
            max_rows: of one request; 1: axis 0 of its tensors is no batch, as far as anybody knows.

        Raises:
            BadConfig: no service can have that name.
        """
        super().__init__(name)
        self.title = title
        self._graph = graph
        self._max_rows = max_rows

    @property
    def asks(self) -> Sequence[tuple[str, str]]:
        """See `Service.asks`."""
        return self._graph.models

    def asking(self, ask: Ask) -> "GraphService":
        """See `Service.asking`."""
        assert self.others is not None
        other, engine = copy.copy(self), copy.copy(self._engines[""])
        assert isinstance(engine, CountedEngine)
        engine.inner = _GraphEngine(self._graph, self.others, self._max_rows, ask)
        other._engines = {"": engine}
        return other

    def bind(self, engines: Mapping[str, Engine], threads: Threads) -> None:
        """See `Service.bind`; `others` must be known by now.

        Raises:
            BadConfig: there is nobody to ask, or it would wait for itself.
        """
        if self.others is None:
            raise BadConfig(f"service {self.name!r} asks other services, and there are none here")
        self.others.refuse_circle(self.name, [name for name, _ in self.asks])
        engine = _GraphEngine(self._graph, self.others, self._max_rows)
        counted = CountedEngine(engine, self.counters or Counters(), self.name, "", version=lambda: self.version)
        super().bind({"": counted}, threads)
        self.lane, self.keeps_time = None, True

    @property
    def model_plans(self) -> dict[str, Mapping[str, object]]:
        """The steps, by their names."""
        return {
            name: {"model": s.model, "version": s.version, "takes": dict(s.input_map), "gives": dict(s.output_map)}
            for name, s in self._graph.steps.items()
        }


class _GraphEngine:
    """A tensor graph as an engine. Which versions answer is settled for each request when it comes."""

    backend_name = "ensemble"
    version = "1"

    def __init__(self, graph: TensorGraph, others: Others, max_rows: int, ask: Ask | None = None) -> None:
        self._graph = graph
        self._others = others
        self.plan: Mapping[str, object] = {"max_rows": max_rows}
        """See `interface.Engine`; `GraphService.model_plans` has the steps."""
        self._max_rows = max_rows
        self._ask = ask
        """Of the request that this is held for."""

    @property
    def signature(self) -> Signature:
        """See `interface.Engine`."""
        return self._graph.signature

    async def run(self, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        """See `interface.Engine.run`."""
        if self._ask is not None:
            return self._timed(await self._graph.run(self._ask, arranged, outputs, context), arranged)
        with self._others.held(self._graph.models, context) as ask:
            return self._timed(await self._graph.run(ask, arranged, outputs, context), arranged)

    def held(self, context: Context) -> Engine:
        """See `interface.Engine.held`."""
        holding = contextlib.ExitStack()
        ask = holding.enter_context(self._others.held(self._graph.models, context))
        context.on_end(holding.close)
        return _GraphEngine(self._graph, self._others, self._max_rows, ask)

    def _timed(self, reply: Reply, arranged: Arranged) -> Reply:
        """The times of all steps together; a request is a batch of its own."""
        rows = batch.rows_of([array.shape for array in arranged.arrays]) if self._max_rows > 1 else 1
        joining, inference = _sum(reply.stages, "batch"), _sum(reply.stages, "infer")
        queue_ms = _sum(reply.stages, "queue")
        return replace(reply, queue_ms=queue_ms, run_ms=joining + inference, input_ms=joining, rows=max(1, rows))

    async def close(self) -> None:
        """See `interface.Engine.close`: the models belong to others."""


def _sum(stages: Sequence[Stage], kind: str) -> float:
    """All stages of one kind: STEP.queue, STEP.infer, ..."""
    return sum(stage.ms for stage in stages if stage.name.rpartition(".")[2] == kind)
