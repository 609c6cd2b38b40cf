"""The request cache: equal requests are computed once, others are not mixed up, and nothing old or failed is kept."""

import asyncio
import time

import numpy as np
import pytest

from paddle_serving_app.signature import Arranged
from paddle_serving_client.errors import BackendFailed, DeadlineExceeded
from paddle_serving_server.counting.counters import Counters
from paddle_serving_server.engine.cache import HITS, MISSES, SHARED, Cache, CachedEngine, digest
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.local import LocalEngine
from tests.server.engine import engines
from tests.server.engine.engines import Gate, house


@pytest.fixture(scope="module")
def uci(tmp_path_factory: pytest.TempPathFactory) -> LocalEngine:
    return engines.uci(tmp_path_factory.mktemp("uci") / "uci")


class Cached:
    """A cached engine behind a gate, and its counts."""

    def __init__(self, engine: LocalEngine, max_bytes: int = 1 << 20) -> None:
        self.counters = Counters()
        self.cache = Cache(max_bytes, self.counters)
        self.gate = Gate(engine)
        self.gate.open.set()
        self.engine = CachedEngine(self.gate, self.cache, "uci")

    def counts(self) -> tuple[int, ...]:
        """Hits, shared, misses."""
        found = self.counters.read(0.0)
        return tuple(n for kind in (HITS, SHARED, MISSES) for _, n in found.counts_of(kind))


def test_an_equal_request_is_answered_from_the_cache_and_another_is_not(uci: LocalEngine) -> None:
    async def run() -> None:
        cached = Cached(uci)
        first = await cached.engine.run(house(uci), (0,), Context())
        second = await cached.engine.run(house(uci), (0,), Context())
        other = await cached.engine.run(house(uci, 2.0), (0,), Context())
        assert (first.is_cached, second.is_cached, other.is_cached) == (False, True, False)
        np.testing.assert_array_equal(first.arrays[0], second.arrays[0])
        assert first.arrays[0] != other.arrays[0]
        assert cached.counts() == (1, 0, 2)
        second.arrays[0][:] = 0  # a caller may write into what he gets
        np.testing.assert_array_equal((await cached.engine.run(house(uci), (0,), Context())).arrays[0], first.arrays[0])

    asyncio.run(run())


def test_equal_requests_at_the_same_time_share_one_run_and_one_error(uci: LocalEngine) -> None:
    async def run() -> None:
        cached = Cached(uci)
        cached.gate.open.clear()
        tasks = [asyncio.create_task(cached.engine.run(house(uci), (0,), Context())) for _ in range(10)]
        await asyncio.sleep(0)
        cached.gate.open.set()
        replies = await asyncio.gather(*tasks)
        assert cached.gate.runs == 1
        assert [reply.is_cached for reply in replies] == [False] + [True] * 9
        assert len({float(reply.arrays[0].item()) for reply in replies}) == 1
        broken = engines.house(uci)
        broken.arrays[0].resize((1, 12), refcheck=False)  # the library refuses it
        cached.gate.open.clear()
        tasks = [asyncio.create_task(cached.engine.run(broken, (0,), Context())) for _ in range(3)]
        await asyncio.sleep(0)
        cached.gate.open.set()
        failures = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(failure, BackendFailed) for failure in failures)
        assert cached.gate.runs == 2
        with pytest.raises(BackendFailed):
            await cached.engine.run(broken, (0,), Context())
        assert cached.gate.runs == 3, "errors are not kept"

    asyncio.run(run())


def test_who_waits_for_anothers_run_keeps_his_deadline_and_survives_the_other(uci: LocalEngine) -> None:
    async def run() -> None:
        cached = Cached(uci)
        cached.gate.open.clear()
        runs = asyncio.create_task(cached.engine.run(house(uci), (0,), Context()))
        await asyncio.sleep(0)
        with pytest.raises(DeadlineExceeded):
            await cached.engine.run(house(uci), (0,), Context(time.monotonic() + 0.02))
        waits = [asyncio.create_task(cached.engine.run(house(uci), (0,), Context())) for _ in range(2)]
        await asyncio.sleep(0)
        runs.cancel()
        await asyncio.sleep(0)
        cached.gate.open.set()
        replies = await asyncio.gather(*waits)
        assert cached.gate.runs == 2
        assert sorted(reply.is_cached for reply in replies) == [False, True]

    asyncio.run(run())


def test_a_new_version_answers_itself_even_when_it_came_during_the_run(uci: LocalEngine) -> None:
    async def run() -> None:
        cached = Cached(uci)
        await cached.engine.run(house(uci), (0,), Context())
        cached.gate.named = "2"
        assert not (await cached.engine.run(house(uci), (0,), Context())).is_cached
        cached.gate.open.clear()
        under_way = asyncio.create_task(cached.engine.run(house(uci, 3.0), (0,), Context()))
        await asyncio.sleep(0)
        cached.gate.named = "3"
        cached.gate.open.set()
        await under_way
        cached.gate.named = "2"
        assert not (await cached.engine.run(house(uci, 3.0), (0,), Context())).is_cached

    asyncio.run(run())


def test_the_budget_holds_and_what_was_used_last_stays(uci: LocalEngine) -> None:
    async def run() -> None:
        cached = Cached(uci, max_bytes=516 * 11)
        for k in range(11):
            await cached.engine.run(house(uci, k), (0,), Context())
        await cached.engine.run(house(uci, 0), (0,), Context())
        await cached.engine.run(house(uci, 11), (0,), Context())
        assert (await cached.engine.run(house(uci, 0), (0,), Context())).is_cached
        assert not (await cached.engine.run(house(uci, 1), (0,), Context())).is_cached

    asyncio.run(run())


def test_wanted_outputs_shapes_and_offsets_are_part_of_the_question() -> None:
    flat, rows = np.arange(4, dtype=np.float32), np.arange(4, dtype=np.float32).reshape(2, 2)
    asked = [
        digest("a", "1", Arranged((flat,), {}), (0,)),
        digest("b", "1", Arranged((flat,), {}), (0,)),
        digest("a", "2", Arranged((flat,), {}), (0,)),
        digest("a", "1", Arranged((rows,), {}), (0,)),
        digest("a", "1", Arranged((flat.view(np.int32),), {}), (0,)),
        digest("a", "1", Arranged((flat,), {0: ((0, 4),)}), (0,)),
        digest("a", "1", Arranged((flat,), {0: ((0, 1, 4),)}), (0,)),
        digest("a", "1", Arranged((flat,), {}), (1,)),
        digest("a", "1", Arranged((np.array(1.0),), {}), (0,)),
    ]
    assert len(set(asked)) == len(asked)
