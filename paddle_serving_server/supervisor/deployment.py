"""One model of a server through its versions, as the supervisor sees it.

                        ┌───────────────────────── refused, or the same as before: the reason is kept
                        │
    asked for ──> loading (first instance) ──> loading (the others) ──> live ──> draining ──> ended

The first instance of a version copies the files, loads and tries the model; what it says of itself is compared with
the version that is live. Only when all instances are ready are the fronts told. They give new requests to the new
version at once, finish the old ones on the old version, and say when they are done with it: then it is ended.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from paddle_serving_app.exit_status import shown
from paddle_serving_server.engine import repository
from paddle_serving_server.engine.settings import DeploymentSpec, EngineConfig
from paddle_serving_server.process.control import Loaded, Loading, Taking, Unchanged
from paddle_serving_server.process.message import Message
from paddle_serving_server.supervisor.child import Slot
from paddle_serving_server.supervisor.reports import Reports
from paddle_serving_server.supervisor.version import Asker, Engine, Surroundings, Version

logger = logging.getLogger(__name__)

_EXTRA_DRAIN_S = 10.0


class Deployment:
    """One model: the version that is live, the one that comes, those that go."""

    def __init__(self, index: int, spec: DeploymentSpec, around: Surroundings) -> None:
        """Begin to load it; `index` is its own."""
        self.parts: set[int] = set()
        """Those of the registry whose model it is; 0: of services from files."""
        self.services: set[str] = set()
        """Whose model it is."""
        self._identity = spec.identity
        self._name = f"model-{index}"
        self._spec = spec
        self._around = around
        self.fronts: set[Slot] = set()
        """Who needs it."""
        self._live: Version | None = None
        self._coming: Version | None = None
        self._going: list[Version] = []
        self._count = 0
        self._reports = Reports(self._identity, spec.folder, self.fronts)
        self._queue: list[Asker] = []
        self._is_asked = False
        self._allows_change = False
        self._begin(())

    @property
    def folder(self) -> str:
        """Where its versions come from."""
        return self._spec.folder

    @property
    def is_live(self) -> bool:
        """Whether a version answers."""
        return self._live is not None

    @property
    def is_needed(self) -> bool:
        """Whether a front needs it."""
        return bool(self.fronts)

    @property
    def folder_number(self) -> int | None:
        """Of the numbered folder that what answers came from; None: it is none."""
        return None if self._live is None else self._live.folder_number

    @property
    def engines(self) -> Iterator[Engine]:
        """Every engine of every version."""
        for version in self._versions():
            yield from version.engines

    @property
    def next_moment(self) -> float:
        """When `on_time` has something to do."""
        return min((version.next_moment for version in self._versions()), default=float("inf"))

    # -- what happens

    def reload(self, asker: Asker | None = None, allows_change: bool = False) -> None:
        """Load what the folder holds now; while that is under way already, once more when it is done."""
        self._queue += [asker] if asker else []
        self._allows_change |= allows_change
        self._is_asked = True
        self._begin_next()

    def front_asks(self, front: Slot) -> None:
        """A front needs this model."""
        if self._live is None and self._coming is None:  # it was refused, and is tried again
            self._begin(())
        if front in self.fronts:
            return
        self.fronts.add(front)
        self._reports.greet(front)
        if self._live is not None:
            self._live.announce_to(front, self._identity, self._around.fronts)
        self._reports.remind(front)

    def front_is_gone(self, front: Slot) -> None:
        """A front's process has ended, or it needs this model no more: what it used, it uses no more."""
        self.fronts.discard(front)
        for version in self._versions():
            version.fronts.discard(front)
            version.unconfirmed.discard(front)
        self._go_on()

    def front_switched(self, front: Slot, number: int) -> None:
        """A front gives new requests to that version."""
        for version in self._numbered(number):
            version.unconfirmed.discard(front)
        self._go_on()

    def front_released(self, front: Slot, number: int) -> None:
        """A front has all answers of that version."""
        for version in self._numbered(number):
            version.fronts.discard(front)
        self._go_on()

    def engine_says(self, engine: Engine, message: Message) -> None:
        """An engine tells where its model comes from, that it is loaded, or that there is nothing new."""
        version = self._version_of(engine)
        match message:
            case Taking(source, number):
                version.source, version.folder_number = source, number
            case Unchanged():
                self._give_up(version, "unchanged", f"{version.source} holds what is served already")
            case Loading(doing) if self._live is None:
                self._reports.note(doing)
            case Loaded():
                if self._live is None:
                    self._reports.note("")
                engine.is_ready = engine.was_ready = True
                engine.false_starts = 0
                if version.loaded is None:
                    self._try(version, message)
                self._go_on()

    def engine_died(self, engine: Engine, status: int) -> bool:
        """An engine has ended; returns whether that is dealt with, so that it is not started again."""
        version = self._version_of(engine)
        if version is not self._coming:
            return False
        reason = engine.failure or f"the process that loaded it ended with {shown(status)}"
        if self._live is not None:
            self._give_up(version, "refused", reason)
            return True
        others = [n for n in repository.numbers(Path(self.folder)) if n not in version.skipped]
        if version.folder_number is not None and others:
            self._give_up(version, "refused", reason)
            self._begin(version.skipped)
            return True
        return False

    def on_time(self, now: float) -> None:
        """End what takes too long."""
        for version in self._versions():
            version.kill_late(now)
            if version.deadline > now:
                continue
            if version is self._coming:
                self._give_up(version, "refused", f"it was not loaded in {self._around.load_s:g} s")
            else:
                logger.warning("version %d of %s is ended with requests inside", version.number, self.folder)
                self._end(version)
        self._go_on()

    def stop(self) -> None:
        """The server is stopping: nothing new is loaded."""
        self._is_asked = False
        if self._coming is not None and self._live is not None:
            self._coming.askers += self._queue
            self._give_up(self._coming, "refused", "the server is stopping")

    def refuse(self, reason: str) -> None:
        """Its first version cannot be loaded, and is not tried again until a front asks for it."""
        self._reports.note("")
        if self._coming is not None:
            self._give_up(self._coming, "refused", reason)

    def close(self) -> None:
        """Nobody needs it any more: let all its engines end."""
        self._is_asked = False
        askers, self._queue = self._queue, []
        versions, self._live, self._coming = self._versions(), None, None
        for version in versions:
            askers += version.askers
            if version not in self._going:
                self._going.append(version)
            if version.loaded is None:  # who loads does not hear that he is to end
                for engine in version.engines:
                    engine.kill()
            self._end(version)
        for asker in askers:
            asker(self._reports.made("refused", "it was unloaded meanwhile", None))

    def ended(self, engine: Engine) -> None:
        """The process of an engine that was to end has ended."""
        for version in self._going:
            if engine in version.engines:
                version.engines.remove(engine)
        self._going = [version for version in self._going if version.engines]

    # -- a new version

    def _begin_next(self) -> None:
        is_busy = self._coming is not None or self._live is None or self._live.unconfirmed
        if is_busy or not self._is_asked:
            return
        self._is_asked = False
        version = self._begin(())
        version.askers, self._queue = self._queue, []
        version.allows_change, self._allows_change = self._allows_change, False
        self._reports.say("loading", "", None, True)

    def _begin(self, skip: tuple[int, ...]) -> Version:
        self._count += 1
        copy = str(self._around.copies / f"{self._name}-{self._count}")
        config = EngineConfig(spec=self._spec, key=self._around.key, copy=copy, skip=skip)
        version = self._coming = Version(self._count, config)
        if self._live is not None and self._live.loaded is not None:
            before = self._live.loaded.plan
            plan = before if before["table"] else None  # only one that was measured
            spec = replace(self._spec, tune_s=0.0)
            version.config = replace(config, spec=spec, unlike=self._live.config.copy, plan=plan)
            version.deadline = time.monotonic() + self._around.load_s
        self._add_engine(version)
        return version

    def _add_engine(self, version: Version) -> None:
        path = self._around.sockets / f"{self._name}-{version.number}"
        version.add_engine(self.folder, path, self._around.selector)

    def _try(self, version: Version, loaded: Loaded) -> None:
        """Its first instance is loaded: compare it with the live version, and start the others."""
        version.loaded = loaded
        if not version.allows_change and (found := version.changes_from(self._live)):
            hint = "callers of the version that is live would notice; a reload that allows it says so"
            self._give_up(version, "refused", f"another signature: {'; '.join(found)} ({hint})")
            return
        version.config = replace(version.config, spec=replace(version.config.spec, instances=loaded.instances))
        for _ in range(1, loaded.instances):
            self._add_engine(version)

    def _go_on(self) -> None:
        """Take the steps that have become possible."""
        coming = self._coming
        if coming is not None and coming.is_ready:
            self._coming = None
            before, self._live = self._live, coming
            coming.deadline = float("inf")
            if before is not None:
                self._going.append(before)
                before.deadline = time.monotonic() + self._around.request_s + _EXTRA_DRAIN_S
            coming.is_announced = before is None
            for front in self.fronts:
                coming.announce_to(front, self._identity, self._around.fronts)
            self._around.on_change()
        live = self._live
        if live is not None and not live.is_announced and not live.unconfirmed:
            live.is_announced = True
            self._reports.say("reloaded", "", live, True)
        for version in list(self._going):
            if not version.fronts and live is not None and live.is_announced:
                self._end(version)
        self._begin_next()

    def _give_up(self, version: Version, state: str, reason: str) -> None:
        self._coming = None
        self._going.append(version)
        for engine in version.engines:
            engine.kill()
        self._end(version)
        self._reports.say(state, reason, version, self.is_live)
        self._go_on()

    def _end(self, version: Version) -> None:
        version.end()
        self._going = [going for going in self._going if going.engines]

    # -- details

    def _versions(self) -> list[Version]:
        return [v for v in (self._live, self._coming, *self._going) if v is not None]

    def _numbered(self, number: int) -> list[Version]:
        return [version for version in self._versions() if version.number == number]

    def _version_of(self, engine: Engine) -> Version:
        return next(version for version in self._versions() if engine in version.engines)
