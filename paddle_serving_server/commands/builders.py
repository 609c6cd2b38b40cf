"""A server described in Python, as in Paddle Serving; its ops are in `op_makers.py`. See docs/chain.md."""

import logging
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from paddle_serving_app import layout
from paddle_serving_app.backend import ModelOptions
from paddle_serving_client.errors import BadConfig
from paddle_serving_client.wire.proto import workflow_pb2 as pb
from paddle_serving_server.commands.op_makers import node_of
from paddle_serving_server.config import gpus, things
from paddle_serving_server.config.values import Limits, ServedModel, ServerConfig
from paddle_serving_server.engine import repository
from paddle_serving_server.graph import workflow

logger = logging.getLogger(__name__)


class Server:
    """A server of models: set what it should be, then `prepare_server`, then `run_server`, which serves until stopped.

    Setters of Paddle Serving that can mean nothing here say so once, in the log.
    """

    def __init__(self) -> None:
        self._flow: pb.Workflow | None = None
        self._folders: Sequence[str] | Mapping[str, str] = ()
        self._config = ServerConfig(port=9292)
        self._options = ModelOptions()
        self._gpus: list[str] = []
        self._device = "cpu"
        self._max_rows: list[int] = [0]
        self._instances: list[int] = [0]
        self._prometheus_port = 19393

    # -- ops and models

    def set_op_sequence(self, op_seq: pb.WorkflowConf) -> None:
        """Run these ops, one after the other."""
        self._flow = op_seq.workflows[0]

    def set_op_graph(self, op_graph: pb.WorkflowConf) -> None:
        """Run these ops; several that feed the response answer side by side."""
        self._flow = op_graph.workflows[0]

    def load_model_config(
        self,
        server_config_dir_paths: str | Path | Sequence[str | Path] | Mapping[str, str | Path],
        client_config_path: object = None,
    ) -> None:
        """Say which models are served.

        Args:
            server_config_dir_paths: one model in any layout that `serve` takes, several in the order of the ops, or by
                op, as `OpMaker.create` made it.
            client_config_path: accepted as in Paddle Serving; the server folder's config says the same.

        Raises:
            BadConfig: there is no model at a path.
        """
        del client_config_path
        paths = server_config_dir_paths
        if isinstance(paths, Mapping):
            self._folders = {node_of(op).name: _checked(path) for op, path in paths.items()}
        else:
            self._folders = [_checked(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]

    def get_fetch_list(self, infer_node_idx: int = -1) -> list[str]:
        """The aliases of the outputs of a model, by default of the last."""
        folders = list(self._folders.values()) if isinstance(self._folders, Mapping) else list(self._folders)
        newest = repository.newest(folders[infer_node_idx]).folder
        return [fetch.alias for fetch in layout.opened(newest).spec.fetches]

    # -- what is used

    def set_port(self, port: int) -> None:
        """The port of all protocols."""
        self._config = replace(self._config, port=port)

    def set_num_threads(self, threads: int) -> None:
        """How many requests are pre- and postprocessed at once."""
        self._config = replace(self._config, threads=threads)

    def set_max_body_size(self, body_size: int) -> None:
        """The largest request in bytes; less than 64 MiB is ignored, as it was."""
        if body_size >= self._config.limits.max_body_bytes:
            self._config = replace(self._config, limits=Limits(max_body_bytes=body_size))
        else:
            logger.warning("set_max_body_size(%d) has no effect: it is less than 64 MiB", body_size)

    def set_reload_interval(self, interval: float) -> None:
        """How often the model folders are looked at for a new version, in seconds."""
        self._config = replace(self._config, reload_interval_s=float(interval))

    def set_device(self, device: str = "cpu") -> None:
        """ "cpu", or "gpu" for GPU 0 where `set_gpuid` says nothing."""
        self._device = device

    def set_gpuid(self, gpuid: object) -> None:
        """The GPU of each model: 0, "0", or ["0", "1"]; -1 is the CPU."""
        self._gpus = [str(part) for part in gpuid] if isinstance(gpuid, list | tuple) else [str(gpuid)]

    def set_precision(self, precision: str = "fp32") -> None:
        """fp32, fp16, int8 or bf16, where the library can."""
        self._options = replace(self._options, precision=precision.lower())

    def set_ir_optimize(self, flag: bool = False) -> None:
        """Graph optimisation: it is always on."""
        del flag

    def set_memory_optimize(self, flag: bool = False) -> None:
        """Reuse of memory: it is always on."""
        if not flag:
            _no_effect("set_memory_optimize(False)", "memory is always reused")

    def set_trt(self, flag: bool = True) -> None:
        """TensorRT, on GPU."""
        self._options = replace(self._options, use_trt=bool(flag))

    def set_runtime_thread_num(self, runtime_thread_num: int | Sequence[int] | None) -> None:
        """Engine processes of each model; 0 as elsewhere."""
        self._instances = _numbers(runtime_thread_num)

    def set_batch_infer_size(self, batch_infer_size: int | Sequence[int] | None) -> None:
        """The largest batch of each model, in rows; 0: what measured best."""
        self._max_rows = _numbers(batch_infer_size)

    def set_enable_prometheus(self, flag: bool = False) -> None:
        """Metrics."""
        self._config = replace(self._config, enable_prometheus=bool(flag))

    def set_prometheus_port(self, prometheus_port: int) -> None:
        """The port of the metrics, beside the server's own."""
        self._prometheus_port = prometheus_port

    def set_request_cache_size(self, request_cache_size: int) -> None:
        """Bytes of answers that are kept."""
        self._config = replace(self._config, cache_bytes=request_cache_size)

    # -- what means nothing here

    def set_max_concurrency(self, concurrency: int) -> None:
        """How many requests are in work: the queues of the engines limit that."""
        if concurrency:
            _no_effect("set_max_concurrency", "each engine takes up to 1000 waiting requests")

    def set_lite(self) -> None:
        """Paddle Lite is not used."""
        _no_effect("set_lite", "Paddle Lite is not used")

    def set_xpu(self) -> None:
        """Kunlun cards are not used."""
        _no_effect("set_xpu", "Kunlun cards are not used")

    def set_ascend_cl(self) -> None:
        """Ascend cards are not used."""
        _no_effect("set_ascend_cl", "Ascend cards are not used")

    def set_use_calib(self, flag: bool = False) -> None:
        """Calibration tables are not used."""
        if flag:
            _no_effect("set_use_calib", "no calibration tables are used")

    def use_mkl(self, flag: bool = True) -> None:
        """The inference library decides."""
        del flag

    def set_gpu_multi_stream(self, flag: bool = True) -> None:
        """Each engine has a stream of its own."""
        del flag

    def set_product_name(self, product_name: str | None = None) -> None:
        """Callers are not authenticated."""
        if product_name:
            _no_effect("set_product_name", "callers are not authenticated")

    def set_container_id(self, container_id: str | None = None) -> None:
        """Callers are not authenticated."""
        if container_id:
            _no_effect("set_container_id", "callers are not authenticated")

    def set_trt_dynamic_shape_info(self, info: object) -> None:
        """The ranges of shapes that TensorRT prepares for are not set by hand."""
        if info:
            _no_effect("set_trt_dynamic_shape_info", "TensorRT prepares for the shapes that come")

    def use_encryption_model(self, flag: bool = False) -> None:
        """Encrypted models: `serve --use_encryption_model` and `serve --key_file` serve them."""
        if flag:
            raise BadConfig("encrypted models are served by `serve --key_file FILE` or `serve --use_encryption_model`")

    # -- serving

    def prepare_server(
        self,
        workdir: str | None = None,
        port: int = 9292,
        device: str | None = None,
        use_encryption_model: bool = False,
        cube_conf: str | None = None,
    ) -> None:
        """Say where the server listens.

        Args:
            workdir: accepted as in Paddle Serving; no folder is needed.
            port: the port of all protocols.
            device: as `set_device`.
            use_encryption_model: as the method of that name.
            cube_conf: refused: sparse parameters on other machines are not served.
        """
        del workdir
        if cube_conf:
            raise BadConfig("cube_conf: parameters on other machines (Cube) are not served")
        self.use_encryption_model(use_encryption_model)
        self.set_port(port)
        if device is not None:
            self.set_device(device)

    def config(self) -> ServerConfig:
        """All that was set, as the server takes it.

        Raises:
            BadConfig: something is missing, or does not fit together.
        """
        if not self._folders:
            raise BadConfig("there is no model: call load_model_config first")
        if self._flow is None:
            flow = workflow.chain([*(self._folders.values() if isinstance(self._folders, Mapping) else self._folders)])
        else:
            flow = workflow.from_message(self._flow, self._folders)
        count = len(flow.nodes)
        asked = self._gpus or (["0"] if self._device == "gpu" else [])
        chosen = gpus.gpus_of(asked, count, os.environ.get("CUDA_VISIBLE_DEVICES"))
        max_rows, instances = (n * count if len(n) == 1 else n for n in (self._max_rows, self._instances))
        if {len(max_rows), len(instances)} != {count}:
            raise BadConfig(
                f"batch_infer_size and runtime_thread_num take one number, or one for each of {count} models"
            )
        nodes = tuple(
            replace(node, options=replace(self._options, gpu_id=gpu), max_rows=rows, instances=copies)
            for node, gpu, rows, copies in zip(flow.nodes, chosen, max_rows, instances, strict=True)
        )
        folder = nodes[0].folder
        model = ServedModel(
            name=things.name_of(folder), folder=folder, options=nodes[0].options, nodes=nodes, ends=flow.ends
        )
        config = replace(self._config, models=(model,), options=self._options)
        if config.enable_prometheus:
            config = replace(config, extra_ports=(self._prometheus_port,))
        return config

    def run_server(self) -> None:
        """Serve until stopped, in this process and its children.

        Raises:
            BadConfig: as `config`; or this is not the main thread, which gets the signals.
            SystemExit: the server could not start, or did not end as asked.
        """
        from paddle_serving_server.process import log
        from paddle_serving_server.supervisor.runtime import Supervisor

        if threading.current_thread() is not threading.main_thread():
            raise BadConfig("run_server needs the main thread, which gets the signals; run it in a process of its own")
        config = self.config()
        log.configure(config.log_level, "serve")
        print("Going to Run Comand", flush=True)  # noqa: T201  # scripts wait for it; the words are theirs
        if status := Supervisor(config).run():
            sys.exit(status)


class MultiLangServer(Server):
    """The server for clients of other languages, as until 0.6: every server is one now."""

    def __init__(self, worker_num: int = 2, is_cluster: bool = False) -> None:
        super().__init__()
        if is_cluster:
            _no_effect("is_cluster", "start one server for each machine, and give Client.connect all of them")
        self.set_num_threads(worker_num)


def _checked(path: str | Path) -> str:
    repository.refuse_other(path, "load_model_config:")
    return str(path)


def _numbers(said: Any) -> list[int]:
    return [said or 0] if isinstance(said, int) or said is None else [int(n) for n in said] or [0]


def _no_effect(what: str, why: str) -> None:
    logger.warning("%s has no effect: %s", what, why)
