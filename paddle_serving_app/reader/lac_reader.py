"""The name of Paddle Serving's module for text; see `reader`."""

from paddle_serving_app.reader import (
    LACReader,
)

__all__ = [
    "LACReader",
]
