"""Steps of a `Sequential` that run as one, with equal results.

Between a picture of 8 bits and a network stand the same few steps nearly always: swap the channels, divide, normalise,
put the channels first. Each value of the result depends on one of 256 values of one channel, so the steps are asked
once what they make of each, and a picture then takes one look-up per value instead of a pass and a copy per step.
"""

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np

from paddle_serving_app.ops.arrays import Float32, ImageU8, new_input
from paddle_serving_client.message import Array

Step = Callable[[Any], Any]


class LookedUp:
    """Some steps that treat each value of a picture alone, and the step that puts the channels first.

    Call with what the first step takes. A uint8 (H, W, 3) picture is looked up: new float32 (3, H, W), equal bit by bit
    to what the steps give one after the other. Anything else goes through the steps.

    Args:
        pointwise: steps from (H, W, 3) to (H, W, 3), each value for itself but for channels that are swapped.
        swaps: whether together they reverse the channels.
        channels_first: the step behind them.
    """

    def __init__(self, pointwise: Sequence[Step], swaps: bool, channels_first: Step) -> None:
        self._steps = [*pointwise, channels_first]
        every_value = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(256, 1, 3)
        for step in pointwise:
            every_value = step(every_value)
        self._tables: list[Float32] = [np.ascontiguousarray(every_value[:, 0, c]) for c in range(3)]
        self._order = (2, 1, 0) if swaps else (0, 1, 2)

    def __call__(self, img: Any) -> Array:
        if not takes(img):
            for step in self._steps:
                img = step(img)
            return img  # type: ignore[no-any-return]
        result = new_input((3, *img.shape[:2]), np.float32)
        self.into(result, img)
        return result

    def into(self, result: Array, img: ImageU8) -> None:
        """Look up a picture, one that `takes` accepts, into an array of its shape, (3, H, W)."""
        planes = cv2.split(img)
        for k, (table, channel) in enumerate(zip(self._tables, self._order, strict=True)):
            cv2.LUT(planes[channel], table, dst=result[k])


def takes(img: Any) -> bool:
    """Whether something is a picture that can be looked up."""
    is_picture = isinstance(img, np.ndarray) and img.dtype == np.uint8 and img.ndim == 3
    return is_picture and img.shape[2] == 3 and img.size > 0
