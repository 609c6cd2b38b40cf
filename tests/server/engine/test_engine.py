"""A front's channel and a real engine process: everybody gets his own rows, whatever the others do."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paddle_serving_app.signature import Arranged
from paddle_serving_client.errors import BackendFailed, BadInput, Busy, DeadlineExceeded, EngineLost, ServingError
from paddle_serving_client.message import Array
from paddle_serving_server.engine import segments
from paddle_serving_server.engine.channel import Channel
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Reply
from tests import models
from tests.server.engine.mortal_worker import DEADLY, FAILING, ODD, SLEEPY
from tests.server.engine.processes import EngineProcess, assert_own, connected, rows


def against(engine: EngineProcess, scene: Callable[[Channel, list[bool]], Awaitable[Any]], **options: int) -> Any:
    async def play() -> Any:
        async with connected(engine, **options) as (channel, hung):
            return await asyncio.wait_for(scene(channel, hung), 60)

    return asyncio.run(play())


async def price(channel: Channel, x: Array, deadline_s: float = 60.0) -> Reply:
    return await channel.run(channel.signature.arrange({"x": x}), (0,), Context(time.monotonic() + deadline_s))


CALLS = st.lists(
    st.tuples(st.integers(1, 40) | st.integers(900, 3000), st.sampled_from(["good", "good", "bad", "cancel", "late"])),
    min_size=1,
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=CALLS, seed=st.integers(0, 2**31))
def test_everybody_gets_his_own_rows(engine: EngineProcess, calls: list[tuple[int, str]], seed: int) -> None:
    """Small and large, joined and alone, beside calls that are wrong, cancelled or out of time."""

    async def one(channel: Channel, count: int, fate: str, number: int) -> None:
        x = rows(count, seed + number)
        if fate == "bad":
            with pytest.raises(BadInput):
                await price(channel, x[:, :12])
        elif fate == "late":
            with contextlib.suppress(DeadlineExceeded):
                assert_own(await price(channel, x, 0.0005), x)
        elif fate == "cancel":
            task = asyncio.ensure_future(price(channel, x))
            await asyncio.sleep(0.0005 * (number % 3))
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        else:
            assert_own(await price(channel, x), x)

    async def scene(channel: Channel, hung: list[bool]) -> None:
        await asyncio.gather(*(one(channel, count, fate, k) for k, (count, fate) in enumerate(calls)))
        assert_own(await price(channel, last := rows(2, seed)), last)
        assert channel.waiting == 0
        assert hung == []

    against(engine, scene)


def test_under_load_requests_are_joined(engine: EngineProcess) -> None:
    async def scene(channel: Channel, hung: list[bool]) -> None:
        sleeper = asyncio.ensure_future(price(channel, rows(1, 0, SLEEPY)))
        await asyncio.sleep(0.05)
        xs = [rows(2, k) for k in range(10)]
        replies = await asyncio.gather(*(price(channel, x) for x in xs))
        for reply, x in zip(replies, xs, strict=True):
            assert_own(reply, x)
        assert {reply.rows for reply in replies} == {20}
        assert replies[0].queue_ms > 100
        await sleeper

    against(engine, scene)


def test_arrays_that_lie_where_the_engine_reads_are_answered_in_place(engine: EngineProcess) -> None:
    """And again while they are read, joined with others, after an engine died, and cancelled."""

    async def scene(channel: Channel, hung: list[bool]) -> None:
        def lent(count: int, seed: int) -> Array:
            x = channel._pool.empty((count, 13), np.float32)
            x[...] = rows(count, seed)
            assert channel._pool.lent(x) is not None
            return x

        for _ in range(3):
            xs = [lent(1000 + k, k) for k in range(6)]
            calls = [price(channel, x) for x in (*xs, xs[0], xs[0][:940], xs[1])]
            for reply, x in zip(await asyncio.gather(*calls), (*xs, xs[0], xs[0][:940], xs[1]), strict=True):
                assert_own(reply, x)
        sleeper = asyncio.ensure_future(price(channel, rows(1, 0, SLEEPY)))
        await asyncio.sleep(0.05)
        task = asyncio.ensure_future(price(channel, lent(1500, 8)))
        dying = asyncio.ensure_future(price(channel, x := lent(1600, 9)))
        await asyncio.sleep(0.02)
        task.cancel()
        engine.process.kill()
        await asyncio.to_thread(engine.restart_when_dead)
        assert_own(await dying, x)
        await sleeper

    against(engine, scene)


def test_segments_that_are_gone_are_gone_in_the_engine_too(
    engine: EngineProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "_KEPT_FREE_BYTES", 1 << 20)

    async def scene(channel: Channel, hung: list[bool]) -> None:
        descriptors = []
        for size in range(12):
            xs = [rows(12_000 + 2_000 * size, k) for k in range(4)]
            for reply, x in zip(await asyncio.gather(*(price(channel, x) for x in xs)), xs, strict=True):
                assert_own(reply, x)
            assert_own(await price(channel, xs[0]), xs[0])
            descriptors.append(len(list(Path(f"/proc/{engine.process.pid}/fd").iterdir())))
        assert max(descriptors[6:]) <= max(descriptors[:6]) + 2

    against(engine, scene)


def test_a_killed_engine_is_not_noticed(engine: EngineProcess) -> None:
    async def scene(channel: Channel, hung: list[bool]) -> None:
        xs = [rows(1, 0, SLEEPY), *(rows(k * 300 + 1, k) for k in range(8))]
        calls = [asyncio.ensure_future(price(channel, x)) for x in xs]
        await asyncio.sleep(0.1)
        engine.process.kill()
        await asyncio.to_thread(engine.restart_when_dead)
        for reply, x in zip(await asyncio.gather(*calls), xs, strict=True):
            assert_own(reply, x)

    against(engine, scene)


def test_a_request_that_kills_engines_is_given_up_and_the_others_are_answered(engine: EngineProcess) -> None:
    async def scene(channel: Channel, hung: list[bool]) -> None:
        sleeper = asyncio.ensure_future(price(channel, rows(1, 0, SLEEPY)))
        await asyncio.sleep(0.05)
        xs = [rows(2, k) for k in range(6)]
        innocent = [asyncio.ensure_future(price(channel, x)) for x in xs[:3]]
        deadly = asyncio.ensure_future(price(channel, rows(1, 0, DEADLY)))
        innocent += [asyncio.ensure_future(price(channel, x)) for x in xs[3:]]
        for _ in range(2):
            await asyncio.to_thread(engine.restart_when_dead)
        for reply, x in zip(await asyncio.gather(*innocent), xs, strict=True):
            assert_own(reply, x)
        with pytest.raises(EngineLost):
            await deadly
        await sleeper

    against(engine, scene)


def test_an_engine_that_hangs_is_reported(engine: EngineProcess) -> None:
    async def scene(channel: Channel, hung: list[bool]) -> None:
        os.kill(engine.process.pid, signal.SIGSTOP)
        try:
            with pytest.raises(DeadlineExceeded):
                await price(channel, rows(1, 1), 0.2)
            assert hung == []
            await asyncio.sleep(1.0)
            assert hung == [True]
        finally:
            os.kill(engine.process.pid, signal.SIGCONT)
        assert_own(await price(channel, x := rows(1, 2)), x)

    against(engine, scene)


def test_an_engine_that_is_only_busy_is_not(engine: EngineProcess) -> None:
    """Requests out of time, but each run ends: answers keep coming."""

    async def scene(channel: Channel, hung: list[bool]) -> None:
        calls = [price(channel, rows(40, k, SLEEPY), 0.1) for k in range(6)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert any(isinstance(r, DeadlineExceeded) for r in results)
        await asyncio.sleep(1.5)
        assert hung == []

    against(engine, scene)


def test_too_many_waiting_are_refused_at_once(engine: EngineProcess) -> None:
    async def scene(channel: Channel, hung: list[bool]) -> list[object]:
        calls = [price(channel, rows(1, k, SLEEPY if k == 0 else None)) for k in range(10)]
        return await asyncio.gather(*calls, return_exceptions=True)

    results = against(engine, scene, max_waiting=4)
    assert [isinstance(r, Busy) for r in results] == [False] * 4 + [True] * 6


@pytest.mark.parametrize(
    ("value", "words"), [(FAILING, "MemoryError"), (ODD, "tensor 0 is .*, which cannot be handed on")]
)
@pytest.mark.parametrize("count", [1, 40_000])
def test_whatever_the_model_does_is_an_answer(engine: EngineProcess, value: float, words: str, count: int) -> None:
    """What no error of ours is, and an output of a type that has no code: in the packet, and in shared memory."""

    async def scene(channel: Channel, hung: list[bool]) -> None:
        pid = engine.process.pid
        for k in range(2):
            with pytest.raises(BackendFailed, match=words):
                await price(channel, rows(count, k, value), 20.0)
            assert_own(await price(channel, rows(3, k), 20.0), rows(3, k))
        assert (channel.waiting, engine.process.pid, engine.process.poll()) == (0, pid, None)

    against(engine, scene)


def test_different_numbers_of_rows_are_refused_by_a_model_that_takes_them_one_by_one(tmp_path: Path) -> None:
    async def scene(channel: Channel, hung: list[bool]) -> list[int]:
        def call(f: int, i64: int, i32: int) -> Awaitable[Reply]:
            feed: dict[str, Array] = {"f": np.ones((f, 3), np.float32), "i64": np.ones((i64, 2), np.int64)}
            feed["i32"] = np.ones((i32, 2), np.int32)
            return channel.run(channel.signature.arrange(feed), (0, 1, 2), Context())

        with pytest.raises(BadInput, match="rows: 'f' has 2, 'i64' has 3, 'i32' has 2; this model takes one row"):
            await call(2, 3, 2)
        return [len(array) for array in (await call(2, 1, 2)).arrays]

    process = EngineProcess(models.multi(tmp_path / "multi"), str(tmp_path / "engine.sock"))
    try:
        assert against(process, scene) == [2, 1, 2]
    finally:
        process.close()


def test_a_request_that_cannot_be_put_in_words_leaves_nothing_behind(engine: EngineProcess) -> None:
    async def scene(channel: Channel, hung: list[bool]) -> None:
        odd = Arranged((np.zeros((1, 13), np.longdouble),), {})
        with pytest.raises(BackendFailed, match="which cannot be handed on"):
            await channel.run(odd, (0,), Context(time.monotonic() + 5))
        assert channel.waiting == 0

    against(engine, scene)


def test_what_would_be_late_is_refused_at_once_and_says_for_how_long(engine: EngineProcess) -> None:
    async def scene(channel: Channel, hung: list[bool]) -> None:
        for k in range(10):
            await price(channel, rows(1, k, SLEEPY))
        calls = [price(channel, rows(2000, k, SLEEPY), 1.0) for k in range(8)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        refused = [result for result in results if isinstance(result, Busy)]
        assert 4 <= len(refused) <= 7
        assert all(0.7 < busy.retry_after_s < 2 for busy in refused)
        assert not any(isinstance(result, DeadlineExceeded) for result in results)

    against(engine, scene)


def test_an_answer_larger_than_its_request(engine: EngineProcess) -> None:
    """Outputs that fit neither the packet nor the request's segment come back in a segment of their own."""
    x = rows(20_000, 5)

    async def scene(channel: Channel, hung: list[bool]) -> None:
        for _ in range(3):
            assert_own(await price(channel, x), x)

    against(engine, scene)


def test_a_model_that_cannot_be_loaded_is_explained(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    process = EngineProcess(tmp_path / "empty", str(tmp_path / "engine.sock"))
    process.control.settimeout(30)
    assert b"serving_server_conf.prototxt" in process.control.recv(65536)
    assert process.process.wait(10) == 3
    process.close()


def test_errors_of_every_kind_survive_the_way() -> None:
    from paddle_serving_server.engine import messages

    for cls in (DeadlineExceeded, BadInput, Busy):
        back: ServingError = messages.read_failed(messages.failed(7, cls("so")))
        assert (type(back), str(back)) == (cls, "so")
