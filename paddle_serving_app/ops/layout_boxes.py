"""Boxes of a detector, as PaddleX keeps them: thresholds, and the rules for the parts of a page.

Rows are (class, score, x1, y1, x2, y2), float, in pixels of the picture as it came; with 7 or 8 columns the rest is the
place in reading order, with 10 the corners of a turned box follow the score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import numpy as np

from paddle_serving_app.ops.boxes import MAX_BOXES
from paddle_serving_app.ops.reading_order import reading_order
from paddle_serving_client.errors import BadConfig, BadInput, TooLarge
from paddle_serving_client.message import Array, describe

Merge: TypeAlias = Literal["union", "large", "small"]
"""Of boxes inside each other: all are kept, the outer ones, or the inner ones."""
Order: TypeAlias = Literal["model", "score", "reading"]
Unclip: TypeAlias = tuple[float, float]
"""Factors of width and height."""

PLAIN, TURNED = 6, 10
_COLUMNS: Final = (PLAIN, 7, 8, TURNED)
_OTHERS = 0.5
"""The threshold of classes that a mapping of thresholds does not name."""
_SAME, _DIFFERENT = 0.6, 0.98
"""Overlap from which the less sure of two boxes is dropped: of one class, of two."""
_INSIDE = 0.9
"""Part of a box from which it lies inside another."""
_WIDE_PAGE, _HIGH_PAGE = 0.82, 0.93
"""Part of the page from which a box of class "image" is the page itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxRules:
    """What is kept of a detector's boxes.

    The order is: threshold, overlap, whole pages, boxes inside boxes, reading order, growing, cutting at the edge.

    Source: PaddlePaddle/PaddleX 3.7 `DetPostProcess`; the same boxes.
    """

    labels: Sequence[str]
    """The name of each class, from 0."""
    threshold: float | Mapping[int, float] = 0.5
    """A box is kept whose score is above; or one for each class, 0.5 for those that are not named."""
    nms: bool = False
    """Whether of boxes that lie on each other the surest is kept."""
    unclip: Unclip | Mapping[int, Unclip] | None = None
    """How far boxes are grown; by class where it is a mapping."""
    merge: Merge | Mapping[int, Merge] | None = None
    """What becomes of boxes inside each other; by class where it is a mapping."""

    order: Order = "model"
    """Of the boxes: that of the model (where it gives places in reading order, these), the surest first, or that in
    which a page is read."""

    def __post_init__(self) -> None:
        """Check what is chosen by a word."""
        for word in self.merge.values() if isinstance(self.merge, Mapping) else [self.merge or "union"]:
            if word not in get_args(Merge):
                raise BadConfig(f"boxes inside each other are treated as {', '.join(get_args(Merge))}; got {word!r}")

    def kept(self, rows: Array) -> Array:
        """The indices of the rows that are above their threshold, as (K,) integers.

        Raises:
            BadInput: not such rows, a value that is not finite, or a class without a label. TooLarge: too many.
        """
        require_columns(rows, len(self.labels))
        classes, scores = rows[:, 0].astype(int), rows[:, 1]
        if isinstance(self.threshold, Mapping):
            least = np.array([self.threshold.get(int(k), _OTHERS) for k in classes], np.float32)
            found = np.flatnonzero((scores > least) & (rows[:, 0] > -1))
            return found[np.argsort(classes[found], kind="stable")]  # class by class, as it always was
        return np.flatnonzero((scores > self.threshold) & (rows[:, 0] > -1))

    def __call__(self, rows: Array, width: int, height: int) -> Array:
        """The boxes that are answered, of a picture of this size; plain ones that end up empty are dropped.

        Returns:
            (K, 6) or (K, 10) float32.
        """
        rows = np.asarray(rows)
        rows = rows[self.kept(rows)].astype(np.float32, copy=False)
        if len(rows) and self.nms and rows.shape[1] != TURNED:
            rows = rows[_without_overlap(rows)]
        if len(rows) > 1 and rows.shape[1] != TURNED:
            rows = self._without_page(rows, width, height)
        if len(rows) and self.merge and rows.shape[1] != TURNED:
            rows = rows[self._outside_each_other(rows)]
        if rows.shape[1] in (7, 8):
            rows = in_order(rows)
        if self.order == "score":
            rows = rows[np.argsort(-rows[:, 1], kind="stable")]
        if self.order == "reading" and rows.shape[1] == PLAIN:
            rows = rows[reading_order(rows[:, 2:])]
        if rows.shape[1] == TURNED:
            turned = rows.copy()
            turned[:, 2:] = np.clip(rows[:, 2:], 0, np.tile([width, height], 4))
            return turned
        return _cut(self._grown(rows), width, height)

    def _without_page(self, rows: Array, width: int, height: int) -> Array:
        """Without boxes of class "image" that are the page itself, unless there is nothing else."""
        if "image" not in self.labels:
            return rows
        size = np.array([width, height, width, height], np.float32)
        corners = np.clip(rows[:, 2:6], 0, size)
        areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
        most = (_WIDE_PAGE if width > height else _HIGH_PAGE) * width * height
        is_page = (rows[:, 0] == list(self.labels).index("image")) & (areas > most)
        return rows if is_page.all() else rows[~is_page]

    def _outside_each_other(self, rows: Array) -> Array:
        """Which rows stay, by `merge`; a formula inside something else is a part of it, and stays."""
        classes = rows[:, 0].astype(int)
        inside = _inside(rows)  # [i, j]: i lies in j
        if "formula" in self.labels:
            formula = list(self.labels).index("formula")
            inside &= ~((classes == formula)[:, None] & (classes != formula)[None, :])
        if isinstance(self.merge, Mapping):
            stays = np.ones(len(rows), bool)
            for kind, word in self.merge.items():
                if word == "large":
                    stays &= _kept_of(inside & (classes == kind)[None, :], "large")
                elif word == "small":
                    stays &= _kept_of(inside & (classes == kind)[:, None], "small")
            return stays
        return _kept_of(inside, self.merge or "union")

    def _grown(self, rows: Array) -> Array:
        if not self.unclip or not len(rows):
            return rows
        by_class = self.unclip if isinstance(self.unclip, Mapping) else None
        factors = np.array(
            [by_class.get(int(k), (1.0, 1.0)) for k in rows[:, 0]] if by_class is not None else [self.unclip],
            np.float32,
        )
        sides = rows[:, 4:6] - rows[:, 2:4]
        middles = rows[:, 2:4] + sides / 2
        return np.concatenate([rows[:, :2], middles - sides * factors / 2, middles + sides * factors / 2], axis=1)


