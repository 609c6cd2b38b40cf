"""What the file of a pipeline calls: the part of `WebService` that makes one a pipeline."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from paddle_serving_client.errors import BadConfig
from paddle_serving_server.graph.pipeline import config
from paddle_serving_server.graph.pipeline.op import Op, RequestOp, ResponseOp
from paddle_serving_server.graph.pipeline.pipeline import Pipeline
from paddle_serving_server.user_code import hosting

if TYPE_CHECKING:  # only for types: this module is imported by that one
    from paddle_serving_server.services.web_service import WebService


class PipelineService:
    """A service that may be a pipeline."""

    name: str
    pipeline: Pipeline | None = None
    """None while this is no pipeline."""
    origin: tuple[str, tuple[str, ...]] | None = None
    """The file that makes this service, and its arguments; None: none that is known."""

    @property
    def is_pipeline(self) -> bool:
        """Whether this is a pipeline, which unpacks calls of PipelineService itself."""
        return self.pipeline is not None

    def get_pipeline_response(self, read_op: RequestOp) -> Op | None:
        """Make the ops of a pipeline; a subclass that is one writes this.

        Args:
            read_op: what stands in front of the first op.

        Returns:
            The last op.
        """
        return None

    def prepare_pipeline_config(
        self, yml_file: str | Path | None = None, yml_dict: Mapping[str, Any] | None = None
    ) -> None:
        """Make this service a pipeline: read its settings from config.yml, or from what stands in such a file.

        Raises:
            BadConfig: a setting or the ops cannot be; the text says which. A script that runs by itself ends with it.
        """
        with hosting.complaints():
            last = self.get_pipeline_response(RequestOp())
            if not isinstance(last, Op):
                got = type(last).__name__
                raise BadConfig(f"get_pipeline_response of {self.name!r} must return its last op, got {got}")
            self.pipeline = Pipeline(self.name, ResponseOp(input_ops=[last]), config.read(yml_file, yml_dict))

    def run_service(self) -> None:
        """Serve a pipeline until stopped, on the ports of its config; hosted: hand it to that server and return."""
        if self.pipeline is None:
            raise BadConfig(f"call prepare_pipeline_config() before run_service() on {self.name!r}")
        if hosting.is_hosted():
            hosting.collect(cast("WebService", self))
            return
        hosting.become_server(self.pipeline.flags)
