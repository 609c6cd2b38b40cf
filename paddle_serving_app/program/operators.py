"""A model's program, whatever form its file has: its operators, with the element types that they work on.

Nothing is computed here and no library is asked: `reader` makes a `Program` of a model's file.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from paddle_serving_client import dtype

_WHOLE = {dtype.code_of(kind) for kind in ("bool", "int8", "uint8", "int16", "int32", "int64")}
_SAME_NAME = {
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div",
    "remainder": "mod",
    "floor_divide": "floordiv",
    "reducesum": "sum",
    "reduceprod": "prod",
    "lookup_table": "embedding",
    "lookup_table_v2": "embedding",
    "matmul_v2": "matmul",
    "gemm": "matmul",
    "shape64": "shape",
    "gathernd": "gather_nd",
    "gatherelements": "take_along_axis",
    "identity": "assign",
    "expand_dims": "unsqueeze",
}
"""Operators that the forms call otherwise, by the name that all have in common here."""
_PREFIXES = ("builtin.", "elementwise_", "reduce_")


@dataclass(frozen=True, slots=True)
class Value:
    """What an operator takes or gives."""

    name: str
    elem_type: int
    """A code of `dtype.ELEM_TYPES`, or `dtype.UNKNOWN`."""
    shape: tuple[int, ...] | None = None
    """-1: may vary; None: the file does not say."""
    is_parameter: bool = False
    """Its values are in the model's files, not in its program."""
    constant: tuple[int, int] | None = None
    """Of whole numbers that the file itself holds: the least and the largest."""
    is_list: bool = False
    """Several tensors, as Paddle 3 hands them to `concat` or out of `split`; type and shape are those of the first."""

    @property
    def is_whole(self) -> bool:
        """Whether it holds whole numbers or truth values."""
        return self.elem_type in _WHOLE


@dataclass(frozen=True, slots=True)
class Operator:
    """One step of a model."""

    kind: str
    """As the model's form calls it: `elementwise_mul` (Paddle 1 and 2), `multiply` (Paddle 3), `Mul` (ONNX)."""
    inputs: tuple[Value, ...]
    """In the order of the file; what is left out is not there."""
    outputs: tuple[Value, ...]
    attributes: Mapping[str, object]
    """Numbers, truth values, texts and tuples of them; what is none of these is left out."""

    @property
    def common_kind(self) -> str:
        """In lower case, and alike in all forms where `_SAME_NAME` or a prefix tells them apart: `mul`."""
        plain = self.kind.lower().rstrip("_")
        for prefix in _PREFIXES:
            plain = plain.removeprefix(prefix)
        return _SAME_NAME.get(plain, plain)

    @property
    def types(self) -> frozenset[int]:
        """The element types that it works on."""
        return frozenset(value.elem_type for value in (*self.inputs, *self.outputs))


@dataclass(frozen=True, slots=True)
class Program:
    """All operators of a model, those of its loops and branches among them."""

    form: str
    """`paddle2` (Paddle 1 as well), `paddle3` or `onnx`."""
    feeds: Mapping[str, Value]
    """The inputs, by the names that callers and configs know them by."""
    operators: tuple[Operator, ...]
    """In an order in which they can run. Those of a loop or a branch come before it, in Paddle 2 behind all others."""
