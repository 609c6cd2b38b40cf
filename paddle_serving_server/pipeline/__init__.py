"""What files of pipelines import, under the names of Paddle Serving."""

import importlib
from typing import TYPE_CHECKING

from paddle_serving_server.graph.pipeline.handler import LocalServiceHandler
from paddle_serving_server.graph.pipeline.op import Op, RequestOp, ResponseOp

if TYPE_CHECKING:
    from paddle_serving_client.pipeline_client import PipelineClient

__all__ = ["LocalServiceHandler", "Op", "PipelineClient", "PipelineServer", "RequestOp", "ResponseOp"]
_ELSEWHERE = {
    "PipelineClient": "paddle_serving_client.pipeline_client",
    "PipelineServer": "paddle_serving_server.pipeline_server",
}


def __getattr__(name: str) -> object:
    """Import what lives elsewhere when it is asked for."""
    if name in _ELSEWHERE:
        return getattr(importlib.import_module(_ELSEWHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
