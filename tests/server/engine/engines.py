"""Engines for tests of what is put around them: the uci model in this process, and one that waits to be let through."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.signature import Arranged
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Engine, Reply
from paddle_serving_server.engine.local import LocalEngine
from paddle_serving_server.engine.wrapper import Wrapper
from tests import models


def uci(folder: Path, factor: float = 1.0) -> LocalEngine:
    """The uci model, its weights times a factor."""
    return LocalEngine.load(models.uci(folder, weights=models.UCI_W * np.float32(factor)), ModelOptions())


def house(engine: Engine, factor: float = 1.0) -> Arranged:
    """The tutorial's house, or another one, as a feed."""
    return engine.signature.arrange({"x": models.UCI_INPUT[None] * np.float32(factor)})


class Gate(Wrapper):
    """An engine whose runs begin when they are let through; it counts them."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.open = asyncio.Event()
        self.runs = 0
        self.named = "1"

    @property
    def version(self) -> str:
        """What a reload would change."""
        return self.named

    async def run(self, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        """Count, wait, run."""
        self.runs += 1
        await self.open.wait()
        return await self.inner.run(arranged, outputs, context)
