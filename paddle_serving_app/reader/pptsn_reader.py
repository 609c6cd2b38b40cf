"""The names of Paddle Serving's module for videos; see `reader`."""

from paddle_serving_app.reader import (
    Image2Array,
    Normalization,
    Sampler,
    Scale,
    TenCrop,
    VideoDecoder,
)

__all__ = [
    "Image2Array",
    "Normalization",
    "Sampler",
    "Scale",
    "TenCrop",
    "VideoDecoder",
]
