"""Pictures with bright bars, which `models.text_detector` takes for lines of text."""

import base64

import cv2
import numpy as np

from paddle_serving_app.ops.arrays import ImageU8

Bar = tuple[int, int, int, int]
"""x, y, width, height in pixels."""


def bars(*found: Bar, height: int = 256, width: int = 384) -> ImageU8:
    """White bars on black."""
    picture = np.zeros((height, width, 3), np.uint8)
    for x, y, wide, high in found:
        picture[y : y + high, x : x + wide] = 255
    return picture


def encoded(picture: ImageU8) -> bytes:
    """As base64 of a PNG file, which is what a client sends."""
    return base64.b64encode(cv2.imencode(".png", picture)[1].tobytes())
