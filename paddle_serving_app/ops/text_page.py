"""A picture brought to a size at which a text detector works well, and boxes taken back to the original."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from paddle_serving_app.ops.arrays import Float32, ImageU8, require_hwc
from paddle_serving_app.ops.resize import resized
from paddle_serving_app.ops.text_boxes import Quads
from paddle_serving_app.ops.text_tiles import Tile, along, joined
from paddle_serving_client.message import Array

LEGIBLE_SIDE = 736
"""Pixels. A page whose shorter side falls below this has small letters; what is shrunk is not shrunk further."""
OVERLAP = 256
"""Pixels that neighbouring tiles share: a line that one of them cuts is whole in the other, if it is not higher."""


@dataclass(frozen=True, slots=True)
class TextPage:
    """A picture made ready for text detection."""

    image: ImageU8
    """(H, W, 3), BGR: resized, and with black bars above and below where it was very wide."""
    width: int
    height: int
    """Of the original, in pixels."""
    scale_x: float
    scale_y: float
    """Pixels of the original in one pixel of `image`."""
    bar: int
    """Height of the bar above, in pixels of `image`."""
    tiles: tuple[Tile, ...]
    """What is given to the detector, one after the other: all of `image`, or parts of a strip that overlap."""

    def parts(self) -> list[ImageU8]:
        """The picture of each tile; views of `image`."""
        return [self.image[t.top : t.bottom, t.left : t.right] for t in self.tiles]

    def joined(self, found: Sequence[Quads]) -> Quads:
        """The boxes of each tile, in its own pixels, as those of `image`; what two tiles saw is one box."""
        return joined(self.tiles, found)

    def in_original(self, boxes: Array) -> Float32:
        """Boxes (K, 4, 2) in pixels of `image`, as (K, 4, 2) float32 in pixels of the original, clipped to it."""
        moved = np.asarray(boxes, np.float32).reshape(-1, 4, 2) - np.array([0, self.bar], np.float32)
        scaled = moved * np.array([self.scale_x, self.scale_y], np.float32)
        return np.clip(scaled, 0, np.array([self.width, self.height], np.float32))


class FitTextPage:
    """Shrink what is too large, enlarge what is too small, and put bars above and below what is very wide.

    A strip, such as a long screenshot, of which shrinking would leave a shorter side below `LEGIBLE_SIDE`, keeps its
    size, up to half of `max_side` across, and is cut into tiles.

    Args:
        max_side: the longer side, or that of a tile, is brought down to this, in pixels.
        min_side: the shorter side is then brought up to this. Resized sides become multiples of 32.
        max_aspect: a picture more than so many times as wide as it is high gets the bars.

    Call with (H, W, 3) uint8, BGR, not modified; returns a `TextPage`.

    Source: RapidAI/RapidOCR (rapidocr-paddle 1.4.5), main.py `preprocess` and `maybe_add_letterbox`; equal, but that a
        side is never rounded to 0 (which was an error there), and that it knew no tiles.
    """

    def __init__(self, max_side: int = 2000, min_side: int = 30, max_aspect: float = 8.0) -> None:
        self.max_side = max_side
        self.min_side = min_side
        self.max_aspect = max_aspect

    def __call__(self, image: ImageU8) -> TextPage:
        require_hwc(image, "FitTextPage")
        height, width = image.shape[:2]
        fitted = image
        if (ratio := self._ratio(width, height)) < 1:
            fitted = _scaled(fitted, ratio)
        if (shortest := min(fitted.shape[:2])) < self.min_side:
            fitted = _scaled(fitted, self.min_side / shortest)
        high, wide = fitted.shape[:2]
        bar = self._bar(min(wide, self.max_side), high)
        if bar:
            fitted = np.asarray(
                cv2.copyMakeBorder(fitted, bar, bar, 0, 0, cv2.BORDER_CONSTANT, value=(0, 0, 0)), np.uint8
            )
        tiles = along(wide, fitted.shape[0], self.max_side, OVERLAP)
        return TextPage(fitted, width, height, width / wide, height / high, bar, tiles)

    def _ratio(self, width: int, height: int) -> float:
        """By how much the picture is shrunk; 1 or more: not at all."""
        shorter, longer = sorted((width, height))
        whole = self.max_side / longer
        if whole < 1 and shorter * whole < min(LEGIBLE_SIDE, self.max_side / 2):
            return self.max_side / 2 / shorter
        return whole

    def _bar(self, width: int, height: int) -> int:
        if height > self.min_side and width <= self.max_aspect * height:
            return 0
        wanted = max(int(width / self.max_aspect), self.min_side) * 2
        return abs(wanted - height) // 2

    def __repr__(self) -> str:
        return f"FitTextPage({self.max_side}, {self.min_side}, {self.max_aspect})"


def _scaled(image: ImageU8, ratio: float) -> ImageU8:
    height, width = (max(round(int(side * ratio) / 32) * 32, 32) for side in image.shape[:2])
    return resized(image, width, height)
