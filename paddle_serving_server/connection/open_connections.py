"""Which connections are open, for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Connection:
    """One of them."""

    peer: str
    protocol: str
    since: float
    """On the clock of `time.monotonic`."""
    is_idle: bool
    unsent_bytes: int


class _Accepted(Protocol):
    """A connection, as far as it is looked at here."""

    since: float

    def shown(self) -> Connection | None:
        """For people; None while it is not known what it speaks."""


class OpenConnections:
    """Those of one front."""

    def __init__(self) -> None:
        self._accepted: set[_Accepted] = set()

    def add(self, connection: _Accepted) -> None:
        """It is open."""
        self._accepted.add(connection)

    def discard(self, connection: _Accepted) -> None:
        """It is closed."""
        self._accepted.discard(connection)

    def now(self) -> Sequence[Connection]:
        """Those that speak a protocol, the oldest first."""
        shown = (connection.shown() for connection in sorted(self._accepted, key=lambda one: one.since))
        return [connection for connection in shown if connection is not None]
