"""Made-up inputs in which libraries that compute differently can be seen to do so.

Numbers between 0 and 1 hide most of what goes wrong: the negative half of a function, integers that need more than 32
bits, the digits that float32 has no room for, ties. So each row of a sample is of one of several styles.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Literal, get_args

import numpy as np

from paddle_serving_app.program.operators import Operator, Program, Value
from paddle_serving_client import byte_strings, dtype
from paddle_serving_client.message import Array

Style = Literal["plain", "signed", "whole", "wide"]
"""plain: what most models expect: 0 to 1, pixels, 0 or 1.
signed: around 0, of both signs, some of them 0 or too small for a normal float.
whole: floats that are whole numbers, so that many are equal; integers over their whole range, with its ends.
wide: of both signs and of all magnitudes."""
STYLES: Final = get_args(Style)
Limits = Mapping[str, tuple[int, int]]
"""The least and the largest integer that an input takes, by its name."""

_UINT8_VALUES = 256
_SPECIAL_PART = 0.1
_TINY = 1e-40  # no normal float32
_WIDEST_EXPONENT = {2: 4.0, 4: 10.0, 8: 10.0}
"""By the bytes of a float: 10 to this is the largest magnitude, beyond 32-bit integers and finite when squared."""
_SMALL_INTEGERS = 100
_WORDS = ("a", "good", "film", "The end.")
_UNUSUAL_WORDS = ("", "größer", "Привет", "東京", "\N{SMILING FACE WITH OPEN MOUTH}")
_KEEPS_VALUES = {
    *(
        "cast",
        "assign",
        "reshape",
        "reshape2",
        "squeeze",
        "squeeze2",
        "unsqueeze",
        "unsqueeze2",
        "flatten",
        "transpose",
    ),
    *("flatten_contiguous_range", "transpose2", "concat", "slice", "split", "stack", "expand", "expand_v2", "tile"),
    *("share_data", "share_buffer"),
}
_WRAPS = {"mod", "bitwise_and", "clip", "fmod"}
"""Operators whose results stay within bounds whatever they take."""
_MAKES_AS_MANY = {"range", "arange", "fill_constant", "full", "full_with_tensor", "constantofshape", "sequence_mask"}
_SHAPES = {"reshape", "reshape2", "expand", "expand_v2", "tile"}
"""Operators that take integers as a shape, if what they give is of another type."""
_LOOKS_UP = {"embedding", "gather", "gather_nd", "index_select", "take_along_axis", "one_hot", "one_hot_v2", "onehot"}


def values(random: np.random.Generator, kind: "np.dtype[np.generic]", shape: Sequence[int], style: Style) -> Array:
    """Floats, truth values, strings, or integers over the whole range of their type.

    Args:
        random: where the values come from.
        kind: a type of numpy.
        shape: of the result.
        style: which values.
    """
    if kind.hasobject:
        return _strings(random, shape, style)
    if kind.kind == "b":
        return random.integers(0, 2, shape).astype(kind)
    if kind.kind in "iu":
        limits = np.iinfo(kind.name)
        return integers(random, kind, shape, style, (int(limits.min), int(limits.max)))
    if kind.kind == "c":
        half = np.dtype(f"f{kind.itemsize // 2}")
        return (values(random, half, shape, style) + 1j * values(random, half, shape, style)).astype(kind)
    return _floats(random, kind, shape, style)


def integers(
    random: np.random.Generator,
    kind: "np.dtype[np.generic]",
    shape: Sequence[int],
    style: Style,
    limits: tuple[int, int],
) -> Array:
    """Integers from the least to the largest that is allowed, both included."""
    least, largest = limits
    if style == "plain":
        least, largest = (0, _UINT8_VALUES - 1) if kind == np.uint8 else (max(least, 0), min(largest, 1))
    elif style == "signed":
        least, largest = max(least, -_SMALL_INTEGERS), min(largest, _SMALL_INTEGERS)
    if style == "wide":
        exponents = random.uniform(0, np.log2(float(largest) + 1), shape)
        found = np.minimum(np.exp2(exponents), float(largest) * (1 - 2**-52)).astype(kind)
        is_negative = random.random(shape) < 0.5
        return found if least >= 0 else np.where(is_negative, np.maximum(-found, least), found).astype(kind)
    found = random.integers(least, largest, shape, kind, endpoint=True)
    if style == "whole" and found.size:
        edges = [edge for edge in (least, largest, 0, 1, -1) if least <= edge <= largest]
        found.flat[: len(edges)] = edges[: found.size]
    return np.asarray(found)


def _strings(random: np.random.Generator, shape: Sequence[int], style: Style) -> Array:
    """Words; but for the plain style also nothing at all, and letters beyond ASCII."""
    words = _WORDS if style == "plain" else _WORDS + _UNUSUAL_WORDS
    chosen = random.integers(0, len(words), math.prod(shape))
    return byte_strings.array_of([words[k].encode() for k in chosen], shape)


def _floats(random: np.random.Generator, kind: "np.dtype[np.generic]", shape: Sequence[int], style: Style) -> Array:
    if style == "plain":
        return random.random(shape).astype(kind)
    if style == "whole":
        return random.integers(-4, 5, shape).astype(kind)
    if style == "wide":
        exponents = random.uniform(-3, _WIDEST_EXPONENT[kind.itemsize], shape)
        return (random.choice((-1.0, 1.0), shape) * 10**exponents).astype(kind)
    found = random.normal(0, 2, shape)
    special = random.choice((0.0, -0.0, _TINY, -_TINY), shape)
    return np.where(random.random(shape) < _SPECIAL_PART, special, found).astype(kind)


def limits_of(program: Program | None) -> Limits:
    """How large the integers may be that each input takes: what looks numbers up in a table takes those of its rows.

    Returns:
        Inputs with integers. One that leads to a table whose length is unknown, or to a size, takes 0 and 1.
    """
    if program is None:
        return {}
    limits: dict[str, tuple[int, int]] = {}
    for name, value in program.feeds.items():
        kind = dtype.numpy_of(value.elem_type)
        if kind is None or kind.kind not in "iu":
            continue
        rows = _rows_looked_up(value, program)
        whole = np.iinfo(kind.name)
        limits[name] = (int(whole.min), int(whole.max)) if rows is None else (0, min(rows) - 1)
    return limits


def _rows_looked_up(feed: Value, program: Program) -> list[int] | None:
    """The lengths of the tables that an input's integers lead to, 2 for one of unknown length; None: to no table."""
    same, other = {feed.name}, set[str]()
    """Values with the same numbers, and such with numbers that were made of them; lists are not followed."""
    rows: list[int] = []
    for operator in program.operators:
        taken = {value.name for value in operator.inputs} & (same | other)
        if not taken:
            continue
        kind = operator.common_kind
        if kind in _LOOKS_UP:
            rows.append(_length(operator, taken) if taken & same else 2)
        integers = [value.name for value in operator.outputs if _is_integer(value)]
        if kind in _MAKES_AS_MANY or (kind in _SHAPES and not integers):
            rows.append(2)
        if kind in _KEEPS_VALUES and taken & same:
            same.update(integers)
        elif kind not in _WRAPS:
            other.update(integers)
    return rows or None


def _length(operator: Operator, taken: Collection[str]) -> int:
    """How long what is looked up in is: the first that it takes beside the numbers, if that is a parameter, or 2."""
    table = next((value for value in operator.inputs if value.name not in taken), None)
    return table.shape[0] if table is not None and table.is_parameter and table.shape else 2


def _is_integer(value: Value) -> bool:
    kind = dtype.numpy_of(value.elem_type)
    return kind is not None and kind.kind in "iu" and not value.is_list
