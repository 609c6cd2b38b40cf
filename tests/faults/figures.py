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
    is_rough: bool = False
    """Whether a few seconds on a busy machine say little about it: `--brief` shows it and demands nothing."""

    @property
    def is_met(self) -> bool:
        """Whether the bound holds."""
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound

    def line(self, brief: bool) -> str:
        """Its line of the table."""
        sign = ">=" if self.at_least else "<="
        failed = "missed" if brief and self.is_rough else "FAILED"
        verdict = "passed" if self.is_met else failed
        return f"{verdict}  {self.what}: {self.measured:.4g} {self.unit} (demanded: {sign} {self.bound:.4g})"


def most(what: str, measured: float, bound: float, unit: str, is_rough: bool = False) -> Figure:
    """A figure that must not be larger."""
    return Figure(what, measured, bound, unit, is_rough=is_rough)


def least(what: str, measured: float, bound: float, unit: str, is_rough: bool = False) -> Figure:
    """A figure that must not be smaller."""
    return Figure(what, measured, bound, unit, at_least=True, is_rough=is_rough)
