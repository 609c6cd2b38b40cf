"""The names of Paddle Serving's module for detectors of PaddleDetection; see `ops.paddle_detection`."""

from paddle_serving_app.ops.paddle_detection import (
    Detection,
    Resize,
)

__all__ = [
    "Detection",
    "Resize",
]
