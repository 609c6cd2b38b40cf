"""Batching without a knob: take everything that waits and fits together, join it on axis 0, split the answers.

Pure: no sockets, no clock, no model. A job that cannot be joined is a batch of its own.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paddle_serving_client import dtype
from paddle_serving_client.message import Array, Lod

_TOLERANCE = 1e-3
_BFLOAT16_TOLERANCE = 2.0**-6
"""Two units of its last digit."""
_FEW_LABELS = 1e-3
"""Part of the whole numbers of a row."""


@dataclass(slots=True, eq=False)
class Feed:
    """The inputs of one request, in the order of the signature."""

    arrays: Sequence[Array]
    rows: int
    kind: Hashable | None
    """What must be equal for two feeds to be joined; None for a feed that joins with nobody."""

    @classmethod
    def of(cls, arrays: Sequence[Array], lods: Mapping[int, Lod]) -> "Feed":
        """Arrays as a feed."""
        shapes = [array.shape for array in arrays]
        return cls(arrays, rows_of(shapes), kind_of([array.dtype for array in arrays], shapes, lods))


def rows_of(shapes: Sequence[tuple[int, ...]]) -> int:
    """Length of axis 0 of the first input; 1 for a model without inputs that have axes."""
    return shapes[0][0] if shapes and shapes[0] else 1


def kind_of(
    types: Sequence[np.dtype[Any]], shapes: Sequence[tuple[int, ...]], lods: Mapping[int, Lod]
) -> Hashable | None:
    """The `kind` of a feed with inputs of these types and shapes."""
    if lods or any(not shape or shape[0] != shapes[0][0] for shape in shapes):
        return None
    return tuple((kind.str, shape[1:]) for kind, shape in zip(types, shapes, strict=True))


def choose(waiting: Sequence[Feed], max_rows: int) -> list[int]:
    """Which of the waiting feeds make the next batch, as indices in order of arrival.

    The oldest is always among them, alone if it is larger than `max_rows`; nobody is overtaken by a feed of his own
    kind.
    """
    kind = waiting[0].kind
    chosen, rows = [0], waiting[0].rows
    if kind is None:
        return chosen
    for k, feed in enumerate(waiting[1:], 1):
        if feed.kind == kind:
            if rows + feed.rows > max_rows:
                break
            chosen.append(k)
            rows += feed.rows
    return chosen


def join(feeds: Sequence[Feed]) -> tuple[Array, ...]:
    """The inputs of several feeds of one kind as one; a single feed is handed on without a copy."""
    if len(feeds) == 1:
        return tuple(feeds[0].arrays)
    return tuple(np.concatenate(parts) for parts in zip(*(feed.arrays for feed in feeds), strict=True))


def split(outputs: Sequence[Array], rows: Sequence[int]) -> list[tuple[Array, ...]] | None:
    """Each feed's own rows of the outputs; None if an output does not have one row per input row.

    A single feed gets the outputs as they are: nothing is cut that was not joined.
    """
    if len(rows) == 1:
        return [tuple(outputs)]
    total = sum(rows)
    if any(a.ndim == 0 or a.shape[0] != total for a in outputs):
        return None
    ends = np.cumsum(rows).tolist()
    return [tuple(a[end - n : end] for a in outputs) for end, n in zip(ends, rows, strict=True)]


def agree(joined: Sequence[tuple[Array, ...]], single: Sequence[tuple[Array, ...]]) -> bool:
    """Whether rows computed together equal rows computed alone, within 1e-3 of the largest value of each row.

    Libraries sum in another order for another batch size, so the last digits differ; a model that mixes its rows
    (a list of boxes for the whole batch, statistics over the batch) differs by far more. Of many whole numbers a few
    may differ: labels between two scores that are equal but for the last digits.
    """
    for together, alone in zip(joined, single, strict=True):
        for a, b in zip(together, alone, strict=True):
            if a.dtype.hasobject or b.dtype.hasobject:
                if not np.array_equal(a, b):
                    return False
            elif a.shape != b.shape or not all(map(_row_agrees, a, b)):
                return False
    return True


def _row_agrees(together: Array, alone: Array) -> bool:
    tolerance = _TOLERANCE
    if alone.dtype == dtype.BFLOAT16:
        together, alone, tolerance = together.astype(np.float32), alone.astype(np.float32), _BFLOAT16_TOLERANCE
    if alone.dtype.kind not in "fc":
        return float(np.mean(together != alone)) <= _FEW_LABELS if alone.size else True
    finite = alone[np.isfinite(alone)]
    scale = float(np.max(np.abs(finite), initial=1e-6))
    return bool(np.allclose(together, alone, rtol=tolerance, atol=tolerance * scale, equal_nan=True))
