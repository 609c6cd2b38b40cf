"""PipelineServer: a pipeline whose ends are made by hand, under the name of Paddle Serving."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paddle_serving_client.errors import BadConfig
from paddle_serving_server.graph.pipeline import config
from paddle_serving_server.graph.pipeline.op import ResponseOp
from paddle_serving_server.graph.pipeline.pipeline import Pipeline
from paddle_serving_server.services import pipeline_service
from paddle_serving_server.services.pipeline_service import PipelineService
from paddle_serving_server.user_code import hosting


class PipelineServer:
    """Serve the graph that ends in a `ResponseOp`.

    Example:
        server = PipelineServer("imdb")
        server.set_response_op(ResponseOp(input_ops=[last_op]))
        server.prepare_server("config.yml")
        server.run_server()
    """

    def __init__(self, name: str | None = None) -> None:
        """Make a server; without a name it is called `pipeline`."""
        self._name = name or "pipeline"
        self._service: PipelineService | None = None
        self._response: ResponseOp | None = None

    def set_response_op(self, response_op: ResponseOp) -> None:
        """Say where the graph ends."""
        if not isinstance(response_op, ResponseOp):
            raise BadConfig(f"Failed to set response_op: expected a ResponseOp, got {type(response_op).__name__}")
        self._response = response_op

    def prepare_server(self, yml_file: str | Path | None = None, yml_dict: Mapping[str, Any] | None = None) -> None:
        """Read the settings, as `WebService.prepare_pipeline_config`."""
        with hosting.complaints():
            if self._response is None:
                raise BadConfig("call set_response_op() before prepare_server()")
            pipeline = Pipeline(self._name, self._response, config.read(yml_file, yml_dict))
            self._service = PipelineService(self._name, pipeline)

    def run_server(self) -> None:
        """Serve until stopped, as `WebService.run_service`."""
        if self._service is None:
            raise BadConfig(f"call prepare_server() before run_server() on {self._name!r}")
        pipeline_service.host(self._service)
