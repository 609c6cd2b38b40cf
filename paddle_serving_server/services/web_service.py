"""WebService: what the file of a service calls, and subclasses.

Steps before and after a model make it a service of its own, ops a pipeline; without a subclass it serves a model as it
is.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paddle_serving_client.errors import BadConfig
from paddle_serving_server.graph.pipeline import config
from paddle_serving_server.graph.pipeline.op import Op, RequestOp, ResponseOp
from paddle_serving_server.graph.pipeline.pipeline import Pipeline
from paddle_serving_server.services import pipeline_service
from paddle_serving_server.services.pipeline_service import PipelineService
from paddle_serving_server.services.stepped_service import SteppedService
from paddle_serving_server.user_code import hosting


class WebService(SteppedService):
    """A service: `POST /NAME/prediction`.

    Attributes:
        kind: what a visitor is asked for: "numbers" (a form), "image" (a picture) or "json".
        title: one line for people.
        example: an instance that works, for the form: {"x": [...]}.
        file_input: the name under which an uploaded file or a raw image body arrives in an instance.
    """

    def __init__(self, name: str = "default_service") -> None:
        super().__init__(name)
        self.port = 9393
        self.thread_num = 4
        self._pipeline: PipelineService | None = None
        """What is served in its place, once it is made a pipeline."""

    # -- what a service file calls

    def load_model_config(
        self,
        server_config_dir_paths: str | Path | Sequence[str | Path] | Mapping[str, str | Path],
        client_config_path: str | Path | None = None,
    ) -> None:
        """Say which models the service needs.

        Args:
            server_config_dir_paths: one model, in any layout that `serve` takes; or several by name, where the first
                is the model between `preprocess` and `postprocess` and the others are called with `predict`.
            client_config_path: accepted as in Paddle Serving; the server folder's config says the same.

        Raises:
            BadConfig: there is nothing at a path; what is there is found out when it is loaded.
        """
        del client_config_path
        if isinstance(server_config_dir_paths, Mapping):
            folders = {name: str(path) for name, path in server_config_dir_paths.items()}
        elif isinstance(server_config_dir_paths, str | Path):
            folders = {"": str(server_config_dir_paths)}
        else:
            folders = {Path(path).name: str(path) for path in server_config_dir_paths}
        if not folders:
            raise BadConfig("load_model_config needs at least one model")
        self.set_models(folders)

    def prepare_server(
        self,
        workdir: str = "",
        port: int = 9393,
        device: str = "cpu",
        precision: str = "fp32",
        use_calib: bool = False,
        use_lite: bool = False,
        use_xpu: bool = False,
        ir_optim: bool = True,
        thread_num: int = 4,
        mem_optim: bool = True,
        use_trt: bool = False,
        gpu_multi_stream: bool = False,
        runtime_thread_num: int | None = None,
        batch_infer_size: int | None = None,
        gpuid: int | str | None = None,
    ) -> None:
        """Say how the service is to be run when this file is started by itself.

        Args:
            port: where it listens.
            device: "cpu", or "gpu" for GPU 0 (or `gpuid`).
            thread_num: how many requests are pre- and postprocessed at once.
            precision, use_trt: handed to the inference library.
            workdir and the rest: accepted as in Paddle Serving, without effect; graphs are always optimised.
        """
        del (
            workdir,
            ir_optim,
            use_calib,
            use_lite,
            use_xpu,
            mem_optim,
            gpu_multi_stream,
            runtime_thread_num,
            batch_infer_size,
        )
        self.port = port
        self.thread_num = thread_num
        self._change(precision=precision, use_trt=use_trt)
        if gpuid not in (None, "", "-1", -1):
            self.set_gpus(str(gpuid))
        elif device == "gpu" and self._settings.options.gpu_id is None:
            self.set_gpus("0")

    def run_rpc_service(self) -> None:
        """Run the models in engine processes (the default)."""
        self.in_process = False

    def run_debugger_service(self, gpu: bool = False) -> None:
        """Run the models inside the serving process, so that a debugger sees everything."""
        self.in_process = True
        if gpu and self._settings.options.gpu_id is None:
            self.set_gpus("0")

    def run_web_service(self) -> None:
        """Serve until stopped. In a file that a server hosts, hand the service to that server and return."""
        if hosting.is_hosted():
            hosting.collect(self)
            return
        hosting.become_server(["--port", str(self.port), "--thread", str(self.thread_num)])

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
            pipeline = Pipeline(self.name, ResponseOp(input_ops=[last]), config.read(yml_file, yml_dict))
            picture = self.file_input if self.kind == "image" else ""
            self._pipeline = PipelineService(self.name, pipeline, self.title, self.example, picture)

    def run_service(self) -> None:
        """Serve a pipeline until stopped, on the ports of its config; hosted: hand it to that server and return."""
        if self._pipeline is None:
            raise BadConfig(f"call prepare_pipeline_config() before run_service() on {self.name!r}")
        self._pipeline.in_process = self.in_process
        pipeline_service.host(self._pipeline)

    # -- what a subclass that is a pipeline writes

    def get_pipeline_response(self, read_op: RequestOp) -> Op | None:
        """Make the ops of a pipeline; a subclass that is one writes this.

        Args:
            read_op: what stands in front of the first op.

        Returns:
            The last op.
        """
        return None
