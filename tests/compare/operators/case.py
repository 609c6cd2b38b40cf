"""One case of the sweep: a tiny program with one operator in it, and what it is given."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

FLOATS = ("float32", "float64", "float16", "bfloat16")
INTS = ("int64", "int32", "int16", "int8", "uint8")
ALL = (*FLOATS, *INTS, "bool")
T = "T"
"""Stands for the element type that the case is tried with."""


@dataclass(frozen=True)
class In:
    """One input."""

    shape: tuple[int, ...] = (3, 4)
    role: str = "any"
    """A name in `feeds.ROLES`: which values make sense."""
    type: str = T
    is_fixed: bool = False
    """Whether its first axis has to be declared as long as it is; otherwise it is open, as in most served models."""
    is_weight: bool = False
    """Whether it is a parameter of the model; its values are the ordinary ones, whatever is fed."""


@dataclass(frozen=True)
class Case:
    """A program that is tried with several element types."""

    name: str
    build: Callable[..., Any]
    """Given the module (`paddle`, or ONNX's `helper`) and the inputs; gives the result or a list of results."""
    inputs: tuple[In, ...] = (In(),)
    types: tuple[str, ...] = ALL

    def multiplying(self) -> "Case":
        """Made for an operator that multiplies what it is given: the products of int32 have to fit in 32 bits."""
        return replace(self, inputs=tuple(replace(i, role="factor") if i.role == "any" else i for i in self.inputs))
