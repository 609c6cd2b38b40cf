"""What is served, as the supervisor has it: entries by name, each with the versions that load, answer or go.

Nothing happens here: what becomes of a version is in `lifecycle.py`, which is the one writer.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from paddle_serving_server.config.values import ServedModel, VersionSettings
from paddle_serving_server.config.versions import VersionPolicy
from paddle_serving_server.engine import repository
from paddle_serving_server.engine.settings import of_running
from paddle_serving_server.process.registry_messages import Registered
from paddle_serving_server.process.states import State
from paddle_serving_server.supervisor.child import Slot

Asker: TypeAlias = Callable[[str], None]
"""Is told, once, when an entry has come to rest: with why a version was refused, or nothing."""
Source: TypeAlias = Callable[["Part"], int | None]
"""Gives the number of the folder that answers for a part; None: it is none."""


@dataclass(slots=True, eq=False)
class Part:
    """One version of an entry, from LOADING to its end."""

    number: int
    """Its own, never used again."""
    key: str
    """Which version: its number or name; empty: the newest, whichever that is."""
    model: ServedModel
    """What fronts make a service of: one path, and no policy."""
    state: State = State.LOADING
    reason: str = ""
    fronts: set[Slot] = field(default_factory=set)
    """Those that were told of it, and have not let go of it."""
    offering: set[Slot] = field(default_factory=set)
    """Those that answer with it."""

    @property
    def is_wanted(self) -> bool:
        """Whether it is served, or about to be."""
        return self.state in (State.LOADING, State.READY)

    def version(self, source: Source) -> str:
        """What callers call it; of the newest, its number, or 1 where it has none."""
        if self.key:
            return self.key
        number = source(self)
        return "1" if number is None else str(number)

    def as_json(self, source: Source) -> dict[str, Any]:
        """For fronts."""
        known = {"part": self.number, "version": self.version(source), "state": self.state, "reason": self.reason}
        known["is_fixed"] = bool(self.key)
        return {**known, "model": asdict(self.model)} if self.is_wanted else known


def _of_version(plain: ServedModel, path: str, own: VersionSettings | None) -> ServedModel:
    """A version that has a path of its own, and settings, too."""
    return replace(plain, folder=path, **({} if own is None else of_running(own)))


@dataclass(slots=True, eq=False)
class Entry:
    """A name, and what is served under it."""

    name: str
    model: ServedModel | None
    """None: it is a service from a file, which its front makes."""
    is_wanted: bool = True
    """Whether it is to be loaded."""
    is_leaving: bool = False
    """Whether it is to be forgotten when nothing of it is left."""
    may_fail: bool = True
    """Whether the server goes on without it if it cannot be loaded."""
    before: ServedModel | None = None
    """Settings that answer while others are loaded; those come back if these are refused."""
    parts: list[Part] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Why versions were refused, since somebody was told last."""
    retries: bool = False
    """Whether what was refused is tried again when fronts have let go of it."""
    askers: list[Asker] = field(default_factory=list)

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing loads and nothing goes."""
        return all(
            part.state is State.READY or (part.state is State.REFUSED and not part.fronts) for part in self.parts
        )

    @property
    def has_ready(self) -> bool:
        """Whether a version answers."""
        return any(part.state is State.READY for part in self.parts)

    @property
    def folder_of_several(self) -> str:
        """The folder that its versions come and go in, where there may be several; else empty."""
        model = self.model
        if model is None or not self.is_wanted or model.versions.follows or model.paths or model.nodes:
            return ""
        return model.folder

    def chosen(self) -> dict[str, ServedModel]:
        """What is to be served of it now, by version."""
        if self.model is None or not self.is_wanted:
            return {}
        plain = replace(self.model, versions=VersionPolicy(), paths=(), own=(), default_version="", labels=())
        if self.model.paths:
            own = dict(self.model.own)
            return {
                version: _of_version(plain, path, own.get(version))
                for version, path in self.model.paths
                if version not in own or own[version].is_loaded
            }
        if self.model.versions.follows or self.model.nodes:
            return {"": plain}
        there = repository.numbered(Path(self.model.folder))
        if not there and not self.model.versions.numbers:
            return {"": plain}  # no numbered folders, but a model
        refused = {int(p.key) for p in self.parts if p.state is State.REFUSED and p.key.isdecimal()}
        numbers = self.model.versions.chosen(list(there), refused)
        paths = {n: there.get(n, Path(self.model.folder) / str(n)) for n in numbers}
        return {str(n): replace(plain, folder=str(path)) for n, path in paths.items()}

    def message(self, source: Source) -> Registered:
        """What fronts are told of it."""
        model = {} if self.model is None else asdict(self.model)
        return Registered(self.name, model, [part.as_json(source) for part in self.parts])


class Registry:
    """All entries, in the order in which they came."""

    def __init__(self) -> None:
        self.by_name: dict[str, Entry] = {}
        self._numbers = itertools.count(1)

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self.by_name.values()))

    def __contains__(self, name: object) -> bool:
        return name in self.by_name

    def __getitem__(self, name: str) -> Entry:
        return self.by_name[name]

    def add(self, entry: Entry) -> Entry:
        """One more."""
        self.by_name[entry.name] = entry
        return entry

    def remove(self, entry: Entry) -> None:
        """It is registered no more."""
        self.by_name.pop(entry.name, None)

    def new_part(self, entry: Entry, key: str, model: ServedModel) -> Part:
        """One more version of an entry, which begins to load."""
        part = Part(next(self._numbers), key, model)
        entry.parts.append(part)
        return part

    def part(self, number: int) -> tuple[Entry, Part] | None:
        """A part, and the entry that it belongs to; None: it is gone."""
        return next(((entry, part) for entry in self for part in entry.parts if part.number == number), None)
