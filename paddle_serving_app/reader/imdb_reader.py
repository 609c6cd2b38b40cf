"""The name of Paddle Serving's module for film reviews; see `ops.text_readers`."""

from paddle_serving_app.ops.text_readers import (
    IMDBDataset,
)

__all__ = [
    "IMDBDataset",
]
