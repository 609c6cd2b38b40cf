"""Masks of single things: at the size of their picture, and painted over it."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from paddle_serving_app.ops.arrays import MAX_PIXELS, ImageU8, require_hwc
from paddle_serving_client.errors import BadInput, TooLarge
from paddle_serving_client.message import Array, describe

MAX_MASK_PIXELS = 8 * MAX_PIXELS
"""Of all masks of a picture together."""
_COLORS = ((231, 76, 60), (52, 152, 219), (39, 174, 96), (243, 156, 18), (155, 89, 182), (22, 160, 133))


def whole_masks(masks: Array, width: int, height: int) -> NDArray[np.uint8]:
    """Masks as a model gives them, at the size of the picture.

    Args:
        masks: (K, h, w) numbers; what is above 0 belongs to the thing. Of masks that are larger than the picture, as
            those of one that was filled up, what is beyond is cut off.
        width, height: of the picture.

    Returns:
        (K, height, width) uint8, 0 or 255.

    Raises:
        BadInput: other shapes, or smaller than the picture. TooLarge: over `MAX_MASK_PIXELS` together.
    """
    if masks.ndim != 3 or masks.dtype.kind not in "fiub" or masks.shape[1] < height or masks.shape[2] < width:
        raise BadInput(f"masks are [K, H, W], H and W at least {height} and {width}, got {describe(masks)}")
    if len(masks) * masks.shape[1] * masks.shape[2] > MAX_MASK_PIXELS:
        raise TooLarge(f"{len(masks)} masks of {width}x{height} pixels are too many; raise the threshold")
    return np.asarray((masks[:, :height, :width] > 0) * np.uint8(255), np.uint8)


def paint_masks(image: ImageU8, masks: Sequence[Array], classes: Sequence[int], opacity: float = 0.45) -> ImageU8:
    """A picture (H, W, 3) with masks painted over it, of any size, each class in a colour; a new array."""
    require_hwc(image, "paint_masks")
    painted = image.copy()
    for mask, kind in zip(masks, classes, strict=True):
        fitted = cv2.resize(np.asarray(mask), (image.shape[1], image.shape[0]), interpolation=cv2.INTER_NEAREST)
        inside = fitted > 0
        paint = np.array(_COLORS[kind % len(_COLORS)][::-1], np.float32)
        painted[inside] = (painted[inside] * (1 - opacity) + paint * opacity).astype(np.uint8)
    return painted
