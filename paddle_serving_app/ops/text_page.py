"""A picture brought to a size at which a text detector works well, and boxes taken back to the original."""

from dataclasses import dataclass

import cv2
import numpy as np

from paddle_serving_app.ops.arrays import Float32, ImageU8, require_hwc
from paddle_serving_app.ops.resize import resized
from paddle_serving_client.message import Array


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

    def in_original(self, boxes: Array) -> Float32:
        """Boxes (K, 4, 2) in pixels of `image`, as (K, 4, 2) float32 in pixels of the original, clipped to it."""
        moved = np.asarray(boxes, np.float32).reshape(-1, 4, 2) - np.array([0, self.bar], np.float32)
        scaled = moved * np.array([self.scale_x, self.scale_y], np.float32)
        return np.clip(scaled, 0, np.array([self.width, self.height], np.float32))


class FitTextPage:
    """Shrink what is too large, enlarge what is too small, and put bars above and below what is very wide.

    Args:
        max_side: the longer side is brought down to this, in pixels.
        min_side: the shorter side is then brought up to this. Resized sides become multiples of 32.
        max_aspect: a picture more than so many times as wide as it is high gets the bars.

    Call with (H, W, 3) uint8, BGR, not modified; returns a `TextPage`.

    Source: RapidAI/RapidOCR (rapidocr-paddle 1.4.5), main.py `preprocess` and `maybe_add_letterbox`; equal, but that a
        side is never rounded to 0 (which was an error there).
    """

    def __init__(self, max_side: int = 2000, min_side: int = 30, max_aspect: float = 8.0) -> None:
        self.max_side = max_side
        self.min_side = min_side
        self.max_aspect = max_aspect

    def __call__(self, image: ImageU8) -> TextPage:
        require_hwc(image, "FitTextPage")
        height, width = image.shape[:2]
        fitted = image
        if max(height, width) > self.max_side:
            fitted = _scaled(fitted, self.max_side / max(height, width))
        if (shortest := min(fitted.shape[:2])) < self.min_side:
            fitted = _scaled(fitted, self.min_side / shortest)
        high, wide = fitted.shape[:2]
        bar = self._bar(wide, high)
        if bar:
            fitted = np.asarray(
                cv2.copyMakeBorder(fitted, bar, bar, 0, 0, cv2.BORDER_CONSTANT, value=(0, 0, 0)), np.uint8
            )
        return TextPage(fitted, width, height, width / wide, height / high, bar)

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
