"""Threads for user code: who waits gets what came of his call, whatever that is."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from paddle_serving_server.threads import Raised, Threads


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
