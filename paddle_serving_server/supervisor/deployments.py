"""The deployments of a server: one for each model that fronts need, however many of them and whatever for."""

import logging
from collections.abc import Iterator

from paddle_serving_server.engine.settings import DeploymentSpec
from paddle_serving_server.process.control import Needed
from paddle_serving_server.process.registry_messages import Ended
from paddle_serving_server.supervisor.child import Slot
from paddle_serving_server.supervisor.deployment import Deployment
from paddle_serving_server.supervisor.version import Engine, Surroundings
from paddle_serving_server.supervisor.watcher import Watcher

logger = logging.getLogger(__name__)


class Deployments:
    """All of them, from the first front that needs one to the last that lets go of it."""

    def __init__(self, around: Surroundings, watcher: Watcher) -> None:
        self._around = around
        self._watcher = watcher
        self._deployments: dict[str, Deployment] = {}
        """By identity."""
        self._ending: list[Deployment] = []
        self._count = 0

    def __getitem__(self, identity: str) -> Deployment:
        return self._deployments[identity]

    def __contains__(self, identity: object) -> bool:
        return identity in self._deployments

    def __iter__(self) -> Iterator[Deployment]:
        """Those that are needed, and those whose last processes are ending."""
        yield from self._deployments.values()
        yield from self._ending

    @property
    def engines(self) -> list[Engine]:
        """All processes."""
        return [engine for deployment in self for engine in deployment.engines]

    def of(self, engine: Engine) -> Deployment:
        """Whose process this is."""
        return next(deployment for deployment in self if engine in deployment.engines)

    def of_part(self, part: int) -> list[Deployment]:
        """The models of a part of the registry."""
        return [deployment for deployment in self._deployments.values() if part in deployment.parts]

    def of_service(self, name: str) -> list[Deployment]:
        """The models of a service, whatever it comes from."""
        return [deployment for deployment in self._deployments.values() if name in deployment.services]

    def ends(self, name: str) -> bool:
        """Whether processes of models that a service needed are still there."""
        return any(name in deployment.services for deployment in self._ending)

    def needed(self, front: Slot, message: Needed) -> None:
        """A front needs one."""
        identity = message.deployment
        if identity not in self._deployments:
            self._count += 1
            spec = DeploymentSpec.from_json(message.spec)
            self._deployments[identity] = Deployment(self._count, spec, self._around)
            self._watcher.add(spec.folder)
        deployment = self._deployments[identity]
        deployment.parts.add(message.part)
        deployment.services.add(message.service)
        deployment.front_asks(front)

    def unneeded(self, front: Slot, identity: str) -> None:
        """A front needs one no more; the last of them ends it."""
        if (deployment := self._deployments.get(identity)) is not None:
            deployment.front_is_gone(front)
            if not deployment.is_needed:
                self._close(identity)
        front.tell(Ended(identity))

    def forget_part(self, part: int) -> None:
        """No front serves this part any more."""
        for identity, deployment in list(self._deployments.items()):
            deployment.parts.discard(part)
            if not deployment.parts and not deployment.is_needed:  # no front was there to say so
                self._close(identity)

    def reload(self, folder: str | None) -> None:
        """Load what a folder holds now, or every one."""
        for deployment in self._deployments.values():
            if folder in (None, deployment.folder):
                deployment.reload()

    def front_is_gone(self, front: Slot) -> None:
        """A front's process has ended; the next one asks for the same again."""
        for deployment in self:
            deployment.front_is_gone(front)

    def close_unneeded(self) -> None:
        """Fronts have ended whose code is not served any more: let go of what they alone needed."""
        for identity, deployment in list(self._deployments.items()):
            if not deployment.is_needed:
                self._close(identity)

    def kill_hung(self, path: str) -> None:
        """The engine at this socket does not answer: another process is to take its place."""
        for engine in self.engines:
            if engine.path == path and engine.process is not None:
                logger.error("%s does not answer; it is killed and started again", engine.title)
                engine.kill()

    def on_time(self, now: float) -> None:
        """End what takes too long."""
        for deployment in self:
            if deployment.next_moment <= now:
                deployment.on_time(now)

    def forget_ended(self) -> bool:
        """Some processes have ended; returns whether they were the last of a deployment that nobody needs."""
        before, self._ending = self._ending, [deployment for deployment in self._ending if list(deployment.engines)]
        return len(self._ending) < len(before)

    def _close(self, identity: str) -> None:
        deployment = self._deployments.pop(identity)
        deployment.close()
        self._ending.append(deployment)
        self.forget_ended()
        if all(other.folder != deployment.folder for other in self._deployments.values()):
            self._watcher.remove(deployment.folder)
