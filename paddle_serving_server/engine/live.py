"""The version of a model that answers now: a new one takes over between two requests, the old one finishes its own.

    next version connected ──> live ──> draining (answers what it was given) ──> released

A request runs on one version. Code that asks more than once, or waits between reading a signature and running, does
so under `one_version()`: whatever it asks of a model then is answered by the version it asked first.
"""

import asyncio
import contextlib
import logging
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass

from paddle_serving_app.signature import Arranged, Signature
from paddle_serving_client.errors import Stopping
from paddle_serving_server.engine.interface import Reply
from paddle_serving_server.engine.replicas import Replicas

logger = logging.getLogger(__name__)

_LOOK_S = 0.02
_lock = threading.Lock()
"""Of what a request holds, and of which version is the current one: user code asks from threads."""


@dataclass(slots=True, eq=False)
class Version:
    """One version as one front sees it."""

    number: int
    replicas: Replicas
    source: str
    """The name of the folder that it came from."""
    holds: int = 0
    """Requests under `one_version` that have asked it and may ask again."""


class _Held:
    """The versions that one request has asked."""

    def __init__(self) -> None:
        self.versions: dict[Live, Version] = {}
        self.is_over = False
        """A task that was started inside may live on: it asks like everybody then."""


_held: ContextVar[_Held | None] = ContextVar("held", default=None)


@contextlib.contextmanager
def one_version() -> Iterator[None]:
    """Inside the block, and in the threads and tasks that it starts and waits for, a model does not change."""
    held = _Held()
    token = _held.set(held)
    try:
        yield
    finally:
        _held.reset(token)
        with _lock:
            held.is_over = True
            for version in held.versions.values():
                version.holds -= 1


class Live:
    """An engine whose model can be exchanged while it answers."""

    def __init__(self) -> None:
        self._current: Version | None = None
        self._draining: list[Version] = []
        self._is_live = asyncio.Event()
        self._switching = asyncio.Lock()
        self.last_reload: Mapping[str, object] | None = None
        """What became of the last attempt to load a new version, for people: state, reason, at."""

    @property
    def signature(self) -> Signature:
        """See `interface.Engine`."""
        return self._version().replicas.signature

    @property
    def backend_name(self) -> str:
        """See `interface.Engine`."""
        return self._version().replicas.backend_name

    @property
    def plan(self) -> Mapping[str, object]:
        """See `interface.Engine`."""
        version = self._version()
        about = {"version": str(version.number), "from": version.source, "last_reload": self.last_reload}
        return {**version.replicas.plan, **about}

    @property
    def version(self) -> str:
        """See `interface.Engine`."""
        return str(self._version().number)

    async def ready(self) -> None:
        """Wait until there is a version that answers."""
        await self._is_live.wait()

    async def run(self, arranged: Arranged, outputs: Sequence[int], deadline: float = math.inf) -> Reply:
        """See `interface.Engine.run`."""
        return await self._version().replicas.run(arranged, outputs, deadline)

    @property
    def current(self) -> Version | None:
        """The version that answers whoever has asked none before; None when the server stops."""
        return self._current

    def begin(self, arranged: Arranged, outputs: Sequence[int], deadline: float, calls: int) -> "asyncio.Future[Reply]":
        """See `Channel.begin`."""
        return self._version().replicas.begin(arranged, outputs, deadline, calls)

    async def switch(self, number: int, replicas: Replicas, source: str = "") -> Version | None:
        """Give all further requests to these instances, once they are ready; returns the version before."""
        async with self._switching:  # in the order in which they came
            await replicas.ready()
            with _lock:
                before, self._current = self._current, Version(number, replicas, source)
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

    async def close(self) -> None:
        """Let go of every version; requests still out fail."""
        with _lock:
            current, self._current = self._current, None
        for version in [*self._draining, *([current] if current else [])]:
            await version.replicas.close()

    def _version(self) -> Version:
        """The version for who asks: the one that his request has asked before, or the current one.

        The lock makes sure that whoever has got a version holds it before anybody looks whether it is needed.
        """
        held = _held.get()
        if held is None or held.is_over:
            if (current := self._current) is None:
                raise Stopping("the server is stopping")
            return current
        with _lock:
            if self in held.versions:
                return held.versions[self]
            if (current := self._current) is None:
                raise Stopping("the server is stopping")
            if not held.is_over:
                current.holds += 1
                held.versions[self] = current
            return current
