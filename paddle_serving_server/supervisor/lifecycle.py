"""What becomes of the entries of the registry: one state machine for every way to ask.

A verb (`verbs.py`) says what is to be so; `settle` takes the steps towards it that are possible now, and is called
again whenever one is done. What answers goes only when what is to take its place answers; where that is refused, it
stays. Who asked is told when the entry has come to rest.
"""

import logging
from collections.abc import Sequence
from typing import Final

from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.process.message import Message
from paddle_serving_server.process.registry_messages import (
    CaughtUp,
    Dropped,
    Following,
    Offering,
    Unregistered,
    Unservable,
)
from paddle_serving_server.process.states import State
from paddle_serving_server.supervisor.child import Slot
from paddle_serving_server.supervisor.deployment import Deployment
from paddle_serving_server.supervisor.deployments import Deployments
from paddle_serving_server.supervisor.registry import Entry, Part, Registry
from paddle_serving_server.supervisor.watcher import Versions, Watcher

logger = logging.getLogger(__name__)

_LONGEST_REASON: Final = 600
"""Letters: those of all versions of an entry go in one message. The log has the whole of it."""


class Lifecycle:
    """The one writer of the registry."""

    def __init__(self, config: ServerConfig, deployments: Deployments, watcher: Watcher) -> None:
        """Register the models of the command line, to be loaded when the fronts are there."""
        self.registry = Registry()
        self._deployments = deployments
        self._versions = Versions(watcher)
        self._fronts: dict[Slot, frozenset[str]] = {}
        """Those that follow the registry, with the services that they have from files."""
        for model in config.models:
            entry = Entry(model.name, model, may_fail=config.allow_broken_models)
            self.registry.add(entry)
            self.settle(entry)

    # -- what fronts say

    def front_says(self, front: Slot, message: Message) -> None:
        """A message about the registry, but for verbs."""
        match message:
            case Following(services):
                self._follow(front, services)
            case Offering(number):
                self._offered(front, number)
            case Dropped(number):
                self._dropped(front, number)
            case Unservable(number, reason):
                found = self.registry.part(number)
                if found is not None and found[1].state is State.READY:  # others answer with it
                    front.failure = reason
                    front.kill()
                else:
                    self.refuse(number, reason)

    def front_is_gone(self, front: Slot) -> None:
        """A front's process has ended; the next one follows anew."""
        services = self._fronts.pop(front, frozenset())
        for name in services.difference(*self._fronts.values()) if self._fronts else ():
            self._forget(self.registry[name])  # the others have other code
        for entry in self.registry:
            for part in list(entry.parts):
                part.fronts.discard(front)
                part.offering.discard(front)
            self.go_on(entry)

    # -- what deployments and folders do

    def refused(self, deployment: Deployment, reason: str) -> bool:
        """The first version of a deployment cannot be loaded; returns whether the server can do without it."""
        parts = [found for number in deployment.parts if (found := self.registry.part(number)) is not None]
        if 0 in deployment.parts or not parts or any(not entry.may_fail for entry, _ in parts):
            return False
        deployment.refuse(reason)
        for _, part in parts:
            self.refuse(part.number, reason)
        return True

    def is_required(self, number: int) -> bool:
        """Whether the server does not go on without this version."""
        found = self.registry.part(number)
        return found is not None and not found[0].may_fail

    def refuse(self, number: int, reason: str) -> None:
        """A version cannot be served."""
        if (found := self.registry.part(number)) is None or not found[1].is_wanted:
            return
        entry, part = found
        logger.error("%s is refused: %s", named(entry, part), reason)
        reason = reason if len(reason) <= _LONGEST_REASON else f"{reason[:_LONGEST_REASON]} ..."
        part.state, part.reason = State.REFUSED, reason
        entry.failures.append(reason)
        if entry.before is not None and not self._has_more(entry, part):
            for older in entry.parts:
                if older.state is State.READY:
                    older.reason = f"other settings were refused: {reason}"
            entry.model, entry.before = entry.before, None
        self.settle(entry)

    def changed(self, folder: str | None) -> None:
        """Numbered versions in a folder, or in any, have come, changed or gone."""
        for name in self._versions.of(folder):
            self.settle(self.registry[name], retries=True)

    def versions_changed(self) -> None:
        """Another version of a deployment answers."""
        for entry in self.registry:
            if entry.model is not None and any(part.key == "" for part in entry.parts):
                self._broadcast(entry)

    def engines_ended(self) -> None:
        """The last processes of a deployment have ended."""
        for entry in self.registry:
            if entry.askers or entry.is_leaving:
                self.go_on(entry)

    # -- the machine

    def settle(self, entry: Entry, retries: bool = False) -> None:
        """Take the steps that are possible now. Unless it `retries`, what was refused stays so."""
        entry.retries |= retries
        if entry.retries:
            for part in [p for p in entry.parts if p.state is State.REFUSED and not p.fronts]:
                entry.parts.remove(part)
            entry.retries = any(part.state is State.REFUSED for part in entry.parts)
        wanted = entry.chosen()
        for key, model in wanted.items():
            same = [p for p in entry.parts if p.key == key and p.model == model and p.state is not State.UNLOADING]
            if not same:
                part = self.registry.new_part(entry, key, model)
                logger.info("%s is loading", named(entry, part))
        loads = any(part.state is State.LOADING and wanted.get(part.key) == part.model for part in entry.parts)
        if not loads:
            entry.before = None
        for part in list(entry.parts):
            if wanted.get(part.key) == part.model:
                continue
            if part.state is State.LOADING or (part.state is State.READY and (not loads or not entry.is_wanted)):
                part.state = State.UNLOADING
            elif part.state is State.REFUSED and not part.fronts and part.key in wanted:
                entry.parts.remove(part)  # another one answers in its place
        self._versions.watch(entry.name, entry.folder_of_several)
        self._broadcast(entry)
        self.go_on(entry)

    def _has_more(self, entry: Entry, refused: Part) -> bool:
        """Whether other settings of an entry may still be answered with, though one part of it was refused."""
        if any(part.key == refused.key and part.state is State.READY for part in entry.parts):
            return False
        wanted = entry.chosen()
        return any(part.is_wanted and wanted.get(part.key) == part.model for part in entry.parts)

    def go_on(self, entry: Entry) -> None:
        """What fronts have done, or their end, may have brought an entry further."""
        is_news = False
        for part in list(entry.parts):
            if part.state is State.LOADING and self._fronts and self._fronts.keys() <= part.offering:
                part.state, is_news = State.READY, True
                logger.info("%s is ready", named(entry, part))
            elif part.state is State.UNLOADING and not part.fronts:
                entry.parts.remove(part)
                self._deployments.forget_part(part.number)
                is_news = True
                logger.info("%s is unloaded", named(entry, part))
        if is_news:
            entry.may_fail |= not any(part.state is State.LOADING for part in entry.parts)
            self.settle(entry)
            return
        if not entry.is_at_rest or self._deployments.ends(entry.name):
            return
        if entry.is_leaving and not any(part.is_wanted for part in entry.parts):
            self._forget(entry)
        askers, entry.askers = entry.askers, []
        if askers:
            reason, entry.failures = "; ".join(dict.fromkeys(entry.failures)), []
            for asker in askers:
                asker(reason)

    def _forget(self, entry: Entry) -> None:
        self.registry.remove(entry)
        self._versions.watch(entry.name, "")
        for front in self._fronts:
            front.tell(Unregistered(entry.name))

    # -- fronts

    def _follow(self, front: Slot, services: Sequence[str]) -> None:
        self._fronts[front] = frozenset(services)
        for name in services:
            if name not in self.registry:
                self._broadcast(self.registry.add(Entry(name, None)))
        for entry in self.registry:
            self._tell(front, entry)
        front.tell(CaughtUp())

    def _offered(self, front: Slot, number: int) -> None:
        if (found := self.registry.part(number)) is not None:
            found[1].offering.add(front)
            self.go_on(found[0])

    def _dropped(self, front: Slot, number: int) -> None:
        if (found := self.registry.part(number)) is not None:
            entry, part = found
            part.fronts.discard(front)
            part.offering.discard(front)
            if part.state is State.REFUSED and not part.fronts:
                self._deployments.forget_part(number)
                self.settle(entry)
                return
            self.go_on(entry)

    def _broadcast(self, entry: Entry) -> None:
        for front in self._fronts:
            self._tell(front, entry)

    def _tell(self, front: Slot, entry: Entry) -> None:
        for part in entry.parts:
            if part.is_wanted:
                part.fronts.add(front)
        front.tell(entry.message(self.source))

    def source(self, part: Part) -> int | None:
        """The number of the folder that answers for it."""
        return next((deployment.folder_number for deployment in self._deployments.of_part(part.number)), None)


def named(entry: Entry, part: Part) -> str:
    return f"model {entry.name!r}, version {part.key}" if part.key else f"model {entry.name!r}"
