"""Threads for user code: who waits gets what came of his call, whatever that is."""

import asyncio
import contextlib
import gc
import math
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from paddle_serving_client.errors import DeadlineExceeded
from paddle_serving_server.user_code.threads import Raised, Threads


def raising(error: BaseException) -> Callable[[], Any]:
    def call() -> Any:
        raise error

    return call


def test_results_and_errors_come_back_and_the_thread_goes_on() -> None:
    async def scene() -> None:
        with contextlib.closing(Threads(2, "test")) as threads:
            squares = [threads.run(partial(pow, n, 2)) for n in range(50)]
            assert await asyncio.gather(*squares) == [n * n for n in range(50)]
            with pytest.raises(ValueError, match="words"):
                await threads.run(raising(ValueError("words")))
            for error in (SystemExit, StopIteration, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError):
                with pytest.raises(Raised, match=error.__name__):
                    await threads.run(raising(error()))
            assert (await threads.run(threading.current_thread)).name.startswith("test ")

    asyncio.run(scene())


def test_who_leaves_before_the_call_has_begun_saves_it_and_who_leaves_later_disturbs_nobody() -> None:
    async def scene() -> None:
        made: list[str] = []

        def call(name: str, seconds: float) -> str:
            made.append(name)
            time.sleep(seconds)
            return name

        with contextlib.closing(Threads(1, "test")) as threads:
            begun = threads.run(lambda: call("begun", 0.1))
            waits = threads.run(lambda: call("waits", 0.0))
            last = threads.run(lambda: call("last", 0.0))
            await asyncio.sleep(0.02)
            begun.cancel()
            waits.cancel()
            assert await last == "last"
        assert made == ["begun", "last"]

    asyncio.run(scene())


def test_who_waits_is_answered_at_his_deadline_and_the_thread_that_hangs_is_replaced() -> None:
    async def scene() -> None:
        go_on = threading.Event()
        with contextlib.closing(Threads(1, "test")) as threads:
            hanging: list[tuple[int, bool]] = []
            threads.on_hang = lambda now, is_news: hanging.append((now, is_news))
            began = time.monotonic()
            begun = threads.run(go_on.wait, began + 0.2, title="the first")
            waits = threads.run(lambda: "never", began + 0.1, title="the second")
            kept = threads.run(lambda: "made", began + 30)
            with pytest.raises(DeadlineExceeded, match="the second had to wait"):
                await waits
            with pytest.raises(DeadlineExceeded, match="the first did not return"):
                await begun
            assert 0.2 <= time.monotonic() - began < 1
            assert await kept == "made"
            assert hanging == [(1, True)]
            go_on.set()
            while len(hanging) < 2:
                await asyncio.sleep(0.01)
            assert hanging == [(1, True), (0, False)]
            assert (await threads.run(threading.active_count)) <= 1 + threading.active_count()

    asyncio.run(scene())


def test_when_every_thread_hangs_somebody_is_told() -> None:
    async def scene() -> None:
        go_on, stuck = threading.Event(), asyncio.Event()
        with contextlib.closing(Threads(1, "test", stuck_s=0.2)) as threads:
            threads.on_stuck = stuck.set
            for _ in range(1 + threads.most_hanging):
                with pytest.raises(DeadlineExceeded, match="did not return"):
                    await threads.run(go_on.wait, time.monotonic() + 0.1)
            await asyncio.wait_for(stuck.wait(), 5)
            assert threads.wait_s == math.inf
            go_on.set()

    asyncio.run(scene())


def test_what_is_begun_goes_before_what_begins() -> None:
    async def scene() -> None:
        made: list[str] = []
        go_on = threading.Event()
        with contextlib.closing(Threads(1, "test")) as threads:
            threads.run(go_on.wait, cost_s=4.0)
            while threads.wait_s != 2.0:  # it runs, half of it is left
                await asyncio.sleep(0.001)
            first = threads.run(lambda: made.append("first"), cost_s=2.0)
            second = threads.run(lambda: made.append("second"), cost_s=1.0, is_begun=True)
            assert threads.wait_s == 5.0
            go_on.set()
            await asyncio.gather(first, second)
            assert made == ["second", "first"]
            await threads.run(lambda: None)
            assert threads.wait_s == 0.0

    asyncio.run(scene())


def test_nothing_is_kept_of_a_call_that_nobody_waits_for() -> None:
    async def scene() -> None:
        class Body:
            pass

        go_on, body = threading.Event(), Body()
        alive = weakref.ref(body)
        with contextlib.closing(Threads(1, "test")) as threads:
            threads.run(go_on.wait)
            late = threads.run(partial(id, body), time.monotonic() + 0.05)
            del body
            with pytest.raises(DeadlineExceeded):
                await late
            await asyncio.sleep(0)
            gc.collect()
            assert alive() is None
            go_on.set()

    asyncio.run(scene())


def test_a_call_that_outlives_the_loop_is_let_go() -> None:
    def play() -> list[threading.Thread]:
        async def scene() -> None:
            threads = Threads(1, "long")
            threads.run(lambda: time.sleep(0.2))
            await asyncio.sleep(0.05)
            threads.close()

        asyncio.run(scene())
        return [thread for thread in threading.enumerate() if thread.name.startswith("long ")]

    (left,) = play()
    left.join(5)
    assert not left.is_alive()
