"""An engine process as a supervisor starts it, and a front's line to it."""

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np

from paddle_serving_app.backend import ModelOptions
from paddle_serving_client.message import Array
from paddle_serving_server.engine.channel import Channel
from paddle_serving_server.engine.interface import Reply
from paddle_serving_server.engine.segments import SegmentPool
from paddle_serving_server.engine.settings import DeploymentSpec, EngineConfig
from tests import models
from tests.serving import ROOT


class EngineProcess:
    """What the supervisor does: a listening socket that survives, and a worker behind it."""

    def __init__(self, folder: Path, path: str) -> None:
        self.path = path
        self._config = EngineConfig(spec=DeploymentSpec(folder=str(folder), options=ModelOptions(threads=1)))
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(path)
        self._listener.listen()
        self.start()

    def start(self) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        fds = (self._listener.fileno(), theirs.fileno())
        command = [sys.executable, "-m", "tests.server.engine.mortal_worker", *map(str, fds)]
        self.process = subprocess.Popen(command, pass_fds=fds, cwd=ROOT)
        theirs.close()
        self.control.send(self._config.to_json().encode())

    def restart_when_dead(self) -> None:
        self.process.wait(20)
        self.control.close()
        self.start()

    def close(self) -> None:
        self.control.close()
        self.process.wait(20)
        self._listener.close()


@contextlib.asynccontextmanager
async def connected(engine: EngineProcess, max_waiting: int = 1000) -> AsyncIterator[tuple[Channel, list[bool]]]:
    hung: list[bool] = []
    channel = Channel(engine.path, max_waiting, lambda: hung.append(True), SegmentPool(), hung_s=1.0)
    await asyncio.wait_for(channel.ready(), 30)
    try:
        yield channel, hung
    finally:
        await channel.close()


def rows(count: int, seed: int, first: float | None = None) -> Array:
    x = np.random.default_rng(seed).normal(size=(count, 13)).astype(np.float32)
    if first is not None:
        x[0, 0] = first
    return x


def assert_own(reply: Reply, x: Array) -> None:
    np.testing.assert_allclose(reply.arrays[0], x @ models.UCI_W[:, None] + models.UCI_B, rtol=1e-3, atol=1e-3)
