"""Resizing pictures, with a limit on what comes out."""

from collections.abc import Sequence

import cv2
import numpy as np

from paddle_serving_app.ops.arrays import MAX_PIXELS, require_hwc
from paddle_serving_client.errors import BadConfig, TooLarge
from paddle_serving_client.message import Array


def resized(image: Array, width: int, height: int, interpolation: int = cv2.INTER_LINEAR) -> Array:
    """`cv2.resize` that refuses to make more than `MAX_PIXELS`.

    Args:
        image: (H, W, C), uint8 or float32. Not modified.
        width, height: of the result, in pixels.

    Returns:
        (height, width, C), a new array; a single channel keeps its axis.

    Raises:
        TooLarge: the result would have more than `MAX_PIXELS`.
    """
    if width * height > MAX_PIXELS:
        raise TooLarge(
            f"a picture of {image.shape[1]}x{image.shape[0]} pixels would have to be resized to {width}x{height}; "
            f"at most {MAX_PIXELS:,} pixels are made"
        )
    result: Array = cv2.resize(
        np.ascontiguousarray(image), (max(width, 1), max(height, 1)), interpolation=interpolation
    )
    return result if result.ndim == image.ndim else result[:, :, None]


class Resize:
    """Resize a picture to a size, or its shorter side to a length.

    Args:
        size: (width, height), the exact result; or one number, the length of the shorter side.
        max_size: largest width and height; of one number, the longer side's largest, to which both are scaled down.
        interpolation: a constant of OpenCV. None, and also INTER_NEAREST because it is 0, mean bilinear, as ever.

    Call with (H, W, C) uint8 or float32, not modified; returns a new array of that type.

    Raises:
        BadInput: not a picture.
        TooLarge: see `resized`.

    Source: PaddlePaddle/Serving, paddle_serving_app/reader/functional.py `resize`; equal, also between OpenCV
        3.4, which it used, and 5.0.
    """

    def __init__(self, size: int | Sequence[int], max_size: int = 2147483647, interpolation: int | None = None) -> None:
        sizes = [size] if isinstance(size, int) else list(size)
        if len(sizes) not in (1, 2) or min(sizes) < 1 or max_size < 1:
            raise BadConfig(
                f"Resize needs a length or (width, height), at least 1 each; got {size}, at most {max_size}"
            )
        self.size = size
        self.max_size = max_size
        self.interpolation = interpolation

    def __call__(self, img: Array) -> Array:
        require_hwc(img, "Resize")
        return resized(img, *self._size_for(img.shape[1], img.shape[0]), self.interpolation or cv2.INTER_LINEAR)

    def _size_for(self, width: int, height: int) -> tuple[int, int]:
        if not isinstance(self.size, int):
            wide, high = self.size
            return min(wide, self.max_size), min(high, self.max_size)
        scale = self.size / min(width, height)
        if round(scale * max(width, height)) > self.max_size:
            scale = self.max_size / max(width, height)
        return round(width * scale), round(height * scale)

    def __repr__(self) -> str:
        names = {None: "None", cv2.INTER_LINEAR: "cv2.INTER_LINEAR"}
        how = names.get(self.interpolation, str(self.interpolation))
        return f"Resize(size={self.size}, max_size={self.max_size}, interpolation={how})"


class ResizeByFactor:
    """Shrink a picture so that both sides are multiples of a number that a network wants.

    A side that is no multiple loses its remainder and one `factor` more; none falls below `factor`.

    Args:
        factor: that number. The original shortened the height by 32 whatever the factor, and so does this.
        max_side_len: the longer side is first scaled down to this, in pixels.

    Call with (H, W, C) uint8 or float32, not modified; returns a new array of that type.

    Source: PaddlePaddle/Serving, paddle_serving_app/reader/image_reader.py `ResizeByFactor`; equal. Where a
        side became 0 it returned (None, (None, None)) or ended the process; here it is `factor`.
    """

    def __init__(self, factor: int = 32, max_side_len: int = 2400) -> None:
        if factor < 1 or max_side_len < 1:
            raise BadConfig(f"ResizeByFactor needs positive numbers, got {factor} and {max_side_len}")
        self.factor = factor
        self.max_side_len = max_side_len

    def __call__(self, img: Array) -> Array:
        require_hwc(img, "ResizeByFactor")
        height, width = img.shape[:2]
        longest = max(height, width)
        ratio = float(self.max_side_len) / longest if longest > self.max_side_len else 1.0
        return resized(img, self._shortened(int(width * ratio), self.factor), self._shortened(int(height * ratio), 32))

    def _shortened(self, side: int, step: int) -> int:
        if side and side % self.factor == 0:
            return side
        if side // self.factor <= 1:
            return self.factor
        return max((side // step - 1) * step, self.factor)

    def __repr__(self) -> str:
        return f"ResizeByFactor(factor={self.factor}, max_side_len={self.max_side_len})"


class LimitSideLen:
    """Resize a picture for text detection: one side to a limit, then both to multiples of 32.

    Args:
        limit_side_len: in pixels.
        limit_type: "min" enlarges a picture whose shorter side is below the limit; "max" shrinks one whose longer
            side is above it.
        max_pixels: a result that would be larger is scaled down to about this. Only long, narrow pictures are, more
            than 8 times as long as wide; without a limit a strip of 50 x 750 pixels took 3 GB in the network.

    Call with (H, W, C) uint8 or float32, not modified; returns a new array of that type, sides at least 32.

    Source: PaddlePaddle/PaddleOCR, ppocr/data/imaug/operators.py `DetResizeForTest`; equal up to `max_pixels`, but
        that a side is never rounded to 0.
    """

    def __init__(self, limit_side_len: int = 736, limit_type: str = "min", max_pixels: int = 4_500_000) -> None:
        if limit_type not in ("min", "max") or limit_side_len < 32:
            raise BadConfig(f"LimitSideLen needs at least 32 and 'min' or 'max', got {limit_side_len}, {limit_type!r}")
        self.limit_side_len = limit_side_len
        self.limit_type = limit_type
        self.max_pixels = max_pixels

    def __call__(self, img: Array) -> Array:
        require_hwc(img, "LimitSideLen")
        height, width = img.shape[:2]
        side = min(height, width) if self.limit_type == "min" else max(height, width)
        is_beyond = side < self.limit_side_len if self.limit_type == "min" else side > self.limit_side_len
        ratio = float(self.limit_side_len) / side if is_beyond else 1.0
        if width * height * ratio * ratio > self.max_pixels:
            ratio = (self.max_pixels / (width * height)) ** 0.5
        return resized(img, _to_32(int(width * ratio)), _to_32(int(height * ratio)))

    def __repr__(self) -> str:
        return f"LimitSideLen({self.limit_side_len}, {self.limit_type!r})"


def _to_32(side: int) -> int:
    return max(round(side / 32) * 32, 32)
