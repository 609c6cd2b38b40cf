"""An engine around another one: what all of them share. A subclass overrides `run`."""

import copy
from collections.abc import Mapping, Sequence

from paddle_serving_app.signature import Arranged, Signature
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Engine, Reply


class Wrapper:
    """Hands everything on to the engine inside."""

    def __init__(self, engine: Engine) -> None:
        self.inner = engine

    @property
    def signature(self) -> Signature:
        """See `interface.Engine`."""
        return self.inner.signature

    @property
    def backend_name(self) -> str:
        """See `interface.Engine`."""
        return self.inner.backend_name

    @property
    def plan(self) -> Mapping[str, object]:
        """See `interface.Engine`."""
        return self.inner.plan

    @property
    def version(self) -> str:
        """See `interface.Engine`."""
        return self.inner.version

    async def run(self, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        """See `interface.Engine.run`."""
        return await self.inner.run(arranged, outputs, context)

    def held(self, context: Context) -> Engine:
        """See `interface.Engine.held`: the same around what is held."""
        inner = self.inner.held(context)
        if inner is self.inner:
            return self
        held = copy.copy(self)
        held.inner = inner
        return held

    async def close(self) -> None:
        """See `interface.Engine.close`."""
        await self.inner.close()
