"""The one engine for graphs: nodes that run as soon as what they take is there.

    chains of models          graph/model_graph.py       --model A B, --op, OpSeqMaker, OpGraphMaker
    Paddle pipelines          graph/pipeline/            config.yml and subclasses of Op
    graphs over tensor names  graph/tensor_graph.py      steps with an input_map and an output_map

Each of these makes `Node`s of what it reads, and says what passes along an edge. What a node does with it, and where
that runs, is the node's own affair: a `Graph` knows names, readiness, failures and the deadline.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeAlias, TypeVar

from paddle_serving_client.errors import BadConfig, DeadlineExceeded, ServingError

_Value = TypeVar("_Value")
_Context = TypeVar("_Context")

INPUT: Final = ""
"""Stands for the graph itself, where a node takes what the request carries."""
WHOLE: Final = ""
"""The name of the one output of a node that gives one thing."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value comes from."""

    node: str
    """The name of a node; `INPUT`: the request."""
    output: str = WHOLE


@dataclass(frozen=True, slots=True)
class Jump(Generic[_Value]):
    """What a node gives in place of its outputs when it names those that run next: nobody behind it is fed."""

    starts: Mapping[str, Mapping[str, _Value]]
    """By the name of a node: its inputs."""


@dataclass(frozen=True, slots=True)
class Node(Generic[_Value, _Context]):
    """One step."""

    name: str
    run: Callable[[Mapping[str, _Value], _Context], Awaitable[Mapping[str, _Value] | Jump[_Value]]]
    """Given its inputs by its own names, and what belongs to the request: its outputs."""
    inputs: Mapping[str, Source] = field(default_factory=dict)
    outputs: Collection[str] = (WHOLE,)
    takes_first: bool = False
    """Whether it runs with the first of its inputs that is there, once, instead of waiting for all."""
    keeps_time: bool = False
    """Whether it ends at the deadline by itself."""


_Ready: TypeAlias = tuple[Node[_Value, _Context], Mapping[str, _Value]]


