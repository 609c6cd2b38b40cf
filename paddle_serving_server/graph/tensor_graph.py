"""Graphs in which each step asks a service, and names say which tensor is which: as Triton's ensembles are written.

    graph = TensorGraph(
        "price",
        [
            Step("houses", {"p": "rooms"}, {"x": "house"}),
            Step("uci", {"x": "house"}, {"price": "price"}, version="2"),
        ],
        Signature((Input("rooms", "rooms", 1, (-1, 1)),), (Output("price", "price", 1, (1,)),)),
    )

A tensor comes from the request or from one step, and any number of steps and the answer may have it: it is handed on
as it is, never copied. Steps that do not wait for each other are asked side by side.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeAlias

from paddle_serving_app.signature import Arranged, Signature
from paddle_serving_client import dtype
from paddle_serving_client.errors import BackendFailed, BadConfig, BadInput, ServingError
from paddle_serving_client.message import Array, Lod, Request, Response, Stage, describe
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Reply
from paddle_serving_server.graph.graph import INPUT, Graph, Node, Source

Ask: TypeAlias = Callable[[Request], Awaitable[Response]]
"""Has the service that `Request.model` and `Request.version` name answer."""


@dataclass(frozen=True, slots=True)
class Step:
    """One question to one service."""

    model: str
    """The name of the service."""
    input_map: Mapping[str, str]
    """Names of its inputs -> tensors of the graph."""
    output_map: Mapping[str, str]
    """Names of its outputs -> tensors of the graph; the others are not asked for."""
    version: str = ""
    """A number, a name or a label; empty: the one that answers by default when the request comes."""


class _Tensor(NamedTuple):
    """What passes along an edge."""

    array: Array
    lod: Lod


@dataclass(slots=True, eq=False)
class _Passage:
    """One request on its way."""

    ask: Ask
    context: Context
    stages: dict[str, Sequence[Stage]] = field(default_factory=dict)
    """By the name of a step."""


class TensorGraph:
    """Steps over named tensors, with the inputs and outputs that callers see."""

    def __init__(self, name: str, steps: Sequence[Step], signature: Signature) -> None:
        """Settle which step feeds which.

        Args:
            name: for messages.
            steps: in any order.
            signature: aliases are the names of tensors.

        Raises:
            BadConfig: a tensor comes from nowhere or from two places, steps wait for each other, or nothing of a step
                is used; the text names them.
        """
        self.name = name
        self.signature = signature
        self.steps = dict(zip(_names_of(steps), steps, strict=True))
        """By the name of the step: that of its model, with a number behind it where several have the same one."""
        inputs = [i.alias for i in signature.inputs]
        title = f"graph {name!r}"
        sources = _sources_of(title, self.steps, inputs)
        nodes = [self._node(title, step_name, step, sources) for step_name, step in self.steps.items()]
        outputs = {o.alias: _source(sources, title, o.alias, "output") for o in signature.outputs}
        self._first = {node.name for node in nodes if all(s.node == INPUT for s in node.inputs.values())}
        self._graph: Graph[_Tensor, _Passage] = Graph(nodes, inputs, outputs, title)

    @property
    def models(self) -> tuple[tuple[str, str], ...]:
        """The services that the steps ask, with their versions, in the order of the steps."""
        return tuple((step.model, step.version) for step in self.steps.values())

    async def run(self, ask: Ask, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        """Answer one request.

        Args:
            ask: what the steps are asked by; a service has to answer with one version for as long as this runs.
            arranged, outputs, context: see `interface.Engine.run`.

        Returns:
            The reply, with the stages of each step under the step's name: uci.queue, uci.infer, ...

        Raises:
            DeadlineExceeded: no answer by then. BackendFailed: a step gave something else than the graph needs.
            What a step raises; the others are called off.
        """
        passage = _Passage(ask, context)
        given = {
            spec.alias: _Tensor(array, arranged.lods.get(k, ()))
            for k, (spec, array) in enumerate(zip(self.signature.inputs, arranged.arrays, strict=True))
        }
        tensors = await self._graph.run(given, passage, context.deadline)
        wanted = [self._checked(k, tensors) for k in outputs]
        stages = (stage for name in self._graph.order for stage in passage.stages.get(name, ()))
        return Reply(
            tuple(tensor.array for tensor in wanted),
            {k: tensor.lod for k, tensor in enumerate(wanted) if tensor.lod},
            stages=tuple(stages),
        )

    def _node(self, title: str, name: str, step: Step, sources: Mapping[str, Source]) -> Node[_Tensor, _Passage]:
        inputs = {
            mine: _source(sources, title, tensor, f"input {mine!r} of step {name!r}")
            for mine, tensor in step.input_map.items()
        }
        return Node(name, partial(self._asked, name, step), inputs, tuple(step.output_map))

    async def _asked(
        self, name: str, step: Step, values: Mapping[str, _Tensor], passage: _Passage
    ) -> dict[str, _Tensor]:
        """Ask the service of a step."""
        context = passage.context
        request = Request(
            model=step.model,
            version=step.version,
            tensors={mine: tensor.array for mine, tensor in values.items()},
            parameters=context.parameters,
            id=context.id,
            lods={mine: tensor.lod for mine, tensor in values.items() if tensor.lod},
            fetch=tuple(step.output_map),
            log_id=context.log_id,
            variant_key=context.variant_key,
            deadline=context.deadline,
            askers=context.askers,
        )
        began = time.monotonic()
        try:
            response = await passage.ask(request)
        except BadInput as exc:
            raise self._refused(name, exc) from exc
        ended = time.monotonic()
        stages = response.stages or (Stage("infer", (ended - began) * 1000, began, ended),)
        passage.stages[name] = [stage._replace(name=f"{name}.{stage.name}") for stage in stages]
        return {mine: self._taken(name, step, mine, response) for mine in step.output_map}

    def _refused(self, name: str, error: BadInput) -> ServingError:
        """What a step cannot take is the caller's affair where nothing but his tensors went into it."""
        text = f"graph {self.name!r}, step {name!r}: {error}"
        return type(error)(text) if name in self._first else BackendFailed(text)

    def _taken(self, name: str, step: Step, output: str, response: Response) -> _Tensor:
        """An output of a step, out of its answer."""
        if output not in response.tensors:
            gave = ", ".join(map(repr, response.tensors)) or "no tensors"
            raise BackendFailed(
                f"graph {self.name!r}, step {name!r}: service {step.model!r} has no output {output!r}; it gave {gave}"
            )
        return _Tensor(response.tensors[output], response.lods.get(output, ()))

    def _checked(self, k: int, tensors: Mapping[str, _Tensor]) -> _Tensor:
        """An output of the graph; callers have been told its type."""
        spec = self.signature.outputs[k]
        tensor = tensors[spec.alias]
        expected = dtype.numpy_of(spec.elem_type)
        if expected is not None and tensor.array.dtype.newbyteorder("=") != expected:
            wanted = dtype.name_of(spec.elem_type)
            raise BackendFailed(
                f"graph {self.name!r}: output {spec.alias!r} is to be {wanted}, its step gave {describe(tensor.array)}"
            )
        return tensor


def _names_of(steps: Sequence[Step]) -> list[str]:
    """uci, or uci.1 and uci.2 where two steps ask the same one."""
    models = [step.model for step in steps]
    names: list[str] = []
    for k, model in enumerate(models):
        names.append(model if models.count(model) == 1 else f"{model}.{models[: k + 1].count(model)}")
    return names


def _sources_of(title: str, steps: Mapping[str, Step], inputs: Sequence[str]) -> dict[str, Source]:
    """Where each tensor comes from."""
    sources = {tensor: Source(INPUT, tensor) for tensor in inputs}
    for name, step in steps.items():
        for output, tensor in step.output_map.items():
            if tensor in sources:
                other = sources[tensor].node
                both = f"step {other!r}" if other != INPUT else "the request"
                raise BadConfig(f"{title}: tensor {tensor!r} comes from {both} and from step {name!r}")
            sources[tensor] = Source(name, output)
    return sources


def _source(sources: Mapping[str, Source], title: str, tensor: str, taker: str) -> Source:
    if tensor not in sources:
        known = ", ".join(map(repr, sources)) or "none"
        raise BadConfig(f"{title}: {taker} is tensor {tensor!r}, which nothing gives; there are {known}")
    return sources[tensor]
