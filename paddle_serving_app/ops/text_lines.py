"""Pictures of lines as the inputs of a recognition network, and what it reads in them put together again.

A network that was trained on short lines reads long ones badly, and takes more time for each letter of them: long
lines are cut where there is nothing between two words.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from paddle_serving_app.ops.arrays import Float32, ImageU8
from paddle_serving_app.ops.ocr import normalized_line
from paddle_serving_client.message import Array

NARROWEST, WIDEST = 320, 1280
"""Pixels: the input of one line or piece has at least, and at most, this width."""
BATCH = 6
"""Lines that are read together; they are sorted by length first, so that little is wasted on filling up."""
_SPACE = 0.2
"""Part of the line's height from which a gap between two Latin letters is a space."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A line, or a part of one."""

    line: int
    image: ImageU8
    length: float
    """Width over height."""
    after_space: bool


class LineBatches:
    """Lines in groups of like length.

    Args:
        lines: pictures (h, w, 3) uint8, BGR, upright.
        height: of the network's input, in pixels.
        most_columns: the width of all inputs together that is read at most, in pixels; lines that come behind it, in
            the order of `lines`, are not read: they are ("", 0.0).
    """

    def __init__(self, lines: Sequence[ImageU8], height: int = 48, most_columns: int = 1 << 62) -> None:
        self._count = len(lines)
        self._height = height
        self._pieces: list[_Piece] = []
        for k, line in enumerate(lines):
            pieces = list(_cut(k, line, height))
            most_columns -= sum(max(int(height * piece.length), NARROWEST) for piece in pieces)
            if most_columns < 0:
                break
            self._pieces += pieces
        by_length = np.argsort([piece.length for piece in self._pieces]).tolist()
        self._groups = [by_length[k : k + BATCH] for k in range(0, len(by_length), BATCH)]

    def inputs(self) -> Iterator[Float32]:
        """The inputs, (N, 3, height, W) float32, one after the other."""
        for group in self._groups:
            longest = max(NARROWEST / self._height, *(self._pieces[n].length for n in group))
            width = int(self._height * longest)
            yield np.stack([normalized_line(self._pieces[n].image, self._height, width) for n in group])

    def joined(self, read: Sequence[Sequence[tuple[str, float]]]) -> list[tuple[str, float]]:
        """What each line says, and how sure that is.

        Args:
            read: for each of `inputs` the text and score of each row, as `ctc_decode` gives them.
        """
        parts: list[list[tuple[int, str, float]]] = [[] for _ in range(self._count)]
        for group, texts in zip(self._groups, read, strict=True):
            for n, (text, score) in zip(group, texts, strict=True):
                if text:
                    parts[self._pieces[n].line].append((n, text, score))
        return [self._whole(sorted(of_line)) for of_line in parts]

    def _whole(self, parts: Sequence[tuple[int, str, float]]) -> tuple[str, float]:
        """The text of a line, and the mean score of its letters."""
        if len(parts) == 1:
            return parts[0][1:]
        whole, total, letters = "", 0.0, 0
        for n, text, score in parts:
            is_space = whole and self._pieces[n].after_space and whole[-1].isascii() and text[0].isascii()
            whole += " " + text if is_space else text
            total += score * len(text)
            letters += len(text)
        return whole, total / max(letters, 1)


def _cut(k: int, line: ImageU8, height: int) -> Iterator[_Piece]:
    """The pieces of a line that are not longer than the widest input, cut in the widest gap near their end."""
    high, wide = line.shape[:2]
    longest = max(int(WIDEST * high / height), 1)
    if wide <= longest:
        yield _Piece(k, line, wide / high, False)
        return
    is_blank = _blank_columns(line)
    start, after_space = 0, False
    while wide - start > longest:
        # Not a short rest: what is left is cut in equal parts.
        count = -(-(wide - start) // longest)
        ideal = start + (wide - start) // count
        low, high_end = max(ideal - longest // 4, start + 1), min(start + longest, wide - 1)
        stop, gap = _widest_gap(is_blank[low:high_end])
        stop += low
        yield _Piece(k, line[:, start:stop], (stop - start) / high, after_space)
        start, after_space = stop, gap >= _SPACE * high
    yield _Piece(k, line[:, start:], (wide - start) / high, after_space)


def _blank_columns(line: ImageU8) -> Array:
    """For each column whether it holds no part of a letter: hardly anything differs in it from top to bottom."""
    inner = line[line.shape[0] // 8 : -(line.shape[0] // 8) or None]
    contrast = (inner.max(axis=0).astype(np.int16) - inner.min(axis=0)).max(axis=1)
    return np.asarray(contrast <= np.percentile(contrast, 95) * 0.25)


def _widest_gap(is_blank: Array) -> tuple[int, int]:
    """(the middle, the width) of the longest run of blank columns; without one (the middle of all, 0)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], is_blank.astype(np.int8), [0]))))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return len(is_blank) // 2, 0
    best = int(np.argmax(ends - starts))
    return int(starts[best] + ends[best]) // 2, int(ends[best] - starts[best])
