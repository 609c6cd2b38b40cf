"""Resizing and padding as exported models of the Paddle toolkits ask for it: to sizes in pixels, never by factors.

`Resize` and `DetectionResize` are Paddle Serving's; they sample other pixels where a side is rounded.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

from paddle_serving_app.ops.arrays import ImageU8, require_hwc, require_size
from paddle_serving_app.ops.resize import resized
from paddle_serving_client.errors import BadConfig, BadInput
from paddle_serving_client.message import Array

_SMALLEST_SUM = 64
"""Of width and height: a picture below is filled up to 32 x 32 first."""
_STEP = 32
_LIMITS = ("max", "min", "resize_long")


class FitResize:
    """Resize to a size, or into it.

    Args:
        size: (width, height), at least 1 each.
        keep_ratio: False: exactly that size. True: as large as fits, where the longer side of the picture is held
            against the longer one of `size`, whatever stands upright.
        multiple: both sides are then made multiples of this, by going up.
        interpolation: a constant of OpenCV; 0 means the nearest pixel here.

    Call with (H, W, C) uint8 or float32, not modified; returns an array of that type.

    Raises:
        BadInput: not a picture. TooLarge: see `resized`.

    Source: PaddlePaddle/PaddleX 3.7, `Resize` of its detectors and of semantic segmentation; equal.
    """

    def __init__(
        self, size: Sequence[int], keep_ratio: bool = False, multiple: int = 1, interpolation: int = cv2.INTER_LINEAR
    ) -> None:
        if len(size) != 2 or min(size) < 1 or multiple < 1:
            raise BadConfig(f"FitResize needs (width, height) and a multiple, at least 1 each; got {size}, {multiple}")
        self.size = tuple(size)
        self.keep_ratio = keep_ratio
        self.multiple = multiple
        self.interpolation = interpolation

    def __call__(self, img: Array) -> Array:
        require_hwc(img, "FitResize")
        width, height = self.size_for(img.shape[1], img.shape[0])
        if (width, height) == (img.shape[1], img.shape[0]):
            return img
        return resized(img, width, height, self.interpolation)

    def size_for(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) that a picture of this size gets."""
        wide, high = self.size
        if self.keep_ratio:
            scale = min(max(wide, high) / max(width, height), min(wide, high) / min(width, height))
            wide, high = round(width * scale), round(height * scale)
        return self._up(wide), self._up(high)

    def _up(self, side: int) -> int:
        return math.ceil(side / self.multiple) * self.multiple

    def __repr__(self) -> str:
        return f"FitResize({self.size}, keep_ratio={self.keep_ratio}, multiple={self.multiple})"


class PillowResize:
    """Resize by Pillow: the shorter side to a length, or to (width, height).

    Args:
        size: one number, or a pair.
        resample: a filter of Pillow: `Image.Resampling.BICUBIC`.

    Call with (H, W, 3) uint8, not modified; returns a new one. Pillow averages where it makes a picture smaller, which
    OpenCV does not: models that were trained with it are asked with it.
    """

    def __init__(self, size: int | Sequence[int], resample: int = Image.Resampling.BILINEAR) -> None:
        if min([size] if isinstance(size, int) else size) < 1:
            raise BadConfig(f"PillowResize needs a length or (width, height), at least 1 each; got {size}")
        self.size = size
        self.resample = resample

    def __call__(self, img: ImageU8) -> ImageU8:
        require_hwc(img, "PillowResize")
        if img.dtype != np.uint8:
            raise BadInput(f"PillowResize needs uint8, got {img.dtype}")
        if isinstance(self.size, int):
            scale = self.size / min(img.shape[:2])
            width, height = round(img.shape[1] * scale), round(img.shape[0] * scale)
        else:
            width, height = self.size
        require_size(width, height, "the resized picture")
        picture = Image.fromarray(np.ascontiguousarray(img)).resize((width, height), Image.Resampling(self.resample))
        return np.asarray(picture)

    def __repr__(self) -> str:
        return f"PillowResize({self.size}, {int(self.resample)})"