def require_columns(rows: Array, class_num: int) -> None:
    """Refuse what are no rows of boxes.

    Raises:
        BadInput: another shape, a value that is not finite, or a class from `class_num`. TooLarge: over `MAX_BOXES`.
    """
    if rows.ndim != 2 or rows.shape[1] not in _COLUMNS or rows.dtype.kind != "f":
        raise BadInput(f"boxes are rows of 6, 7, 8 or 10 numbers, got {describe(rows)}")
    if len(rows) > MAX_BOXES:
        raise TooLarge(f"there are {len(rows):,} boxes; at most {MAX_BOXES:,} are read")
    if not np.isfinite(rows).all():
        raise BadInput("the boxes have a value that is not finite")
    if len(rows) and rows[:, 0].max() >= class_num:
        raise BadInput(f"boxes have class {int(rows[:, 0].max())}, but there are labels for {class_num} classes only")


def in_order(rows: Array) -> Array:
    """Boxes in reading order, by their seventh column (and, of equals, the eighth, falling); (K, 6)."""
    by = np.argsort(rows[:, 6]) if rows.shape[1] == 7 else np.lexsort((-rows[:, 7], rows[:, 6]))
    return rows[by, :PLAIN]


def _without_overlap(rows: Array) -> list[int]:
    """The indices of what stays, the surest first."""
    waiting = np.argsort(rows[:, 1])[::-1]
    stays: list[int] = []
    while len(waiting):
        first, waiting = int(waiting[0]), waiting[1:]
        stays.append(first)
        most = np.where(rows[waiting, 0] == rows[first, 0], _SAME, _DIFFERENT)
        waiting = waiting[_overlap(rows[first, 2:6], rows[waiting, 2:6]) < most]
    return stays


def _overlap(box: Array, others: Array) -> Array:
    """Intersection over union, where a box covers its edge pixels, too."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.maximum(high - low + 1, 0).prod(axis=1)
    return np.asarray(shared / ((box[2:] - box[:2] + 1).prod() + (others[:, 2:] - others[:, :2] + 1).prod(1) - shared))


def _inside(rows: Array) -> Array:
    """(K, K): whether row i lies in row j."""
    low = np.maximum(rows[:, None, 2:4], rows[None, :, 2:4])
    high = np.minimum(rows[:, None, 4:6], rows[None, :, 4:6])
    areas = (rows[:, 4:6] - rows[:, 2:4]).prod(axis=1)
    shared = np.maximum(high - low, 0).prod(axis=2)
    part = np.divide(shared, areas[:, None], out=np.zeros_like(shared), where=areas[:, None] > 0)
    np.fill_diagonal(part, 0)
    return np.asarray(part >= _INSIDE)


def _kept_of(inside: Array, word: Merge) -> Array:
    lies_in_one, holds_one = inside.any(axis=1), inside.any(axis=0)
    if word == "large":
        return np.asarray(~lies_in_one)
    return np.asarray(~holds_one | lies_in_one) if word == "small" else np.ones(len(inside), bool)


def _cut(rows: Array, width: int, height: int) -> Array:
    """At the edge of the picture; what is then empty is dropped."""
    cut = rows[:, :PLAIN].copy()
    cut[:, 2:4] = np.maximum(cut[:, 2:4], 0)
    cut[:, 4:6] = np.minimum(cut[:, 4:6], [width, height])
    return cut[(cut[:, 4] > cut[:, 2]) & (cut[:, 5] > cut[:, 3])]
