"""A service whose models stand in a chain, or side by side, as `--model A B`, `--op` and the builders say."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from paddle_serving_app.signature import Signature
from paddle_serving_client import dtype, plugins
from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Array, Instance, Request, Response, Stage
from paddle_serving_server.engine.chain import Chain
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.feed import as_json, named_inputs, outputs_of, stacked
from paddle_serving_server.engine.interface import Engine, answer
from paddle_serving_server.graph import general_ops
from paddle_serving_server.graph.workflow import Node, Workflow, module_of
from paddle_serving_server.services.model_service import ModelService
from paddle_serving_server.services.service import ModelPlan
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
        self._ends: dict[str, Engine] = {}
        self._by_node: Mapping[str, Engine] = {}
        self.set_models({node.name: node.folder for node in workflow.nodes})

    @property
    def plans(self) -> dict[str, ModelPlan]:
        """The model of each node."""
        return {
            node.name: ModelPlan(node.folder, node.options, max_rows=node.max_rows, instances=node.instances)
            for node in self._workflow.nodes
        }

    def bind(self, engines: Mapping[str, Engine], threads: Threads) -> None:
        """See `Service.bind`; settles how the models feed each other."""
        self._by_node = engines
        self._ends = {end: self._path_to(end, threads) for end in self._workflow.ends}
        if any(i.elem_type == dtype.STRING or i.is_lod for i in self._inputs().inputs):
            self.kind = "json"  # a form suits numbers only
        super().bind(self._ends, threads)
        self.lane, self.keeps_time = None, False  # there is more between a caller and his answer than one engine

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

    async def infer(self, request: Request) -> Response:
        """See `Service.infer`. Of several ends, tensors are called END/ALIAS, and the result has a part for each."""
        has_one_end = len(self._ends) == 1
        if request.tensors is not None:
            if has_one_end:
                return await super().infer(request)
            parts = await self.infer_models(request)
            named = {f"{end}/{alias}": a for end, (_, said) in parts.items() for alias, a in said.tensors.items()}
            return Response(tensors=named, stages=_stages(parts))
        signature = self._inputs()
        if has_one_end and not any(i.elem_type == dtype.STRING for i in signature.inputs):
            return await super().infer(request)
        instances = list(request.instances)
        tensors = _tensors_of(signature, instances)
        parts = await self.infer_models(replace(request, tensors=tensors, instances=()))
        results = {end: as_json(outputs_of(said)) for end, (_, said) in parts.items()}
        return Response(result=results[next(iter(results))] if has_one_end else results, stages=_stages(parts))

    async def infer_models(self, request: Request) -> Mapping[str, tuple[Signature, Response]]:
        """See `Service.infer_models`: one answer for each end."""
        if len(self._ends) == 1:
            (end,) = self._ends
            return {end: (self.signature, await super().infer(request))}
        with Context.of(request) as context:
            calls = (answer(engine, self._part_for(engine, request), context) for engine in self._ends.values())
            said = await asyncio.gather(*calls)
        return {end: (self._ends[end].signature, part) for end, part in zip(self._ends, said, strict=True)}

    def _path_to(self, end: str, threads: Threads) -> Engine:
        """The engine that runs all nodes up to an end."""
        nodes = {node.name: node for node in self._workflow.nodes}
        path: list[Node] = []
        name = end
        while name:
            path.insert(0, nodes[name])
            name = nodes[name].source
        raw = [*(self._by_node[node.name] for node in path), None]
        made: dict[str, Engine] = {}
        for k, node in enumerate(path):
            engine = raw[k]
            assert engine is not None
            op = plugins.load(general_ops, module_of(node.op))
            made[node.name] = op.make(engine, raw[k + 1], threads)
        return Chain(made) if len(made) > 1 else made[end]

    def _part_for(self, engine: Engine, request: Request) -> Request:
        """The request for one of several ends: the tensors it takes, and those that nobody takes, to be refused."""
        everybody = _input_names(self._ends.values())
        own = _input_names([engine])
        wanted = {name for name in request.tensors or {} if name in own or name not in everybody}
        return replace(
            request,
            tensors={name: array for name, array in (request.tensors or {}).items() if name in wanted},
            lods={name: lod for name, lod in request.lods.items() if name in wanted},
        )

    def _inputs(self) -> Signature:
        """The inputs of all ends, each once."""
        return Signature(tuple({i.alias: i for e in self._ends.values() for i in e.signature.inputs}.values()), ())


def _input_names(engines: Iterable[Engine]) -> set[str]:
    return {name for engine in engines for i in engine.signature.inputs for name in (i.name, i.alias)}


def _stages(parts: Mapping[str, tuple[Signature, Response]]) -> tuple[Stage, ...]:
    return tuple(stage for _, response in parts.values() for stage in response.stages)


def _tensors_of(signature: Signature, instances: list[Instance]) -> dict[str, Array]:
    """The instances of a request as tensors. A string, as a picture in base64, comes alone and is its bytes."""
    inputs = named_inputs(signature, instances)
    strings = [i.alias for i in inputs if i.elem_type == dtype.STRING]
    if strings and len(instances) > 1:
        raise BadInput(f"{len(instances)} instances came; with the string input {strings[0]!r} it is one at a time")
    return {
        i.alias: _text(i.alias, instances[0][i.alias]) if i.alias in strings else stacked(i, instances) for i in inputs
    }


def _text(name: str, value: object) -> Array:
    if not isinstance(value, str | bytes) or not value:
        raise BadInput(f"input {name!r} is a string that is not empty, got {type(value).__name__}")
    return np.frombuffer(value.encode() if isinstance(value, str) else value, np.uint8)
