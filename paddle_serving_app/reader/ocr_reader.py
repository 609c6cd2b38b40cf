"""The name of Paddle Serving's module for recognised text; see `reader`."""

from paddle_serving_app.reader import (
    OCRReader,
)

__all__ = [
    "OCRReader",
]
