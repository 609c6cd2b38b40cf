"""Calls that are joined in the front: everybody gets his own rows, whatever the others do."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paddle_serving_app.signature import Arranged
from paddle_serving_client.errors import Busy, DeadlineExceeded, EngineLost, ServingError
from paddle_serving_client.message import Array
from paddle_serving_server.counting.counters import Counters
from paddle_serving_server.engine.cache import Cache, CachedEngine
from paddle_serving_server.engine.channel import Channel
from paddle_serving_server.engine.counted import MODEL, MODEL_FAILURE, CountedEngine
from paddle_serving_server.engine.interface import Reply
from paddle_serving_server.engine.lane import Kind, Lane
from paddle_serving_server.engine.live import Live
from paddle_serving_server.engine.replicas import Replicas
from tests import models
from tests.server.engine.mortal_worker import DEADLY, SLEEPY
from tests.server.engine.processes import EngineProcess, connected


class Asker:
    """A caller, and what he was told."""

    def __init__(self, seed: int, rows: int = 1, first: float | None = None) -> None:
        self.x: Array = np.random.default_rng(seed).normal(size=(rows, 13)).astype(np.float32)
        if first is not None:
            self.x[0, 0] = first
        self.told: asyncio.Future[Reply | ServingError | str] = asyncio.get_running_loop().create_future()
        self.outputs: Sequence[Array] = ()

    def answered(self, outputs: Sequence[Array], reply: Reply) -> None:
        self.outputs = outputs
        self.told.set_result(reply)

    def failed(self, error: ServingError) -> None:
        self.told.set_result(error)

    def again(self) -> None:
        self.told.set_result("again")

    def assert_own(self) -> None:
        (prices,) = self.outputs
        np.testing.assert_allclose(prices, self.x @ models.UCI_W[:, None] + models.UCI_B, rtol=1e-3, atol=1e-3)


class Way:
    """A lane with everything behind it."""

    def __init__(self, counted: CountedEngine, live: Live, lane: Lane, counters: Counters) -> None:
        self.counted = counted
        self.live = live
        self.lane = lane
        self.counters = counters

    def kind(self, asker: Asker) -> Kind:
        assert self.lane.is_open
        found = self.lane.kind(self.lane.signature.arrange({"x": asker.x}), (0,))
        assert found is not None
        return found

    async def ask(self, *askers: Asker, seconds: float = 20.0) -> list[Reply | ServingError | str]:
        """All in one turn of the loop."""
        for asker in askers:
            self.kind(asker).submit(asker, (asker.x,), time.monotonic() + seconds)
        return list(await asyncio.gather(*(asker.told for asker in askers)))


def along(engine: EngineProcess, scene: Callable[[Way], Awaitable[Any]], **options: int) -> None:
    async def play() -> None:
        async with connected(engine, **options) as (channel, hung):
            live, counters = Live(), Counters()
            await live.switch(1, Replicas([channel]))
            counted = CountedEngine(live, counters, "uci", "uci")
            lane = Lane.beside(counted)
            assert lane is not None
            await asyncio.wait_for(scene(Way(counted, live, lane, counters)), 60)
            assert channel.waiting == 0
            assert hung == []

    asyncio.run(play())


def test_calls_of_one_turn_are_one_run_and_everybody_gets_his_own_rows(engine: EngineProcess) -> None:
    async def scene(way: Way) -> None:
        askers = [Asker(seed) for seed in range(20)]
        replies = await way.ask(*askers)
        assert len({id(reply) for reply in replies}) == 1
        assert isinstance(replies[0], Reply)
        assert replies[0].rows == 20
        for asker in askers:
            asker.assert_own()
        ((_, series),) = way.counters.read(time.monotonic()).series_of(MODEL)
        assert (series.ok, series.inside, series.rows / series.runs) == (20, 0, 20.0)

    along(engine, scene)


class Clumsy(Asker):
    """A caller to whom nothing can be told."""

    def answered(self, outputs: Sequence[Array], reply: Reply) -> None:
        raise RuntimeError("cannot be written")

    def failed(self, error: ServingError) -> None:
        raise RuntimeError("nor this")

    def again(self) -> None:
        self.told.set_result("lost")
        raise RuntimeError("nor that")


def test_who_cannot_be_told_keeps_nobody_else_waiting(engine: EngineProcess) -> None:
    async def scene(way: Way) -> None:
        clumsy, askers = Clumsy(0), [Asker(seed) for seed in range(1, 5)]
        said, *replies = await way.ask(clumsy, *askers)
        assert (said, [type(reply) for reply in replies]) == ("lost", [Reply] * 4)
        for asker in askers:
            asker.assert_own()
        ((_, series),) = way.counters.read(time.monotonic()).series_of(MODEL)
        assert series.inside == 0

    along(engine, scene)


def test_no_run_has_more_rows_than_paid_and_shapes_do_not_mix(engine: EngineProcess) -> None:
    async def scene(way: Way) -> None:
        askers = [Asker(seed, rows=1 + seed % 3) for seed in range(100)]
        replies = await way.ask(*askers)
        assert max(reply.rows for reply in replies if isinstance(reply, Reply)) <= 32
        for asker in askers:
            asker.assert_own()
            assert len(asker.outputs[0]) == len(asker.x)

    along(engine, scene)


def test_what_dies_with_others_is_tried_again_by_itself(engine: EngineProcess) -> None:
    async def scene(way: Way) -> None:
        askers = [Asker(1), Asker(2, first=DEADLY), Asker(3)]
        asking = asyncio.ensure_future(way.ask(*askers))
        await asyncio.to_thread(engine.restart_when_dead)
        assert await asking == ["again"] * 3
        ((_, series),) = way.counters.read(time.monotonic()).series_of(MODEL)
        assert (series.ok, series.inside) == (0, 0)

        alone = asyncio.ensure_future(way.ask(poison := Asker(4, first=DEADLY)))
        for _ in range(2):
            await asyncio.to_thread(engine.restart_when_dead)
        assert isinstance((await alone)[0], EngineLost)
        assert not poison.outputs
        await asyncio.wait_for(way.ask(asker := Asker(5)), 20)
        asker.assert_own()

    along(engine, scene)


def test_who_is_late_hears_it_and_so_does_who_comes_when_all_is_full(engine: EngineProcess) -> None:
    async def scene(way: Way) -> None:
        slow = await way.ask(Asker(1, first=SLEEPY), Asker(2), seconds=0.05)
        assert [type(error) for error in slow] == [DeadlineExceeded] * 2
        await asyncio.sleep(0.4)
        assert await way.ask(*(Asker(k) for k in range(6))) == ["again"] * 6, "some of them may still find room"
        first = asyncio.ensure_future(way.ask(*(Asker(k) for k in range(5))))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        (refused,) = await way.ask(Asker(9))
        assert isinstance(refused, Busy)
        assert all(isinstance(reply, Reply) for reply in await first)
        failures = {at["err_no"]: n for at, n in way.counters.read(time.monotonic()).counts_of(MODEL_FAILURE)}
        assert failures == {str(int(DeadlineExceeded.err_no)): 2, str(int(Busy.err_no)): 1}

    along(engine, scene, max_waiting=5)


def test_a_new_version_in_between_and_an_answer_that_cannot_be_written(engine: EngineProcess, tmp_path: Path) -> None:
    class Clumsy(Asker):
        def answered(self, outputs: Sequence[Array], reply: Reply) -> None:
            raise TypeError

    async def scene(way: Way) -> None:
        assert [type(told) for told in await way.ask(Asker(1), Clumsy(2), Asker(3))] == [Reply, str, Reply]
        async with connected(engine) as (channel, _):
            asker = Asker(4)
            way.kind(asker).submit(asker, (asker.x,), math.inf)
            await way.live.switch(2, Replicas([channel]))
            assert isinstance(await asker.told, Reply), "it takes the same feeds"
            asker.assert_own()
            await way.live.switch(3, Replicas([channel, channel]))
            assert not way.lane.is_open, "two instances share calls better one by one"
            await way.live.switch(4, Replicas([channel]))
            async with connected(other) as (its_channel, _):
                asker = Asker(5)
                way.kind(asker).submit(asker, (asker.x,), math.inf)
                await way.live.switch(5, Replicas([its_channel]))
                assert await asker.told == "again", "it takes other feeds"

    other = EngineProcess(models.conv(tmp_path / "conv"), str(tmp_path / "engine.sock"))
    try:
        along(engine, scene)
    finally:
        other.close()


def test_where_somebody_looks_at_single_calls_there_is_no_lane(engine: EngineProcess) -> None:
    async def scene(way: Way) -> None:
        cached = CachedEngine(way.live, Cache(1 << 20, way.counters), "uci")
        assert Lane.beside(CountedEngine(cached, way.counters, "uci", "uci")) is None
        assert way.lane.is_open
        arranged = Arranged((np.zeros((33, 13), np.float32),), {})
        assert way.lane.kind(arranged, (0,)) is None, "more rows than a run may have"

    along(engine, scene)


def test_sequences_have_no_lane(tmp_path: Path) -> None:
    process = EngineProcess(models.lod(tmp_path / "lod"), str(tmp_path / "engine.sock"))
    try:

        async def play() -> None:
            async with connected(process) as (channel, _):
                assert isinstance(channel, Channel)
                live = Live()
                await live.switch(1, Replicas([channel]))
                lane = Lane.beside(CountedEngine(live, Counters(), "m", "m"))
                assert lane is not None
                assert not lane.is_open

        asyncio.run(play())
    finally:
        process.close()
