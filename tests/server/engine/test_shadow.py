"""Shadow traffic: compared after the answer, never in its way, and dropped when it is behind."""

import asyncio
from pathlib import Path

import pytest

from paddle_serving_server.counting.counters import Counters
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Engine
from paddle_serving_server.engine.local import LocalEngine
from paddle_serving_server.engine.shadow import DIFFERENT, DROPPED, EQUAL, FAILED, LARGEST, ShadowEngine
from tests.server.engine import engines
from tests.server.engine.engines import Gate, house

KINDS = (EQUAL, DIFFERENT, FAILED, DROPPED)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[LocalEngine, LocalEngine]:
    folder = tmp_path_factory.mktemp("pair")
    return engines.uci(folder / "a"), engines.uci(folder / "b", 2.0)


class Shadowed:
    """An engine with a shadow, and what was counted."""

    def __init__(self, engine: Engine, shadow: Engine, percent: float = 100.0) -> None:
        self.counters = Counters()
        self.engine = ShadowEngine(engine, shadow, percent, 1e-3, self.counters, {"service": "uci"})

    def counts(self) -> tuple[int, ...]:
        """Equal, different, failed, dropped."""
        found = self.counters.read(0.0)
        return tuple(n for kind in KINDS for _, n in found.counts_of(kind))

    async def until(self, compared: int) -> None:
        """Wait for so many comparisons."""
        async with asyncio.timeout(10):
            while sum(self.counts()[:3]) < compared:
                await asyncio.sleep(0.005)


def test_equal_and_different_answers_are_told_apart(pair: tuple[LocalEngine, LocalEngine], tmp_path: Path) -> None:
    live, other = pair

    async def run() -> None:
        same, differs = Shadowed(live, engines.uci(tmp_path / "same")), Shadowed(live, other)
        for shadowed in (same, differs):
            for k in range(3):
                await shadowed.engine.run(house(live, k), (0,), Context())
            await shadowed.until(3)
        assert same.counts() == (3, 0, 0, 0)
        assert differs.counts() == (1, 2, 0, 0), "a house of zeros has the same price"
        example = differs.engine.examples[-1]
        assert (example.outputs, example.inputs) == (("price",), ("float32[1, 13]",))
        ((_, largest),) = differs.counters.read(0.0).counts_of(LARGEST)
        assert largest == int(max(e.distance for e in differs.engine.examples) * 1e9)
        assert not same.engine.examples

    asyncio.run(run())


def test_a_slow_shadow_delays_nobody_and_what_it_cannot_take_is_dropped(pair: tuple[LocalEngine, LocalEngine]) -> None:
    live, other = pair

    async def run() -> None:
        gate = Gate(other)
        shadowed = Shadowed(live, gate)
        async with asyncio.timeout(5):
            for _ in range(40):
                await shadowed.engine.run(house(live), (0,), Context())
        assert shadowed.counts() == (0, 0, 0, 40 - 16)
        gate.open.set()
        await shadowed.until(16)
        assert gate.runs == 16

    asyncio.run(run())


def test_a_shadow_that_fails_is_counted_and_nothing_else(pair: tuple[LocalEngine, LocalEngine], tmp_path: Path) -> None:
    live, _ = pair

    async def run() -> None:
        closed = engines.uci(tmp_path / "closed")
        await closed.close()
        shadowed = Shadowed(live, closed)
        reply = await shadowed.engine.run(house(live), (0,), Context())
        assert reply.arrays[0].shape == (1, 1)
        await shadowed.until(1)
        assert shadowed.counts() == (0, 0, 1, 0)

    asyncio.run(run())


def test_only_the_part_that_was_asked_for_is_copied(pair: tuple[LocalEngine, LocalEngine]) -> None:
    live, other = pair

    async def run() -> None:
        gate = Gate(other)
        gate.open.set()
        none, some = Shadowed(live, gate, percent=0.0), Shadowed(live, gate, percent=50.0)
        for _ in range(100):
            await none.engine.run(house(live), (0,), Context())
        assert sum(none.counts()) == 0
        for _ in range(100):
            await some.engine.run(house(live), (0,), Context())
        await some.until(1)
        assert 20 < sum(some.counts()) + len(some.engine._waiting) < 80

    asyncio.run(run())


def test_the_shadow_sees_what_was_asked_even_when_a_caller_writes_over_it(
    pair: tuple[LocalEngine, LocalEngine], tmp_path: Path
) -> None:
    live, _ = pair

    async def run() -> None:
        gate = Gate(engines.uci(tmp_path / "same"))
        shadowed = Shadowed(live, gate)
        feed = house(live)
        reply = await shadowed.engine.run(feed, (0,), Context())
        feed.arrays[0][:] = 7
        reply.arrays[0][:] = 7
        gate.open.set()
        await shadowed.until(1)
        assert shadowed.counts() == (1, 0, 0, 0)

    asyncio.run(run())
