"""Models that feed each other, each as a whole: chains, and models side by side, as a graph.

A model takes what one other gives, or the request. Which output finds which input follows from the signatures, see
`wiring`. Each feed on the way is checked in full, as one that came from a caller is.
"""

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from paddle_serving_app.signature import Arranged, Input, Signature
from paddle_serving_client import dtype
from paddle_serving_client.errors import BackendFailed, BadInput
from paddle_serving_client.message import Array, Lod, Stage, Tensors
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Engine, Reply, stages_of
from paddle_serving_server.graph.graph import WHOLE, Graph, Node, Source
from paddle_serving_server.graph.wiring import wiring


@dataclass(frozen=True, slots=True)
class ModelNode:
    """A model, and where its feed comes from."""

    engine: Engine
    source: str = ""
    """The name of another node; empty: the request."""


class _Given(NamedTuple):
    """What passes along an edge."""

    outputs: Sequence[int]
    """Which of the model's outputs the arrays of the reply are."""
    reply: Reply


@dataclass(frozen=True, slots=True)
class _Wirings:
    """How the models feed each other, as long as their signatures are these."""

    signatures: list[Signature]
    givers: Mapping[str, tuple[int, ...]]
    """By the name of a node: for each of its inputs the output of its source."""
    taken: Mapping[str, tuple[int, ...]]
    """By the name of a node: those of its outputs that other nodes take."""


@dataclass(slots=True, eq=False)
class _Passage:
    """One request on its way."""

    engines: Mapping[str, Engine]
    wirings: _Wirings
    arranged: Mapping[str, Arranged]
    wanted: Mapping[str, Sequence[int]]
    """By the name of a node that is an end."""
    context: Context
    stages: dict[str, Sequence[Stage]] = field(default_factory=dict)
    """By the name of a node."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a request."""

    replies: Mapping[str, Reply]
    """By the name of an end."""
    stages: tuple[Stage, ...]
    """Of all models, under their nodes' names: GeneralInferOp_0.infer."""


class ModelGraph:
    """Models that feed each other. It holds nothing of a request."""

    def __init__(self, nodes: Mapping[str, ModelNode], ends: Mapping[str, str]) -> None:
        """Settle how they feed each other.

        Args:
            nodes: by name.
            ends: the parts of the answer by name, and the node whose outputs each of them is.

        Raises:
            BadConfig: outputs of one do not fit the inputs of another, or see `Graph`.
        """
        self.ends = tuple(ends)
        """The names of the parts of the answer."""
        self._ends = dict(ends)
        self._sources = {name: node.source for name, node in nodes.items()}
        self._graph: Graph[_Given, _Passage] = Graph(
            [_node(name, node.source) for name, node in nodes.items()],
            (),
            {end: Source(node) for end, node in ends.items()},
        )
        self._engines = {name: node.engine for name, node in nodes.items()}
        self._first = {end: self._first_of(node) for end, node in ends.items()}
        self._signatures: dict[str, Signature] = {}
        self._wirings = self._settled_for([engine.signature for engine in self._engines.values()])

    @property
    def engines(self) -> Mapping[str, Engine]:
        """By the name of the node."""
        return self._engines

    def signature(self, end: str) -> Signature:
        """The inputs that lead to an end, and its outputs."""
        first, last = self._engines[self._first[end]].signature, self._engines[self._ends[end]].signature
        kept = self._signatures.get(end)
        if kept is None or kept.inputs is not first.inputs or kept.outputs is not last.outputs:
            kept = self._signatures[end] = Signature(first.inputs, last.outputs)
        return kept

    @property
    def inputs(self) -> tuple[Input, ...]:
        """Those of all models that take the request, each once."""
        firsts = [self._engines[first].signature for first in self._first.values()]
        return tuple({i.alias: i for signature in firsts for i in signature.inputs}.values())

    def first(self, end: str) -> str:
        """The name of the node that takes the request for an end."""
        return self._first[end]

    def arranged(self, tensors: Tensors, lods: Mapping[str, Lod]) -> dict[str, Arranged]:
        """The feeds of the models that take the request, by the names of their nodes: to each what it knows.

        Raises:
            BadInput: see `Signature.arrange`. What no model knows is given to all, to be refused.
        """
        names = {first: _input_names(self._engines[first]) for first in dict.fromkeys(self._first.values())}
        everybody = {name for own in names.values() for name in own}
        found: dict[str, Arranged] = {}
        for first, own in names.items():
            part = {name: array for name, array in tensors.items() if name in own or name not in everybody}
            offsets = {name: lod for name, lod in lods.items() if name in own or name not in everybody}
            found[first] = self._engines[first].signature.arrange(part, offsets)
        return found

    async def run(
        self, arranged: Mapping[str, Arranged], wanted: Mapping[str, Sequence[int]], context: Context
    ) -> Answered:
        """Answer one request.

        Args:
            arranged: by the name of each node that takes the request: a feed that passed the check of its model.
            wanted: by the name of each end: indices of its outputs.
            context: of the request.

        Raises:
            BackendFailed: a model gave what the next one cannot take. Others: see `interface.Engine.run`.
        """
        engines = {name: engine.held(context) for name, engine in self._engines.items()}
        wirings = self._settled([engine.signature for engine in engines.values()])
        by_node = {self._ends[end]: outputs for end, outputs in wanted.items()}
        passage = _Passage(engines, wirings, arranged, by_node, context)
        given = await self._graph.run({}, passage, context.deadline)
        replies = {end: _first_of(given[end].reply, len(wanted[end])) for end in self.ends}
        stages = tuple([stage for name in self._graph.order for stage in passage.stages.get(name, ())])
        return Answered(replies, stages)

    def held(self, context: Context) -> "ModelGraph":
        """The same models for one request: one version of each until it is over."""
        held = copy.copy(self)
        held._engines = {name: engine.held(context) for name, engine in self._engines.items()}
        return held

    # -- details

    def _first_of(self, name: str) -> str:
        """The node at the beginning of the path to one."""
        while self._sources[name]:
            name = self._sources[name]
        return name

    def _settled(self, now: list[Signature]) -> _Wirings:
        """How the models feed each other; looked at again when one of them has changed."""
        if now != self._wirings.signatures:  # the same objects, mostly: lists look at that first
            self._wirings = self._settled_for(now)
        return self._wirings

    def _settled_for(self, now: list[Signature]) -> _Wirings:
        signatures = dict(zip(self._engines, now, strict=True))
        givers = {
            name: wiring(signatures[source], signatures[name], f"{source} -> {name}")
            for name, source in self._sources.items()
            if source
        }
        taken: dict[str, tuple[int, ...]] = {}
        for name, outputs in givers.items():
            source = self._sources[name]
            taken[source] = tuple(dict.fromkeys((*taken.get(source, ()), *outputs)))
        return _Wirings(now, givers, taken)