class PadTo:
    """Fill (H, W, C) up below and to the right with one colour.

    Args:
        size: (width, height) of the result.
        fill: a value for each channel, in the order of the picture.

    Returns new float32; a picture that has the size already is returned as it is.

    Raises:
        BadInput: the picture is larger.
    """

    def __init__(self, size: Sequence[int], fill: Sequence[float] = (127.5, 127.5, 127.5)) -> None:
        if len(size) != 2 or min(size) < 1 or len(fill) != 3:
            raise BadConfig(f"PadTo needs (width, height) and three values, got {size} and {fill}")
        self.size = tuple(size)
        self.fill = tuple(fill)

    def __call__(self, img: Array) -> Array:
        require_hwc(img, "PadTo")
        (width, height), (high, wide) = self.size, img.shape[:2]
        if (wide, high) == (width, height):
            return img
        if wide > width or high > height:
            raise BadInput(f"a picture of {wide}x{high} pixels is larger than the {width}x{height} it is padded to")
        require_size(width, height, "the padded picture")
        whole = np.empty((height, width, 3), np.float32)
        whole[:] = self.fill
        whole[:high, :wide] = img
        return whole

    def __repr__(self) -> str:
        return f"PadTo({self.size}, {self.fill})"


class TextResize:
    """Resize a picture for text detection.

    Args:
        limit_side_len: in pixels.
        limit_type: "min" enlarges a picture whose shorter side is below the limit, "max" shrinks one whose longer side
            is above it, "resize_long" brings the longer side to it. Both sides then become multiples of 32.
        max_side_limit: the longer side is at most this.
        exact: (height, width) in the place of all that.
        keep_ratio: with `exact`: the height, and the width that goes with it, up to a multiple of 32.

    Call with (H, W, 3) uint8, not modified. A picture whose sides add up to less than 64 is filled up first, see
    `padded`; the network's answer covers that.

    Source: PaddlePaddle/PaddleX 3.7 `DetResizeForTest`; equal.
    """

    def __init__(
        self,
        limit_side_len: int = 736,
        limit_type: str = "min",
        max_side_limit: int = 4000,
        exact: Sequence[int] | None = None,
        keep_ratio: bool = False,
    ) -> None:
        if limit_type not in _LIMITS or limit_side_len < 1 or max_side_limit < _STEP:
            raise BadConfig(
                f"TextResize needs a limit of at least 1, of type {', '.join(_LIMITS)}, and sides of at least {_STEP}; "
                f"got {limit_side_len}, {limit_type!r}, {max_side_limit}"
            )
        if exact is not None and (len(exact) != 2 or min(exact) < 1):
            raise BadConfig(f"TextResize needs (height, width), at least 1 each; got {exact}")
        self.limit_side_len = limit_side_len
        self.limit_type = limit_type
        self.max_side_limit = max_side_limit
        self.exact = exact
        self.keep_ratio = keep_ratio

    def __call__(self, img: ImageU8) -> Array:
        img = self.padded(img)
        width, height = self._size_for(img.shape[1], img.shape[0])
        return img if (height, width) == img.shape[:2] else resized(img, width, height)

    @staticmethod
    def padded(img: ImageU8) -> ImageU8:
        """A very small picture with zeros below and to the right, at least 32 x 32; any other as it is."""
        require_hwc(img, "TextResize")
        height, width, channels = img.shape
        if height + width >= _SMALLEST_SUM:
            return img
        whole = np.zeros((max(_STEP, height), max(_STEP, width), channels), np.uint8)
        whole[:height, :width] = img
        return whole

    def _size_for(self, width: int, height: int) -> tuple[int, int]:
        if self.exact is not None:
            high, wide = self.exact
            return (math.ceil(width * high / height / _STEP) * _STEP if self.keep_ratio else wide), high
        ratio = self._ratio_for(width, height)
        wide, high = int(width * ratio), int(height * ratio)
        if max(wide, high) > self.max_side_limit:
            ratio = float(self.max_side_limit) / max(wide, high)
            wide, high = int(wide * ratio), int(high * ratio)
        return max(round(wide / _STEP) * _STEP, _STEP), max(round(high / _STEP) * _STEP, _STEP)

    def _ratio_for(self, width: int, height: int) -> float:
        shorter, longer = min(width, height), max(width, height)
        if self.limit_type == "resize_long":
            return float(self.limit_side_len) / longer
        if self.limit_type == "min":
            return float(self.limit_side_len) / shorter if shorter < self.limit_side_len else 1.0
        return float(self.limit_side_len) / longer if longer > self.limit_side_len else 1.0

    def __repr__(self) -> str:
        said = f"{self.limit_side_len}, {self.limit_type!r}, {self.max_side_limit}"
        return f"TextResize({said if self.exact is None else f'exact={tuple(self.exact)}'})"
