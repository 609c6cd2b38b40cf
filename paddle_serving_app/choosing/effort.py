"""How long a contest may take, and how closely it looks."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long to measure, and how closely."""

    seconds: float = 10.0
    """For all candidates together, loading included; a third more where loading takes long."""
    turn_s: float = 0.06
    """Of one candidate, before the next one's."""
    rounds: int = 5
    max_rows: int = 32
    is_thorough: bool = False
    """Fewer threads for slow models too, and several engines beside each other."""


THOROUGH = Effort(seconds=60.0, turn_s=0.25, rounds=9, max_rows=64, is_thorough=True)
