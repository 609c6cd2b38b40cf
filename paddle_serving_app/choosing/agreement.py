"""Whether two libraries give the same answer: how far outputs may be apart, and how far they are."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from paddle_serving_client import dtype
from paddle_serving_client.message import Array

TOLERANCE = {"fp32": 1e-3, "fp16": 2e-2, "bf16": 5e-2, "int8": 1e-1}
"""By precision: how far an output may be from that of Paddle in fp32, as a part of the output's largest value."""

_FLOAT64_TOLERANCE = 1e-9
"""For outputs in float64, where fp32 is asked for: float32 on the way would be off by more."""
_LEAST = 1e-6
"""What counts as the largest value of an output that is all but zero."""
_UNSURE_PART = 0.5
"""Where more of an output than this depends on the last digits of the inputs, it says nothing."""
_EXACT_UP_TO = 2.0**20
"""Whole numbers in float32 up to this are not there because there is no room for a fraction."""


def distance(
    found: Sequence[Array],
    expected: Sequence[Array],
    precision: str = "fp32",
    *,
    by_row: bool = False,
    shaken: Sequence[Sequence[Array]] = (),
) -> float:
    """How far outputs are from those expected: the largest difference, as a part of the largest value expected.

    Integers and truth values, and floats that are whole numbers as those of classes are, have to be the same in fp32;
    in other precisions it is the part of them that differs.

    Args:
        found, expected: the outputs, in order.
        precision: what was asked for; a key of `TOLERANCE`.
        by_row: whether each row of axis 0 has a largest value of its own.
        shaken: what is expected where the last digits of the inputs are others: values that differ there, as labels
            do between two scores that are equal but for rounding, may differ in what was found.

    Returns:
        What `TOLERANCE` is for. Infinite where the number of outputs, a type, a shape, a value that has to be the
        same, or the place of a NaN or an infinity differs. Differences in float64 count more, as `_FLOAT64_TOLERANCE`
        says.
    """
    if len(found) != len(expected):
        return math.inf
    return max(
        (
            _distance(a, b, precision, by_row, [answers[k] for answers in shaken])
            for k, (a, b) in enumerate(zip(found, expected, strict=True))
        ),
        default=0.0,
    )


def has_numbers(array: Array) -> bool:
    """Whether an output says anything: some of its floats are finite."""
    return not dtype.is_inexact(array.dtype) or bool(np.isfinite(array).any())


def _distance(found: Array, expected: Array, precision: str, by_row: bool, shaken: Sequence[Array]) -> float:
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return 0.0 if any(other.shape != expected.shape for other in shaken) else math.inf
    if not expected.size:
        return 0.0
    if not dtype.is_inexact(expected.dtype) or (precision == "fp32" and _are_whole(expected)):
        return _of_whole_numbers(found, expected, precision, shaken)
    if any(_of_floats(other, expected, precision, by_row) > TOLERANCE[precision] for other in shaken):
        return 0.0
    return _of_floats(found, expected, precision, by_row)


def _of_whole_numbers(found: Array, expected: Array, precision: str, shaken: Sequence[Array]) -> float:
    differs = _differs(found, expected)
    if shaken:
        unsure = np.logical_or.reduce([_differs(other, expected) for other in shaken])
        if np.mean(unsure) > _UNSURE_PART:
            return 0.0
        differs = differs & ~unsure
    part = float(np.mean(differs))
    return part if precision != "fp32" or not part else math.inf


def _differs(found: Array, expected: Array) -> "npt.NDArray[np.bool_]":
    if expected.dtype.kind != "f":
        return np.asarray(found != expected)
    with np.errstate(invalid="ignore"):
        return np.asarray(~(np.abs(found - expected) < 0.5))


def _are_whole(array: Array) -> bool:
    """Whether floats are numbers of classes or the like, so that the next one is another and not a rounded one."""
    if array.dtype.kind != "f" or not np.all(np.isfinite(array)):
        return False
    return bool(np.all(np.abs(array) < _EXACT_UP_TO) and np.all(array == np.rint(array)))


def _of_floats(found: Array, expected: Array, precision: str, by_row: bool) -> float:
    if found.shape != expected.shape:
        return math.inf
    if by_row and expected.ndim:
        return max(_of_one(a, b, precision) for a, b in zip(found, expected, strict=True))
    return _of_one(found, expected, precision)


def _of_one(found: Array, expected: Array, precision: str) -> float:
    wide = np.complex128 if expected.dtype.kind == "c" else np.float64
    a, b = np.asarray(found, wide), np.asarray(expected, wide)
    finite = np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return math.inf
    if not finite.any():
        return 0.0
    largest = float(np.max(np.abs(a[finite] - b[finite])))
    if not math.isfinite(largest):
        return math.inf
    is_wide = precision == "fp32" and expected.dtype in (np.float64, np.complex128)
    scale = TOLERANCE["fp32"] / _FLOAT64_TOLERANCE if is_wide else 1.0
    return scale * largest / max(float(np.max(np.abs(b[finite]))), _LEAST)
