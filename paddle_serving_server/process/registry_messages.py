"""What fronts and the supervisor tell each other of the registry: which models there are, and in which versions.

The supervisor alone changes it. A front asks for a change by a verb, and gets one `Answered` for it; what the registry
holds now comes as `Registered`, to every front, before that answer. A front makes the versions that are LOADING or
READY, and says `Offering`; it lets go of all others, and says `Dropped` when their last answers are given.

A version has a number of its own in the registry, `part`, which is never used again: loaded once more, or configured
otherwise, it is another part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paddle_serving_server.process.message import Message

# -- of fronts


@dataclass(frozen=True, slots=True)
class Following(Message):
    """A front is there, and wants to know what is registered."""

    services: Sequence[str]
    """Those that it has from service files."""


@dataclass(frozen=True, slots=True)
class Offering(Message):
    """A front answers calls of a version."""

    part: int


@dataclass(frozen=True, slots=True)
class Dropped(Message):
    """A front has given all answers of a version, and needs it no more."""

    part: int


@dataclass(frozen=True, slots=True)
class Unservable(Message):
    """A front cannot make a service of a version, though its models are loaded."""

    part: int
    reason: str


# -- verbs


@dataclass(frozen=True, slots=True)
class Asked(Message):
    """Somebody wants a change of an entry, and waits in a front for what becomes of it."""

    question: int
    """The front's number for it."""
    name: str
    """Of the entry."""


@dataclass(frozen=True, slots=True)
class RegisterAsked(Asked):
    """A model, to be served under a name."""

    model: Mapping[str, Any]
    """`ServedModel` as JSON."""
    loads: bool
    """Whether it is loaded at once."""
    replaces: bool
    """Whether it may take the place of an entry of its name."""


@dataclass(frozen=True, slots=True)
class UnregisterAsked(Asked):
    """Nothing of that name any more."""


@dataclass(frozen=True, slots=True)
class LoadAsked(Asked):
    """The versions that its policy chooses now, loaded if they are not; those that were refused are tried again."""


@dataclass(frozen=True, slots=True)
class UnloadAsked(Asked):
    """No version of it loaded."""


@dataclass(frozen=True, slots=True)
class ReloadAsked(Asked):
    """What its folders hold now, in the place of what answers."""

    allows_change: bool
    """Whether inputs and outputs may be others."""


@dataclass(frozen=True, slots=True)
class ConfigureAsked(Asked):
    """Other settings."""

    changes: Mapping[str, Any]
    """Fields of `ServedModel`, as its JSON has them."""


# -- to fronts


@dataclass(frozen=True, slots=True)
class Answered(Message):
    """What became of a change that was asked for."""

    question: int
    error: str
    """The name of an error's class, where it was not to be done; else empty."""
    reason: str
    """Of the error, or why a version was refused."""
    reports: Sequence[Mapping[str, Any]]
    """Of a reload: what became of each model."""


@dataclass(frozen=True, slots=True)
class Registered(Message):
    """An entry of the registry as it is now."""

    name: str
    model: Mapping[str, Any]
    """`ServedModel` as JSON; empty: it is a service from a file."""
    versions: Sequence[Mapping[str, Any]]
    """Each with part, key, number, state and reason; what is to be served has its model, too."""


@dataclass(frozen=True, slots=True)
class Unregistered(Message):
    """There is no such entry any more."""

    name: str


@dataclass(frozen=True, slots=True)
class CaughtUp(Message):
    """A front that follows has been told all there is."""


@dataclass(frozen=True, slots=True)
class Ended(Message):
    """A front that needed a deployment no more is told nothing more of it: it may need it again."""

    deployment: str
