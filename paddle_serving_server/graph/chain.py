"""Several models as one engine: what the first gives feeds the second, and so on."""

from collections.abc import Mapping, Sequence

from paddle_serving_app.signature import Arranged, Signature
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Engine, Reply
from paddle_serving_server.graph.model_graph import ModelGraph


class Chain:
    """A graph of models with one end, as an engine."""

    def __init__(self, graph: ModelGraph) -> None:
        self._graph = graph
        (self._end,) = graph.ends

    @property
    def signature(self) -> Signature:
        """Inputs of the first, outputs of the last."""
        return self._graph.signature(self._end)

    @property
    def backend_name(self) -> str:
        """The libraries of all."""
        return ", ".join(sorted({engine.backend_name for engine in self._graph.engines.values()}))

    @property
    def plan(self) -> Mapping[str, object]:
        """The plan of each."""
        return {name: engine.plan for name, engine in self._graph.engines.items()}

    @property
    def version(self) -> str:
        """The versions of all."""
        return "/".join(engine.version for engine in self._graph.engines.values())

    async def run(self, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        """See `interface.Engine.run`."""
        answered = await self._graph.run({self._graph.first(self._end): arranged}, {self._end: outputs}, context)
        reply = answered.replies[self._end]
        return Reply(reply.arrays, reply.lods, stages=answered.stages)

    def held(self, context: Context) -> Engine:
        """See `interface.Engine.held`."""
        return Chain(self._graph.held(context))

    async def close(self) -> None:
        """Let go of all models."""
        for engine in self._graph.engines.values():
            await engine.close()
