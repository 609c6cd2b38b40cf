"""A strip of text in tiles that overlap, and the boxes found in them as boxes of the whole strip."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np

from paddle_serving_app.ops.arrays import Quad
from paddle_serving_app.ops.text_boxes import Quads, tight_box
from paddle_serving_client.message import Array

_SAME = 0.3
"""Part of the smaller of two boxes that lies in the other one, from which they are the same text."""


class Tile(NamedTuple):
    """A part of a picture, in its pixels; right and bottom are the first that are not in it."""

    left: int
    top: int
    right: int
    bottom: int


def along(width: int, height: int, length: int, overlap: int) -> tuple[Tile, ...]:
    """Tiles of one size along the longer side of a picture, which overlap by this many pixels or more.

    Args:
        width, height: of the picture; up to `length` it is one tile.
        length: of a tile.
    """
    longer = max(width, height)
    if longer <= length:
        return (Tile(0, 0, width, height),)
    count = -(-(longer - overlap) // (length - overlap))
    starts = [round(k * (longer - length) / (count - 1)) for k in range(count)]
    if width >= height:
        return tuple(Tile(start, 0, start + length, height) for start in starts)
    return tuple(Tile(0, start, width, start + length) for start in starts)


def joined(tiles: Sequence[Tile], found: Sequence[Quads]) -> Quads:
    """The boxes of all tiles as boxes of the whole; a text that two neighbours saw, in part or whole, is one box.

    Args:
        tiles: one after the other along the strip.
        found: for each tile its boxes (K, 4, 2), in its own pixels.

    Returns:
        (K', 4, 2) int32, corners from the top left clockwise.
    """
    placed = [
        np.asarray(boxes, np.int32).reshape(-1, 4, 2) + [t.left, t.top] for t, boxes in zip(tiles, found, strict=True)
    ]
    boxes = np.concatenate(placed).astype(np.int32) if placed else np.zeros((0, 4, 2), np.int32)
    first_of = np.cumsum([0, *map(len, placed)]).tolist()
    same_as = list(range(len(boxes)))

    def root(k: int) -> int:
        while same_as[k] != k:
            k = same_as[k]
        return k

    for k, (before, after) in enumerate(pairwise(tiles)):
        for i, j in _shared(before, after, placed[k], placed[k + 1]):
            same_as[root(first_of[k + 1] + j)] = root(first_of[k] + i)
    members: dict[int, list[int]] = {}
    for k in range(len(boxes)):
        members.setdefault(root(k), []).append(k)
    whole = [boxes[few[0]] if len(few) == 1 else _around(boxes[few]) for few in members.values()]
    return np.array(whole, np.int32).reshape(-1, 4, 2)


def _around(boxes: Quads) -> Array:
    corners, _ = tight_box(boxes.reshape(-1, 1, 2))
    return np.round(corners)


def _shared(before: Tile, after: Tile, ours: Array, theirs: Array) -> list[tuple[int, int]]:
    """Which boxes of two neighbours are the same text, as far as the zone shows that both have seen."""
    zone = np.array(
        [
            [after.left, after.top],
            [before.right, after.top],
            [before.right, before.bottom],
            [after.left, before.bottom],
        ],
        np.float32,
    )
    seen = [
        [(k, part) for k, box in enumerate(boxes) if (part := _inside(box, zone)) is not None]
        for boxes in (ours, theirs)
    ]
    return [(i, j) for i, one in seen[0] for j, other in seen[1] if _is_same(one, other)]


def _inside(box: Array, zone: Quad) -> Array | None:
    """The part of a box that lies in a zone; None: nothing of it does."""
    if (box.max(axis=0) <= zone[0]).any() or (box.min(axis=0) >= zone[2]).any():
        return None
    area, part = cv2.intersectConvexConvex(box.astype(np.float32), zone)
    return part if area > 0 and part is not None else None


def _is_same(one: Array, other: Array) -> bool:
    (a_low, a_high), (b_low, b_high) = ((part.min(axis=(0, 1)), part.max(axis=(0, 1))) for part in (one, other))
    if (a_low >= b_high).any() or (b_low >= a_high).any():
        return False
    area, _ = cv2.intersectConvexConvex(one, other)
    return bool(area >= _SAME * min(cv2.contourArea(one), cv2.contourArea(other)))