class Graph(Generic[_Value, _Context]):
    """Nodes without a circle. It holds nothing of a request, so that one never waits for another here."""

    def __init__(
        self,
        nodes: Iterable[Node[_Value, _Context]],
        inputs: Collection[str],
        outputs: Mapping[str, Source],
        title: str = "the graph",
    ) -> None:
        """Check the nodes.

        Args:
            nodes: in any order.
            inputs: what a request carries.
            outputs: the answer.
            title: of all this, for messages.

        Raises:
            BadConfig: two nodes have one name, something is taken that nobody gives, nodes wait for each other, or one
                is run for nothing.
        """
        self._title = title
        listed = list(nodes)
        self._nodes = {node.name: node for node in listed}
        self._check_names(listed, inputs, outputs)
        self.order = self._in_order()
        """The names of the nodes, each behind those that it takes from; otherwise as they were given."""
        self._check_use(outputs)
        self._outputs = dict(outputs)
        self._ends = {source.node for source in outputs.values()} - {INPUT}
        self._fronts = {node.name: _fronts(node) for node in listed}
        behind = {name: [other for other in self.order if name in self._fronts[other]] for name in self.order}
        self._behind = {name: tuple(self._nodes[other] for other in behind[name]) for name in self.order}
        self._is_line = self._ends == set(self.order[-1:]) and not any(node.takes_first for node in listed)
        self._is_line &= all(self._fronts[b] == {a} for a, b in zip(self.order, self.order[1:], strict=False))
        self._first = tuple(self._nodes[name] for name in self.order if self._is_first(self._nodes[name]))

    async def run(
        self, inputs: Mapping[str, _Value], context: _Context, deadline: float = math.inf
    ) -> dict[str, _Value]:
        """Answer one request: each node once at most, side by side where nothing stands between them.

        Args:
            inputs: as the graph was told of.
            context: handed to every node.
            deadline: on the clock of `time.monotonic`.

        Returns:
            The outputs. As soon as all are there, what still runs is called off.

        Raises:
            DeadlineExceeded: not all are there by then.
            Whatever a node raises; those that run beside it are called off.
        """
        given: dict[str, Mapping[str, _Value]] = {INPUT: inputs}
        if self._is_line:
            await self._along(given, context, deadline)
        else:
            ready: list[_Ready[_Value, _Context]] = [(node, _inputs_of(node, given)) for node in self._first]
            await self._spread(given, {node.name for node in self._first}, ready, context, deadline)
        return {name: given[source.node][source.output] for name, source in self._outputs.items()}

    # -- a request on its way

    async def _along(self, given: dict[str, Mapping[str, _Value]], context: _Context, deadline: float) -> None:
        """Run one node after the other: what chains need, and nothing more, for they answer small requests."""
        for k, name in enumerate(self.order):
            node = self._nodes[name]
            result = await _alone(node, _inputs_of(node, given), context, deadline)
            if isinstance(result, Jump):
                started = set(self.order[: k + 1])
                await self._spread(given, started, self._jumped(result, started), context, deadline)
                return
            given[name] = result

    async def _spread(
        self,
        given: dict[str, Mapping[str, _Value]],
        started: set[str],
        ready: list[_Ready[_Value, _Context]],
        context: _Context,
        deadline: float,
    ) -> None:
        """Run nodes side by side until all ends are there; `started` has those that are `ready`, too."""
        running: dict[asyncio.Future[Mapping[str, _Value] | Jump[_Value]], Node[_Value, _Context]] = {}
        try:
            while not given.keys() >= self._ends:
                if len(ready) == 1 and not running:
                    node, values = ready.pop()
                    ended = [(node, await _alone(node, values, context, deadline))]
                else:
                    running |= {asyncio.ensure_future(node.run(values, context)): node for node, values in ready}
                    ready.clear()
                    ended = await self._next_of(running, deadline)
                for node, result in ended:
                    if isinstance(result, Jump):
                        ready += self._jumped(result, started)
                    else:
                        given[node.name] = result
                        ready += self._due(node, given, started)
        finally:
            for task in running:
                task.cancel()
                task.add_done_callback(_look_at)

    def _due(
        self, done: Node[_Value, _Context], given: Mapping[str, Mapping[str, _Value]], started: set[str]
    ) -> list[_Ready[_Value, _Context]]:
        """The nodes that waited for this one, and for no other any more."""
        due: list[_Ready[_Value, _Context]] = []
        for node in self._behind[done.name]:
            if node.name not in started and (node.takes_first or given.keys() >= self._fronts[node.name]):
                started.add(node.name)
                due.append((node, _inputs_of(node, given)))
        return due

    def _jumped(self, jump: Jump[_Value], started: set[str]) -> list[_Ready[_Value, _Context]]:
        names = [name for name in jump.starts if name not in started]
        started.update(names)
        return [(self._nodes[name], jump.starts[name]) for name in names]

    async def _next_of(
        self,
        running: dict["asyncio.Future[Mapping[str, _Value] | Jump[_Value]]", Node[_Value, _Context]],
        deadline: float,
    ) -> list[tuple[Node[_Value, _Context], Mapping[str, _Value] | Jump[_Value]]]:
        """Those of the nodes that have ended; at least one."""
        if not running:
            ends = ", ".join(sorted(self._ends))
            raise ServingError(f"{self._title}: no node led to {ends}: what was jumped over was waited for")
        left_s = None if deadline == math.inf else deadline - time.monotonic()
        done, _ = await asyncio.wait(running, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            raise _late([node.name for node in running.values()])
        return [(running.pop(task), task.result()) for task in list(running) if task in done]

    # -- checks

    def _is_first(self, node: Node[_Value, _Context]) -> bool:
        fronts = self._fronts[node.name]
        return not fronts or (node.takes_first and any(source.node == INPUT for source in node.inputs.values()))

    def _check_names(
        self, listed: Sequence[Node[_Value, _Context]], inputs: Collection[str], outputs: Mapping[str, Source]
    ) -> None:
        names = [node.name for node in listed]
        twice = [name for name in self._nodes if names.count(name) > 1]
        if twice or INPUT in names:
            raise BadConfig(f"{self._title}: two nodes are named {(twice or [INPUT])[0]!r}; each needs its own name")
        for node in listed:
            for name, source in node.inputs.items():
                self._check_source(source, inputs, f"input {name!r} of {node.name!r}" if name else f"{node.name!r}")
        for name, source in outputs.items():
            self._check_source(source, inputs, f"output {name!r}")

    def _check_source(self, source: Source, inputs: Collection[str], taker: str) -> None:
        """Whether there is what somebody takes."""
        if source.node == INPUT:
            there, giver = inputs, "the request"
        elif source.node in self._nodes:
            there, giver = self._nodes[source.node].outputs, repr(source.node)
        else:
            known = ", ".join(map(repr, self._nodes)) or "none"
            raise BadConfig(f"{self._title}: {taker} comes from {source.node!r}, and no node has that name; {known}")
        if source.output not in there:
            gives = ", ".join(map(repr, there)) or "nothing"
            raise BadConfig(f"{self._title}: {taker} is {source.output!r} of {giver}, which gives {gives}")

    def _in_order(self) -> tuple[str, ...]:
        order: list[str] = []
        path: list[str] = []
        waiting = [iter(self._nodes)]
        while waiting:
            name = next(waiting[-1], None)
            if name is None:
                waiting.pop()
                if path:
                    order.append(path.pop())
            elif name in path:
                circle = " -> ".join([name, *reversed(path[path.index(name) :])])
                raise BadConfig(f"{self._title}: the nodes wait for each other in a circle: {circle}")
            elif name not in order:
                path.append(name)
                waiting.append(iter(sorted(_fronts(self._nodes[name]), key=list(self._nodes).index)))
        return tuple(order)

    def _check_use(self, outputs: Mapping[str, Source]) -> None:
        """Whether every node leads to an output."""
        needed = {source.node for source in outputs.values()}
        for name in reversed(self.order):
            if name in needed:
                needed |= _fronts(self._nodes[name])
        dead = [name for name in self.order if name not in needed]
        if dead:
            raise BadConfig(f"{self._title}: nothing of {', '.join(map(repr, dead))} is used for an output")


async def _alone(
    node: Node[_Value, _Context], values: Mapping[str, _Value], context: _Context, deadline: float
) -> Mapping[str, _Value] | Jump[_Value]:
    """Run the one node that can run now: chains need no task for each of their models."""
    if node.keeps_time or deadline == math.inf:
        return await node.run(values, context)
    try:
        async with asyncio.timeout(deadline - time.monotonic()) as limit:
            return await node.run(values, context)
    except TimeoutError as exc:
        if isinstance(exc, ServingError) or not limit.expired():  # the node's own
            raise
        raise _late([node.name]) from exc


def _late(names: Sequence[str]) -> DeadlineExceeded:
    return DeadlineExceeded(f"no answer in time; in work: {', '.join(map(repr, names))}")


def _fronts(node: Node[_Value, _Context]) -> set[str]:
    """The nodes that one takes from."""
    return {source.node for source in node.inputs.values()} - {INPUT}


def _inputs_of(node: Node[_Value, _Context], given: Mapping[str, Mapping[str, _Value]]) -> dict[str, _Value]:
    """What is there of what a node takes."""
    return {name: given[s.node][s.output] for name, s in node.inputs.items() if s.node in given}


def _look_at(task: "asyncio.Future[Mapping[str, _Value] | Jump[_Value]]") -> None:
    """What a node raises that was called off is of no interest."""
    if not task.cancelled():
        task.exception()
