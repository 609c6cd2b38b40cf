"""Joints of a person: the picture of one brought into the input of a network, and its heat maps to points."""

from collections.abc import Sequence

import cv2
import numpy as np

from paddle_serving_app.ops.arrays import Float32, require_hwc, require_size
from paddle_serving_client.errors import BadConfig, BadInput
from paddle_serving_client.message import Array, describe

_LEAST = 1e-10
_BLUR = 3


class WholeInto:
    """Turn a picture into the input of a keypoint network: all of it, in the middle, as wide as the input.

    Args:
        size: (width, height) of the input.
        use_udp: whether the network was trained with unbiased coordinates, from the middle of a pixel to that of
            another; the picture is then stretched to the size.

    Call with (H, W, 3), not modified; returns a new array of that type.

    Source: PaddlePaddle/PaddleX 3.7 `TopDownEvalAffine` for a picture of one person; equal.
    """

    def __init__(self, size: Sequence[int], use_udp: bool = False) -> None:
        if len(size) != 2 or min(size) < 2:
            raise BadConfig(f"WholeInto needs (width, height), at least 2 each; got {size}")
        self.size = (int(size[0]), int(size[1]))
        self.use_udp = use_udp

    def __call__(self, img: Array) -> Array:
        require_hwc(img, "WholeInto")
        require_size(*self.size, "the input of the network")
        there = self._matrix(img.shape[1], img.shape[0])
        return np.asarray(cv2.warpAffine(np.ascontiguousarray(img), there, self.size, flags=cv2.INTER_LINEAR))

    def _matrix(self, width: int, height: int) -> Array:
        """From pixels of the picture to those of the input, (2, 3)."""
        if self.use_udp:
            across, down = (self.size[0] - 1.0) / width, (self.size[1] - 1.0) / height
            # The middle of what is looked at is the middle of the picture, counted in whole pixels.
            return np.array([[across, 0, 0], [0, down, 0]], np.float32)
        return _to_middle(width, height, self.size)

    def __repr__(self) -> str:
        return f"WholeInto({self.size}, use_udp={self.use_udp})"


class JointsOfHeatmaps:
    """The points of heat maps: the hottest pixel, moved by the slopes around it.

    Call with heat maps (J, h, w) float of one picture, and the picture's (width, height).
    Returns (J, 3) float32: x, y in pixels of the picture, and how hot.

    Source: PaddlePaddle/PaddleX 3.7 `KptPostProcess`, which follows DarkPose; equal within 0.01 pixels.
    """

    def __call__(self, heat: Float32, width: int, height: int) -> Float32:
        if heat.ndim != 3 or 0 in heat.shape or heat.dtype.kind != "f":
            raise BadInput(f"heat maps are [joints, height, width], got {describe(heat)}")
        high, wide = heat.shape[1:]
        flat = heat.reshape(len(heat), -1)
        best, most = flat.argmax(axis=1), flat.max(axis=1)
        points = np.stack([best % wide, best // wide], axis=1).astype(np.float32) * (most > 0)[:, None]
        for joint, surface in enumerate(_smooth(heat)):
            points[joint] += _slope(surface, *points[joint].astype(int).tolist())
        back = cv2.invertAffineTransform(_to_middle(width, height, (wide, high)))
        placed = points.astype(np.float64) @ back[:, :2].T + back[:, 2]
        return np.concatenate([placed, most[:, None]], axis=1).astype(np.float32)

    def __repr__(self) -> str:
        return "JointsOfHeatmaps()"


def _to_middle(width: int, height: int, size: tuple[int, int]) -> Array:
    """Scaled by the widths, with the middles on each other."""
    scale = size[0] / width
    return np.array(
        [[scale, 0, size[0] / 2 - scale * width / 2], [0, scale, size[1] / 2 - scale * height / 2]], np.float64
    )


def _smooth(heat: Float32) -> Array:
    """The logarithm of blurred maps, each as hot as before."""
    border = (_BLUR - 1) // 2
    smooth = np.empty_like(heat, np.float64)
    for k, surface in enumerate(heat):
        framed = np.pad(surface.astype(np.float64), border)
        blurred = cv2.GaussianBlur(framed, (_BLUR, _BLUR), 0)[border:-border, border:-border]
        smooth[k] = blurred * (surface.max() / (blurred.max() or 1.0))
    return np.log(np.maximum(smooth, _LEAST))


def _slope(surface: Array, x: int, y: int) -> Array:
    """How far the top of the surface is from a pixel, from its first and second derivatives there."""
    high, wide = surface.shape
    if not (1 < x < wide - 2 and 1 < y < high - 2):
        return np.zeros(2)
    s = surface
    first = 0.5 * np.array([s[y, x + 1] - s[y, x - 1], s[y + 1, x] - s[y - 1, x]])
    across = 0.25 * (s[y, x + 2] - 2 * s[y, x] + s[y, x - 2])
    both = 0.25 * (s[y + 1, x + 1] - s[y - 1, x + 1] - s[y + 1, x - 1] + s[y - 1, x - 1])
    down = 0.25 * (s[y + 2, x] - 2 * s[y, x] + s[y - 2, x])
    if across * down - both**2 == 0:
        return np.zeros(2)
    return np.asarray(-np.linalg.solve(np.array([[across, both], [both, down]]), first))
