"""The arrays that operations take and give, and the checks and limits they share."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from paddle_serving_client.errors import BadInput, TooLarge
from paddle_serving_client.message import Array, describe

ImageU8: TypeAlias = NDArray[np.uint8]
"""(H, W, 3), 0..255, BGR where nothing else is said."""
Float32: TypeAlias = NDArray[np.float32]
"""Any shape and range; the operation says which."""
Quad: TypeAlias = NDArray[np.float32]
"""(4, 2), corners (x, y) in pixels: top left, top right, bottom right, bottom left of the text inside."""

MAX_PIXELS = 50_000_000
"""Of a decoded or resized picture: 150 MB as BGR. A phone takes 12 to 50 million."""
MAX_SIDE = 16_384
"""Pixels. libwebp ends at 16,383; longer sides are panoramas, or somebody trying."""
MAX_ASPECT = 200
"""Longest side over shortest."""


def new_input(shape: tuple[int, ...], kind: DTypeLike) -> NDArray[Any]:
    """Memory for what a model will read, not filled: where it reads it, if somebody has said where that is."""
    return _new_input(shape, kind)


def put_inputs_in(memory: Callable[[tuple[int, ...], DTypeLike], NDArray[Any]]) -> None:
    """Say where what is made for a model is put from now on, in this process: a server puts it where its engines read.

    Args:
        memory: called as `numpy.empty(shape, dtype)`, from any thread.
    """
    global _new_input
    _new_input = memory


_new_input: Callable[[tuple[int, ...], DTypeLike], NDArray[Any]] = np.empty


def require_hwc(image: Array, what: str) -> None:
    """Refuse what is not a picture with channels last.

    Raises:
        BadInput: `image` has not three axes, or one is empty.
    """
    if image.ndim != 3 or 0 in image.shape:
        raise BadInput(f"{what} needs a picture (H, W, C), got {describe(image)}")


def require_size(width: int, height: int, what: str) -> None:
    """Refuse a picture that is empty or too large, before memory is taken for it.

    Raises:
        BadInput: a side is 0.
        TooLarge: over `MAX_PIXELS`, `MAX_SIDE` or `MAX_ASPECT`.
    """
    if width < 1 or height < 1:
        raise BadInput(f"{what} is {width}x{height} pixels; both sides must be at least 1")
    if width * height > MAX_PIXELS:
        raise TooLarge(f"{what} is {width}x{height} pixels; at most {MAX_PIXELS:,} pixels are read")
    if max(width, height) > MAX_SIDE:
        raise TooLarge(f"{what} is {width}x{height} pixels; a side may have at most {MAX_SIDE:,}")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise TooLarge(f"{what} is {width}x{height} pixels; one side may be at most {MAX_ASPECT} times the other")
