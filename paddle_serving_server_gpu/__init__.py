"""The name that Paddle Serving's server had where it was built for GPUs: one server runs on both now."""

from typing import Any

import paddle_serving_server

__version__ = paddle_serving_server.__version__


def __getattr__(name: str) -> Any:
    """What `paddle_serving_server` has."""
    return getattr(paddle_serving_server, name)