def _node(name: str, source: str) -> Node[_Given, _Passage]:
    return Node(name, partial(_asked, name, source), {WHOLE: Source(source)} if source else {}, keeps_time=True)


async def _asked(name: str, source: str, values: Mapping[str, _Given], passage: _Passage) -> Mapping[str, _Given]:
    """Ask the model of a node."""
    engine, context = passage.engines[name], passage.context
    taken = passage.wirings.taken.get(name, ())
    if name in passage.wanted:
        wanted = passage.wanted[name]
        outputs = tuple(dict.fromkeys((*wanted, *taken))) if taken else wanted
    else:
        outputs = taken
    if not source:
        arranged = passage.arranged[name]
    else:
        signature = engine.signature
        feed, lods = _fed(signature, passage.wirings.givers[name], values[WHOLE])
        if any([array.ndim and array.shape[0] == 0 for array in feed.values()]):
            return {WHOLE: _Given(outputs, Reply(_nothing(signature, outputs), {}))}
        try:
            arranged = signature.arrange(feed, lods)
        except BadInput as exc:
            raise BackendFailed(f"{source} gave what {name} cannot take: {exc}") from exc
    asked = time.monotonic()
    reply = await engine.run(arranged, outputs, context)
    passage.stages[name] = stages_of(reply, asked, time.monotonic(), f"{name}.")
    return {WHOLE: _Given(outputs, reply)}


def _fed(taker: Signature, givers: Sequence[int], given: _Given) -> tuple[dict[str, Array], dict[str, Lod]]:
    """A reply as the inputs of the next model; `givers` has the output for each."""
    feed: dict[str, Array] = {}
    lods: dict[str, Lod] = {}
    for taken, giver in zip(taker.inputs, givers, strict=True):
        at = given.outputs.index(giver)
        feed[taken.alias] = given.reply.arrays[at]
        if taken.is_lod and at in given.reply.lods:
            lods[taken.alias] = given.reply.lods[at]
    return feed, lods


def _first_of(reply: Reply, count: int) -> Reply:
    """A reply without the outputs that only other models have asked for: those come last."""
    if len(reply.arrays) == count:
        return reply
    lods = {at: lod for at, lod in reply.lods.items() if at < count}
    return replace(reply, arrays=reply.arrays[:count], lods=lods)


def _nothing(signature: Signature, outputs: Sequence[int]) -> tuple[Array, ...]:
    """The answer to no rows at all, as of a picture without text: no library runs an empty batch."""
    return tuple(
        np.zeros((0, *(max(0, size) for size in output.shape)), dtype.numpy_of(output.elem_type) or np.float32)
        for output in (signature.outputs[k] for k in outputs)
    )


def _input_names(engine: Engine) -> set[str]:
    return {name for i in engine.signature.inputs for name in (i.name, i.alias)}
