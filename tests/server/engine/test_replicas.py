"""Two real engine processes as one engine: who is busy or dead is left alone."""

import asyncio
from pathlib import Path

from paddle_serving_server.engine.channel import Channel
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Reply
from paddle_serving_server.engine.replicas import Replicas
from paddle_serving_server.engine.segments import SegmentPool
from tests import models
from tests.server.engine.mortal_worker import SLEEPY
from tests.server.engine.processes import EngineProcess, assert_own, rows


def test_a_request_goes_where_the_fewest_wait_and_never_to_the_dead(tmp_path: Path) -> None:
    folder = models.uci(tmp_path / "uci")
    processes = [EngineProcess(folder, str(tmp_path / f"{k}.sock")) for k in range(2)]

    async def scene() -> None:
        replicas = Replicas([Channel(process.path, 100, lambda: None, SegmentPool()) for process in processes])
        await asyncio.wait_for(replicas.ready(), 30)

        async def price(seed: int, first: float | None = None) -> Reply:
            x = rows(1, seed, first)
            reply = await replicas.run(replicas.signature.arrange({"x": x}), (0,), Context())
            assert_own(reply, x)
            return reply

        assert replicas.plan["instances"] == 2
        sleeper = asyncio.create_task(price(1, SLEEPY))
        await asyncio.sleep(0.05)
        assert (await price(2)).queue_ms < 150  # beside the one that sleeps for 300
        await sleeper
        processes[0].process.kill()
        processes[0].process.wait()
        await asyncio.sleep(0.1)
        await asyncio.wait_for(price(3), 5)
        assert replicas.waiting == 0
        await replicas.close()

    try:
        asyncio.run(scene())
    finally:
        for process in processes:
            process.close()
