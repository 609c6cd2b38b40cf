"""Whether two libraries give the same answer: how far outputs may be apart, and how far they are."""

import math
from collections.abc import Sequence

import numpy as np

from paddle_serving_client.message import Array

TOLERANCE = {"fp32": 1e-3, "fp16": 2e-2, "bf16": 5e-2, "int8": 1e-1}
"""By precision: how far an output may be from that of Paddle in fp32, as a part of the output's largest value."""

_LABELS_THAT_MAY_DIFFER = 1e-3
"""Part of the whole numbers of an output: where two scores are equal but for rounding, the class may be the other."""
_LEAST = 1e-6
"""What counts as the largest value of an output that is all but zero."""


def distance(found: Sequence[Array], expected: Sequence[Array]) -> float:
    """How far outputs are from those expected: the largest difference, as a part of the largest value expected.

    For whole numbers and truth values it is the part of them that differs, measured so that `_LABELS_THAT_MAY_DIFFER`
    comes out as the tolerance of fp32.

    Returns:
        Infinite where the number of outputs, a shape, a kind of type, or the place of a NaN or an infinity differs.
    """
    if len(found) != len(expected):
        return math.inf
    return max((_distance(a, b) for a, b in zip(found, expected, strict=True)), default=0.0)


def _distance(found: Array, expected: Array) -> float:
    if found.shape != expected.shape or (found.dtype.kind in "fc") != (expected.dtype.kind in "fc"):
        return math.inf
    if not expected.size:
        return 0.0
    if expected.dtype.kind not in "fc":
        return float(np.mean(found != expected)) / _LABELS_THAT_MAY_DIFFER * TOLERANCE["fp32"]
    wide = np.complex128 if expected.dtype.kind == "c" else np.float64
    a, b = found.astype(wide), expected.astype(wide)
    finite = np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return math.inf
    if not finite.any():
        return 0.0
    largest = float(np.max(np.abs(a[finite] - b[finite])))
    return largest / max(float(np.max(np.abs(b[finite]))), _LEAST) if math.isfinite(largest) else math.inf
