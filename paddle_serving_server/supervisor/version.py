"""A version of a model, from its first process to its last."""

from dataclasses import dataclass, field
from typing import TypeAlias

from paddle_serving_server.engine.settings import EngineConfig
from paddle_serving_server.process.control import Loaded
from paddle_serving_server.supervisor.child import Slot

Asker: TypeAlias = tuple[Slot, int]
"""A front that waits for the outcome, and its number for the question."""


@dataclass(slots=True, eq=False)
class Engine(Slot):
    """The place of one instance."""

    path: str = ""


@dataclass(slots=True, eq=False)
class Version:
    number: int
    config: EngineConfig
    engines: list[Engine] = field(default_factory=list)
    source: str = ""
    folder_number: int | None = None
    loaded: Loaded | None = None
    """What its first instance said when it was ready."""
    fronts: set[Slot] = field(default_factory=set)
    """Who uses it, as far as is known here."""
    unconfirmed: set[Slot] = field(default_factory=set)
    """Who was told of it and has not said yet that it answers."""
    is_announced: bool = False
    deadline: float = float("inf")
    """Of loading, or of draining."""
    askers: list[Asker] = field(default_factory=list)
    allows_change: bool = False

    @property
    def is_ready(self) -> bool:
        return self.loaded is not None and all(engine.was_ready for engine in self.engines)
