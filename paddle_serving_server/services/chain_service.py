"""A service whose models stand in a chain, or side by side, as `--model A B`, `--op` and the builders say."""

import copy
from collections.abc import Mapping
from dataclasses import replace

from paddle_serving_app.signature import Signature
from paddle_serving_client import dtype, plugins
from paddle_serving_client.message import Request, Response, Stage
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.feed import as_json, named_inputs, outputs_of, stacked
from paddle_serving_server.engine.interface import Engine, named
from paddle_serving_server.engine.settings import ModelSettings
from paddle_serving_server.graph import general_ops
from paddle_serving_server.graph.chain import Chain
from paddle_serving_server.graph.model_graph import ModelGraph, ModelNode
from paddle_serving_server.graph.workflow import Workflow, module_of
from paddle_serving_server.services.model_service import ModelService
from paddle_serving_server.user_code.threads import Threads


class ChainService(ModelService):
    """Models, one after the other or side by side, without code around them.

    Args:
        name: of the service.
        workflow: its nodes and ends.
    """

    def __init__(self, name: str, workflow: Workflow) -> None:
        super().__init__(name)
        self._workflow = workflow
        self._by_node: Mapping[str, Engine] = {}
        self._graph: ModelGraph | None = None
        self.set_models({node.name: node.folder for node in workflow.nodes})

    @property
    def plans(self) -> dict[str, ModelSettings]:
        """The model of each node."""
        return {node.name: node for node in self._workflow.nodes}

    def bind(self, engines: Mapping[str, Engine], threads: Threads) -> None:
        """See `Service.bind`; settles how the models feed each other."""
        self._by_node = engines
        nodes, ends = _nodes_of(self._workflow, engines, threads)
        self._graph = graph = ModelGraph(nodes, ends)
        if len(ends) == 1:
            (end,) = ends
            self._engines = {end: Chain(graph) if len(nodes) > 1 else nodes[end].engine}
        if any(i.elem_type == dtype.STRING or i.is_lod for i in graph.inputs):
            self.kind = "json"  # a form suits numbers only

    @property
    def signature(self) -> Signature:
        """See `Service.signature`; of several ends the first."""
        return super().signature if self._graph is None else self._graph.signature(self._graph.ends[0])

    @property
    def backends(self) -> dict[str, str]:
        """The inference library of each node."""
        return {name: engine.backend_name for name, engine in self._by_node.items()}

    @property
    def model_plans(self) -> dict[str, Mapping[str, object]]:
        """The plan of each node, with its folder and the node it takes from."""
        nodes = {node.name: node for node in self._workflow.nodes}
        return {
            name: {**engine.plan, "op": nodes[name].op, "folder": nodes[name].folder, "takes_from": nodes[name].source}
            for name, engine in self._by_node.items()
        }

    def held(self, context: Context) -> "ChainService":
        """See `Service.held`."""
        held = copy.copy(self)
        held._engines = {name: engine.held(context) for name, engine in self._engines.items()}
        held._graph = None if self._graph is None else self._graph.held(context)
        return held

    async def infer(self, request: Request) -> Response:
        """See `Service.infer`. Of several ends, tensors are called END/ALIAS, and the result has a part for each."""
        assert self._graph is not None
        has_one_end = len(self._graph.ends) == 1
        inputs = self._graph.inputs
        has_strings = any([i.elem_type == dtype.STRING for i in inputs])
        if has_one_end and (request.tensors is not None or not has_strings):
            return await super().infer(request)
        if request.tensors is not None:
            parts = await self._infer_ends(request)
            tensors = {f"{end}/{alias}": a for end, part in parts.items() for alias, a in part.tensors.items()}
            return Response(tensors=tensors, stages=_stages_of(parts))
        instances = list(request.instances)
        tensors = {i.alias: stacked(i, instances) for i in named_inputs(Signature(inputs, ()), instances)}
        parts = await self._infer_ends(replace(request, tensors=tensors, instances=()))
        results = {end: as_json(outputs_of(part)) for end, part in parts.items()}
        return Response(result=results[next(iter(results))] if has_one_end else results, stages=_stages_of(parts))

    async def infer_models(self, request: Request) -> Mapping[str, tuple[Signature, Response]]:
        """See `Service.infer_models`: one answer for each end."""
        assert self._graph is not None
        if len(self._graph.ends) == 1:
            (end,) = self._graph.ends
            return {end: (self.signature, await super().infer(request))}
        parts = await self._infer_ends(request)
        return {end: (self._graph.signature(end), part) for end, part in parts.items()}

    async def _infer_ends(self, request: Request) -> dict[str, Response]:
        """What each end answers; the first has the stages of all."""
        assert self._graph is not None
        with Context.of(request) as context:
            graph = self._graph.held(context)
            signatures = {end: graph.signature(end) for end in graph.ends}
            wanted = {end: signature.select(request.fetch) for end, signature in signatures.items()}
            answered = await graph.run(graph.arranged(request.tensors or {}, request.lods), wanted, context)
            stages = {graph.ends[0]: answered.stages}
            return {
                end: named(signatures[end], wanted[end], reply, stages.get(end, ()), context)
                for end, reply in answered.replies.items()
            }


def _nodes_of(
    workflow: Workflow, engines: Mapping[str, Engine], threads: Threads
) -> tuple[dict[str, ModelNode], dict[str, str]]:
    """The models with what their ops make of them.

    What an op makes depends on who follows: where several do, a model stands there once for each of them, unless it is
    the same for all.
    """
    made: dict[str, ModelNode] = {}
    name_of: dict[tuple[str, str], str] = {}
    for node in workflow.nodes:
        followers = [other.name for other in workflow.nodes if other.source == node.name]
        followers += [""] if node.name in workflow.ends or not followers else []
        op = plugins.load(general_ops, module_of(node.op))
        for follower in followers:
            engine = op.make(engines[node.name], engines.get(follower), threads)
            is_plain = len(followers) == 1 or engine is engines[node.name]
            name = node.name if is_plain else f"{node.name}.{follower or 'end'}"
            name_of[node.name, follower] = name
            made[name] = ModelNode(engine, name_of[node.source, node.name] if node.source else "")
    return made, {end: name_of[end, ""] for end in workflow.ends}


def _stages_of(parts: Mapping[str, Response]) -> tuple[Stage, ...]:
    return tuple(stage for part in parts.values() for stage in part.stages)
