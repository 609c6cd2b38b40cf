"""The one graph engine: what cannot be a graph, and what becomes of a request that runs through one."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping

import pytest

from paddle_serving_client.errors import BadConfig, BadInput, DeadlineExceeded, ServingError
from paddle_serving_server.graph.graph import INPUT, Graph, Jump, Node, Source

Values = Mapping[str, int]
Run = Callable[[Values, list[str]], Awaitable[Values | Jump[int]]]
IN, LONG_S = Source(INPUT, "n"), 30.0


def adding(name: str, more: int = 1) -> Run:
    """The sum of all inputs and one more, written down in the request's list when it is asked and answered."""

    async def run(values: Values, log: list[str]) -> Values:
        log.append(name)
        await asyncio.sleep(0)
        log.append(f"{name}.")
        return {"": sum(values.values()) + more}

    return run


def node(name: str, *fronts: str, run: Run | None = None, takes_first: bool = False) -> Node[int, list[str]]:
    inputs = {front or "n": Source(front) if front else IN for front in fronts}
    return Node(name, run or adding(name), inputs, takes_first=takes_first)


def graph(*nodes: Node[int, list[str]], end: str) -> Graph[int, list[str]]:
    return Graph(nodes, ["n"], {"sum": Source(end)}, "graph 'g'")


def answered(made: Graph[int, list[str]], log: list[str] | None = None, deadline: float = math.inf) -> int:
    return asyncio.run(made.run({"n": 1}, [] if log is None else log, deadline))["sum"]


def test_a_node_runs_when_its_inputs_are_there_and_independent_ones_side_by_side() -> None:
    made = graph(node("d", "b", "c"), node("b", "a"), node("c", "a"), node("a", ""), end="d")
    log: list[str] = []
    assert answered(made, log) == 7
    assert log == ["a", "a.", "b", "c", "b.", "c.", "d", "d."]
    assert made.order == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("nodes", "end", "words"),
    [
        ([node("a", "b"), node("b", "c"), node("c", "a")], "a", "wait for each other in a circle: a -> c -> b -> a"),
        ([node("a", "")] * 2, "a", "two nodes are named 'a'"),
        ([node("a", "x")], "a", "input 'x' of 'a' comes from 'x', and no node has that name; 'a'"),
        ([node("a", "")], "z", "output 'sum' comes from 'z', and no node has that name"),
        ([node("a", ""), node("b", "a"), node("c", "")], "a", "nothing of 'b', 'c' is used for an output"),
        (
            [Node("a", adding("a"), {"m": Source(INPUT, "m")})],
            "a",
            "input 'm' of 'a' is 'm' of the request",
        ),
        ([node("a", ""), Node("b", adding("b"), {"m": Source("a", "m")})], "b", "input 'm' of 'b' is 'm' of 'a'"),
    ],
)
def test_what_cannot_be_a_graph_is_refused_by_name(nodes: list[Node[int, list[str]]], end: str, words: str) -> None:
    with pytest.raises(BadConfig) as caught:
        graph(*nodes, end=end)
    assert str(caught.value).startswith("graph 'g': ")
    assert words in str(caught.value)


async def waiting(values: Values, log: list[str]) -> Values:
    """Never ends, and writes down that it was called off."""
    try:
        await asyncio.sleep(LONG_S)
    except asyncio.CancelledError:
        log.append("called off")
        raise
    return {"": 0}


async def failing(values: Values, log: list[str]) -> Values:
    raise BadInput("no")


def test_when_one_fails_those_beside_it_are_called_off() -> None:
    made = graph(node("a", "", run=waiting), node("b", "", run=failing), node("c", "a", "b"), end="c")
    log: list[str] = []
    with pytest.raises(BadInput, match="no"):
        answered(made, log)
    assert log == ["called off"]


@pytest.mark.parametrize("names", [("a",), ("a", "b")])
def test_the_deadline_ends_it_and_says_what_was_in_work(names: tuple[str, ...]) -> None:
    made = graph(*(node(name, "", run=waiting) for name in names), node("c", *names), end="c")
    log: list[str] = []
    with pytest.raises(DeadlineExceeded, match="in work: " + ", ".join(map(repr, names))):
        answered(made, log, time.monotonic() + 0.02)
    assert log == ["called off"] * len(names)


@pytest.mark.parametrize("names", [("a",), ("a", "b")])
def test_a_timeout_that_a_node_raises_before_the_deadline_is_its_own(names: tuple[str, ...]) -> None:
    async def run(values: Values, log: list[str]) -> Values:
        raise TimeoutError("the database is silent")

    made = graph(*(node(name, "", run=run) for name in names), node("c", *names), end="c")
    with pytest.raises(TimeoutError, match="the database is silent"):
        answered(made, deadline=time.monotonic() + LONG_S)


def test_one_that_takes_the_first_arrival_runs_once_with_it() -> None:
    made = graph(node("a", ""), node("b", "", run=waiting), node("c", "a", "b", takes_first=True), end="c")
    log: list[str] = []
    assert answered(made, log) == 3
    assert log == ["a", "a.", "c", "c.", "called off"]


def test_a_jump_feeds_who_it_names_and_nobody_else() -> None:
    async def jumping(values: Values, log: list[str]) -> Jump[int]:
        return Jump({"c": {"a": 10}})

    first = node("a", "", run=jumping)
    log: list[str] = []
    assert answered(graph(first, node("b", "a"), node("c", "b"), end="c"), log) == 11
    assert log == ["c", "c."]
    with pytest.raises(ServingError, match="no node led to d: what was jumped over was waited for"):
        answered(graph(first, node("b", "a"), node("c", "b"), node("d", "b", "c"), end="d"))


def test_requests_do_not_wait_for_each_other() -> None:
    """One that never ends, and a hundred beside it."""

    async def run(values: Values, log: list[str]) -> Values:
        return await waiting(values, log) if values["n"] < 0 else {"": values["n"]}

    made = graph(node("a", "", run=run), end="a")

    async def ask() -> list[int]:
        slow = asyncio.create_task(made.run({"n": -1}, []))
        found = [(await made.run({"n": k}, []))["sum"] for k in range(100)]
        assert not slow.done()
        slow.cancel()
        return found

    assert asyncio.run(ask()) == list(range(100))
