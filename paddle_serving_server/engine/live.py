"""The version of a model that answers now: a new one takes over between two requests, the old one finishes its own.

    next version connected ──> live ──> draining (answers what it was given) ──> released

A request runs on one version. Who asks more than once, or waits between reading a signature and running, asks what
`held` gives: a version that is kept until his request is over.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from paddle_serving_app.signature import Arranged, Signature
from paddle_serving_client.errors import Stopping
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Engine, Reply
from paddle_serving_server.engine.replicas import Replicas

logger = logging.getLogger(__name__)

_LOOK_S = 0.02


class Version:
    """One version as one front sees it: an engine whose model does not change."""

    def __init__(self, number: int, replicas: Replicas, source: str, live: "Live") -> None:
        self.number = number
        self.replicas = replicas
        self.source = source
        """The name of the folder that it came from."""
        self.holds = 0
        """Requests that may ask it again."""
        self._live = live

    @property
    def signature(self) -> Signature:
        """See `interface.Engine`."""
        return self.replicas.signature

    @property
    def backend_name(self) -> str:
        """See `interface.Engine`."""
        return self.replicas.backend_name

    @property
    def plan(self) -> Mapping[str, object]:
        """See `interface.Engine`."""
        about = {"version": self.version, "from": self.source, "last_reload": self._live.last_reload}
        return {**self.replicas.plan, **about}

    @property
    def version(self) -> str:
        """See `interface.Engine`."""
        return str(self.number)

    async def run(self, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        """See `interface.Engine.run`."""
        return await self.replicas.run(arranged, outputs, context)

    def held(self, context: Context) -> Engine:
        """See `interface.Engine.held`."""
        self.holds += 1
        context.on_end(self._let_go)
        return self

    async def close(self) -> None:
        """See `interface.Engine.close`."""
        await self.replicas.close()

    def _let_go(self) -> None:
        self.holds -= 1


class Live:
    """An engine whose model can be exchanged while it answers. Everything happens on the front's event loop."""

    def __init__(self) -> None:
        self._current: Version | None = None
        self._draining: list[Version] = []
        self._is_live = asyncio.Event()
        self._switching = asyncio.Lock()
        self._why = "the server is stopping"
        """Of there being no version."""
        self.last_reload: Mapping[str, object] | None = None
        """What became of the last attempt to load a new version, for people: state, reason, at."""

    @property
    def signature(self) -> Signature:
        """See `interface.Engine`."""
        return self._version().signature

    @property
    def backend_name(self) -> str:
        """See `interface.Engine`."""
        return self._version().backend_name

    @property
    def plan(self) -> Mapping[str, object]:
        """See `interface.Engine`."""
        return self._version().plan

    @property
    def version(self) -> str:
        """See `interface.Engine`."""
        return self._version().version

    async def ready(self) -> None:
        """Wait until there is a version that answers."""
        await self._is_live.wait()

    async def run(self, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        """See `interface.Engine.run`."""
        return await self._version().replicas.run(arranged, outputs, context)

    @property
    def current(self) -> Version | None:
        """The version that answers whoever has asked none before; None when the server stops."""
        return self._current

    def held(self, context: Context) -> Engine:
        """See `interface.Engine.held`."""
        return self._version().held(context)

    def begin(self, arranged: Arranged, outputs: Sequence[int], deadline: float, calls: int) -> "asyncio.Future[Reply]":
        """See `Channel.begin`."""
        return self._version().replicas.begin(arranged, outputs, deadline, calls)

    async def switch(self, number: int, replicas: Replicas, source: str = "") -> Version | None:
        """Give all further requests to these instances, once they are ready; returns the version before."""
        async with self._switching:  # in the order in which they came
            try:
                await replicas.ready()
            except asyncio.CancelledError:  # nobody waits for this model any more
                await replicas.close()
                raise
            before, self._current = self._current, Version(number, replicas, source, self)
            if before is not None:
                self._draining.append(before)
            self._is_live.set()
            return before

    async def drain(self, version: Version) -> None:
        """Wait until a version of the past has answered everything it was given, and let go of it."""
        while version.holds > 0 or version.replicas.waiting > 0:
            await asyncio.sleep(_LOOK_S)
        await version.replicas.close()
        self._draining.remove(version)

    async def leave(self) -> None:
        """Let go of every version as soon as it has answered everything it was given."""
        await asyncio.sleep(_LOOK_S)  # what has found it in this turn of the event loop has not asked it yet
        while any(v.holds > 0 or v.replicas.waiting > 0 for v in [*self._draining, *_those(self._current)]):
            await asyncio.sleep(_LOOK_S)
        self._why = "the model was unloaded"
        await self.close()

    async def close(self) -> None:
        """Let go of every version; requests still out fail."""
        current, self._current = self._current, None
        for version in [*self._draining, *_those(current)]:
            await version.replicas.close()

    def _version(self) -> Version:
        if (current := self._current) is None:
            raise Stopping(self._why)
        return current


def _those(version: Version | None) -> list[Version]:
    return [] if version is None else [version]
