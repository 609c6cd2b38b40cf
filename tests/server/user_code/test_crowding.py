"""How many calls of user code run at once."""

import asyncio
import contextlib
import threading
import time
from functools import partial

from paddle_serving_server.user_code.crowding import LATE_S, PROMPT_S, Crowding
from paddle_serving_server.user_code.threads import Threads


def _hear(crowding: Crowding, late_s: float, calls: int = 400) -> int:
    for _ in range(calls):
        crowding.heard(late_s)
    return crowding.most


def test_fewer_run_while_the_event_loop_is_late_and_more_when_it_is_not() -> None:
    crowding = Crowding(8, 2)
    assert _hear(crowding, PROMPT_S / 2) == 8
    assert _hear(crowding, LATE_S * 2) == 2, "not fewer than there are processors to compute on"
    assert _hear(crowding, (LATE_S + PROMPT_S) / 2) == 2, "what is neither changes nothing"
    assert _hear(crowding, PROMPT_S / 2) == 8
    assert _hear(Crowding(1, 2), LATE_S * 2) == 1


def test_no_more_run_at_once_and_all_are_answered() -> None:
    async def scene() -> None:
        lock, running, most = threading.Lock(), 0, 0

        def call(k: int) -> int:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.005)
            with lock:
                running -= 1
            return k

        with contextlib.closing(Threads(4, "test", crowding=Crowding(2, 2))) as threads:
            assert await asyncio.gather(*(threads.run(partial(call, k)) for k in range(40))) == list(range(40))
        assert most == 2

    asyncio.run(scene())


def test_a_call_that_hangs_takes_nobodys_turn() -> None:
    async def scene() -> None:
        go_on = threading.Event()
        with contextlib.closing(Threads(2, "test", crowding=Crowding(1, 1))) as threads:
            hangs = threads.run(go_on.wait, time.monotonic() + 0.05)
            next_one = threads.run(lambda: "answered")
            assert (await asyncio.gather(hangs, return_exceptions=True))[0].__class__.__name__ == "DeadlineExceeded"
            assert await asyncio.wait_for(next_one, 5.0) == "answered"
            go_on.set()

    asyncio.run(scene())
