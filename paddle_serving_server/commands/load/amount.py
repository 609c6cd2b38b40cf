"""How much load, for how long."""

from dataclasses import dataclass
from typing import Literal

from paddle_serving_client.errors import BadConfig

Arrivals = Literal["poisson", "even"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much, for how long."""

    clients: int = 8
    """Connections."""
    seconds: float = 10.0
    """Measured."""
    warmup_s: float = 1.0
    """Load before measuring begins, in seconds."""
    rate: float | None = None
    """Requests per second of the open loop; None: closed loop."""
    arrivals: Arrivals = "poisson"
    """Of the open loop: with random pauses, as from many independent callers, or one like the other."""
    timeout_s: float = 60.0
    """From when a request without an answer is an error."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("clients", 1, 10_000),
            ("seconds", 0.1, 86_400),
            ("warmup_s", 0, 3600),
            ("timeout_s", 0.01, 86_400),
        ):
            if not low <= getattr(self, name) <= high:
                raise BadConfig(f"--{name} must be from {low} to {high}, got {getattr(self, name)}")
        if self.rate is not None and not 0.01 <= self.rate <= 1_000_000:
            raise BadConfig(f"--rate must be from 0.01 to 1000000, got {self.rate}")
