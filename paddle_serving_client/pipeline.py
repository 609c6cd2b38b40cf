"""The import path of `PipelineClient` in Paddle Serving; ops of pipelines are in `paddle_serving_server.pipeline`."""

from paddle_serving_client.pipeline_client import PipelineClient

__all__ = ["PipelineClient"]
