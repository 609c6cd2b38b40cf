"""The engines that this front uses: one `Live` for each deployment, from the first who needs it to the last."""

import asyncio
import math
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from paddle_serving_server.config.values import Limits
from paddle_serving_server.engine import repository
from paddle_serving_server.engine.channel import HUNG_S, Channel
from paddle_serving_server.engine.context import Ask
from paddle_serving_server.engine.live import Live as LiveEngine
from paddle_serving_server.engine.replicas import Replicas
from paddle_serving_server.engine.segments import SegmentPool
from paddle_serving_server.engine.settings import DeploymentSpec
from paddle_serving_server.process.control import Hung, Live, Needed, Released, Reloaded, Switched, Unneeded
from paddle_serving_server.process.line import Line
from paddle_serving_server.process.registry_messages import Ended


@dataclass(slots=True, eq=False)
class _Used:
    """A deployment that somebody needs."""

    spec: DeploymentSpec
    live: LiveEngine = field(default_factory=LiveEngine)
    users: int = 0
    switches: set[asyncio.Task[None]] = field(default_factory=set)


class Lives:
    """All of them. Everything happens on the front's event loop."""

    def __init__(self, limits: Limits, line: Line, pool: SegmentPool, ask: Ask | None = None) -> None:
        """`ask` answers what user code in engines asks other services."""
        self._ask = ask
        self._limits = limits
        self._line = line
        self._pool = pool
        self._used: dict[str, _Used] = {}
        """By the identity of the deployment."""
        self._leaving: dict[str, asyncio.Event] = {}
        """Those that are not needed any more, until the supervisor knows: what it said of them before is void."""

    async def connect(self, spec: DeploymentSpec, service: str, part: int) -> LiveEngine:
        """Ask for the engines of a model; those who need the same ones share them.

        Args:
            spec: of the deployment.
            service, part: who needs it; see `control.Needed`.
        """
        identity = spec.identity
        while (leaving := self._leaving.get(identity)) is not None:
            await leaving.wait()
        used = self._used.setdefault(identity, _Used(spec))
        used.users += 1
        self._line.tell(Needed(identity, spec.to_json(), service, part))
        return used.live

    async def release(self, live: LiveEngine) -> None:
        """One of those who needed it needs it no more; after the last one's answers it is let go of."""
        identity, used = next((i, used) for i, used in self._used.items() if used.live is live)
        used.users -= 1
        if used.users:
            return
        del self._used[identity]
        self._leaving[identity] = asyncio.Event()
        for task in used.switches:
            task.cancel()
        if used.switches:
            await asyncio.wait(used.switches)
        await live.leave()
        self._line.tell(Unneeded(identity))

    def switch(self, version: Live) -> None:
        """A version is loaded: let it answer, and say so; when the one before it is done, say that."""
        if (used := self._used.get(version.deployment)) is not None:
            task = asyncio.get_running_loop().create_task(self._switch_to(version, used))
            used.switches.add(task)
            task.add_done_callback(used.switches.discard)

    def reloaded(self, message: Reloaded) -> None:
        """What became of an attempt to load a version."""
        if (used := self._used.get(message.deployment)) is not None:
            used.live.last_reload = message.report

    def ended(self, message: Ended) -> None:
        """The supervisor knows that a deployment is not needed any more."""
        if (leaving := self._leaving.pop(message.deployment, None)) is not None:
            leaving.set()

    def stop(self) -> None:
        """No version takes over any more."""
        for used in self._used.values():
            for task in used.switches:
                task.cancel()

    async def _switch_to(self, version: Live, used: _Used) -> None:
        # A run that takes longer than any request may cannot help anybody.
        hung_s = max(HUNG_S, self._limits.request_s)
        room = math.ceil((used.spec.max_waiting or self._limits.max_waiting) / len(version.paths))
        model = f"{repository.title_of(used.spec.folder)}, version {version.number}"
        pool, ask = self._pool, self._ask
        channels = [
            Channel(path, room, partial(self._line.tell, Hung(path)), pool, hung_s, f"{model}, instance {k}", ask)
            for k, path in enumerate(version.paths, 1)
        ]
        channels = [*channels[version.first :], *channels[: version.first]]
        before = await used.live.switch(version.number, Replicas(channels), Path(version.source).name)
        self._line.tell(Switched(version.deployment, version.number))
        if before is not None:
            await used.live.drain(before)
            self._line.tell(Released(version.deployment, before.number))
