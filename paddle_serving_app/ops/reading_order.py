"""The order in which a page is read: from top to bottom, and where it has columns, one column after the other."""

from collections.abc import Sequence

import numpy as np

from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Array, describe

_TOUCH, _TOUCH_OF_PAGE = 0.15, 0.01
"""Parts of a box, and of the page, by which a box may reach into another row or column."""


def reading_order(boxes: Array) -> list[int]:
    """Put boxes in the order of reading.

    A page is cut where nothing crosses: into rows, of which those that belong to the same columns stay together, and
    these into columns, from left to right; and so on inside each.

    Args:
        boxes: (K, 4), x1, y1, x2, y2 in pixels.

    Returns:
        Indices of the boxes.

    Raises:
        BadInput: not such boxes.
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise BadInput(f"boxes to read are [K, 4], got {describe(boxes)}")
    inner = np.asarray(boxes, np.float64).copy()
    if len(inner) < 2:
        return list(range(len(inner)))
    page = inner[:, 2:].max(axis=0) - inner[:, :2].min(axis=0)
    touch = np.minimum((inner[:, 2:] - inner[:, :2]) * _TOUCH, page * _TOUCH_OF_PAGE)
    inner[:, :2] += touch
    inner[:, 2:] -= touch
    return _ordered(inner, list(range(len(inner))))


def _ordered(boxes: Array, members: list[int]) -> list[int]:
    if len(members) < 2:
        return members
    bands = _bands(boxes, _cut(boxes, members, 1))
    parts = bands if len(bands) > 1 else _cut(boxes, members, 0)
    if len(parts) > 1:
        return [k for part in parts for k in _ordered(boxes, part)]
    return sorted(members, key=lambda k: (boxes[k, 1], boxes[k, 0]))


def _cut(boxes: Array, members: Sequence[int], axis: int) -> list[list[int]]:
    """Groups that do not overlap along an axis, in its order."""
    groups: list[list[int]] = []
    end = -np.inf
    for k in sorted(members, key=lambda k: float(boxes[k, axis])):
        if boxes[k, axis] >= end:
            groups.append([])
        groups[-1].append(k)
        end = max(end, float(boxes[k, axis + 2]))
    return groups


def _bands(boxes: Array, rows: Sequence[list[int]]) -> list[list[int]]:
    """Rows, those together that have the same columns."""
    bands = [list(rows[0])]
    for row in rows[1:]:
        together = [*bands[-1], *row]
        count = len(_cut(boxes, together, 0))
        if count > 1 and count == max(len(_cut(boxes, bands[-1], 0)), len(_cut(boxes, row, 0))):
            bands[-1] = together
        else:
            bands.append(list(row))
    return bands
