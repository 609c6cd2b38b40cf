"""A figure that was measured, and the bound it is held to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    what: str
    measured: float
    bound: float
    unit: str
    at_least: bool = False
    """Whether the bound is the least that will do; else it is the most."""

    @property
    def is_met(self) -> bool:
        """Whether the bound holds."""
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        verdict = "passed" if self.is_met else "FAILED"
        return f"{verdict}  {self.what}: {self.measured:.4g} {self.unit} (demanded: {sign} {self.bound:.4g})"


def most(what: str, measured: float, bound: float, unit: str) -> Figure:
    """A figure that must not be larger."""
    return Figure(what, measured, bound, unit)


def least(what: str, measured: float, bound: float, unit: str) -> Figure:
    """A figure that must not be smaller."""
    return Figure(what, measured, bound, unit, at_least=True)
