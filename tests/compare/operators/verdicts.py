"""Whether an answer is that of the reference: exactly for whole numbers, closely for floats, each by its precision."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

TOLERANCE = {"float64": 1e-10, "float32": 2e-4, "float16": 1e-2, "bfloat16": 3e-2}
"""As a part of the largest value of the output."""
_LEAST = 1e-6


def verdict(found: Path, expected: Path, order: list[int], element_type: str) -> str:
    """What is wrong with the outputs in a file, or an empty text.

    Args:
        found: of the library.
        expected: of the reference.
        order: for each output of the reference its number in the library.
        element_type: that the program is about; bfloat16 comes as float32.
    """
    with np.load(found) as theirs, np.load(expected) as ours:
        if len(theirs.files) != len(ours.files):
            return f"{len(theirs.files)} outputs instead of {len(ours.files)}"
        for number, place in enumerate(order):
            words = _difference(theirs[str(place)], ours[str(number)], element_type)
            if words:
                return words if len(order) == 1 else f"output {number}: {words}"
    return ""


def _difference(found: npt.NDArray[Any], expected: npt.NDArray[Any], element_type: str) -> str:
    if found.dtype != expected.dtype:
        return f"type: {found.dtype} instead of {expected.dtype}"
    if found.shape != expected.shape:
        return f"shape: {list(found.shape)} instead of {list(expected.shape)}"
    if expected.dtype.kind != "f":
        return _first(found, expected, np.asarray(found != expected))
    kind = element_type if element_type in ("bfloat16", "float16") else str(expected.dtype)
    a, b = found.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(a) & np.isfinite(b)
    largest = np.max(np.abs(b), initial=_LEAST, where=finite)
    with np.errstate(invalid="ignore"):  # infinity less infinity; those are compared as they are
        is_far = np.abs(a - b) > TOLERANCE[kind] * largest
    is_same = (a == b) | (np.isnan(a) & np.isnan(b))
    return _first(found, expected, np.where(finite, is_far, ~is_same))


def _first(found: npt.NDArray[Any], expected: npt.NDArray[Any], differs: npt.NDArray[Any]) -> str:
    if not differs.any():
        return ""
    at = tuple(int(axis[0]) for axis in np.nonzero(differs)) if differs.ndim else ()
    return f"{found[at]!s} instead of {expected[at]!s}"
