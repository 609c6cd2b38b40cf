"""config.yml of a pipeline becomes frozen values here, with the keys, defaults and complaints of Paddle Serving."""

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from paddle_serving_app.backend import PRECISIONS, ModelOptions
from paddle_serving_client.errors import BadConfig
from paddle_serving_server.engine import repository
from paddle_serving_server.engine.settings import ModelSettings

logger = logging.getLogger(__name__)

_PORTS: Final = (1024, 65535)
_Rule = tuple[type, Any, int | None]
"""The type, the default, and the least value."""
_TOP: Final[dict[str, _Rule]] = {
    "rpc_port": (int, 0, None),
    "http_port": (int, 0, None),
    "worker_num": (int, 1, 1),
    "build_dag_each_worker": (bool, False, None),
    "grpc_gateway_port": (int, 0, None),
    "dag": (dict, {}, None),
    "op": (dict, {}, None),
}
_DAG: Final[dict[str, _Rule]] = {
    "is_thread_op": (bool, True, None),
    "client_type": (str, "brpc", None),
    "retry": (int, 1, 1),
    "use_profile": (bool, False, None),
    "channel_size": (int, 0, 0),
    "channel_recv_frist_arrive": (bool, False, None),
    "tracer": (dict, {}, None),
}
_OP: Final[dict[str, _Rule]] = {
    "concurrency": (int, 1, 1),
    "timeout": (int, -1, None),
    "retry": (int, 1, 1),
    "batch_size": (int, 1, 1),
    "auto_batching_timeout": (int, -1, None),
    "server_endpoints": (list, [], None),
    "client_config": (str, "", None),
    "client_type": (str, "", None),
    "fetch_list": (list, [], None),
    "use_encryption_model": (bool, False, None),
    "encryption_key": (str, "", None),
    "local_service_conf": (dict, {}, None),
}
_LOCAL: Final[dict[str, _Rule]] = {
    "model_config": (str, "", None),
    "client_type": (str, "local_predictor", None),
    "fetch_list": (list, [], None),
    "workdir": (str, "", None),
    "thread_num": (int, 2, 0),
    "device_type": (int, -1, None),
    "devices": (str, "", None),
    "mem_optim": (bool, True, None),
    "ir_optim": (bool, False, None),
    "precision": (str, "fp32", None),
    "use_calib": (bool, False, None),
    "use_mkldnn": (bool, False, None),
    "mkldnn_cache_capacity": (int, 0, None),
    "mkldnn_op_list": (list, [], None),
    "mkldnn_bf16_op_list": (list, [], None),
    "min_subgraph_size": (int, 3, None),
}
_CPU, _GPU, _TRT, _ARM = 0, 1, 2, 3
_REMOTE_TYPES: Final = ("brpc", "grpc", "pipeline_grpc")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel(ModelSettings):
    """A model that an engine of this server loads."""

    fetch: tuple[str, ...] = ()
    """Aliases of the outputs; empty: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteModel:
    """A model, or another pipeline, that another server answers for."""

    endpoints: tuple[str, ...]
    client_type: str = "brpc"
    """brpc, grpc or pipeline_grpc."""
    client_config: str = ""
    fetch: tuple[str, ...] = ()
    key: str = ""
    """File with the key of an encrypted model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpConfig:
    """How one op runs."""

    concurrency: int = 1
    """Workers."""
    timeout_s: float = 0.0
    """Longest time of one `process`; 0: only the request's own."""
    retry: int = 1
    """Attempts of a `process` that takes too long."""
    batch_size: int = 1
    """Requests that are given to `process` together."""
    batch_wait_s: float = 0.0
    """Longest time the first of them waits for the others; 0: those that wait already are taken."""
    model: LocalModel | RemoteModel | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineConfig:
    """The whole file."""

    rpc_port: int = 0
    http_port: int = 0
    worker_num: int = 1
    build_dag_each_worker: bool = False
    is_thread_op: bool = True
    retry: int = 1
    """Attempts of a request that takes too long."""
    channel_size: int = 0
    """Requests that may wait before one op; 0: a thousand."""
    takes_first_arrival: bool = False
    """Whether an op with several predecessors starts with the first that is done."""
    use_profile: bool = False
    tracer_s: int = -1
    """Seconds between two reports of the tracer; under 1: none."""
    ops: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What the file says of each op, as it is."""

    @property
    def ports(self) -> tuple[int, ...]:
        """Every port that speaks, each once; the first is the one for people."""
        return tuple(dict.fromkeys(port for port in (self.http_port, self.rpc_port) if port))


def read(yml_file: str | Path | None = None, yml_dict: Mapping[str, Any] | None = None) -> PipelineConfig:
    """Read config.yml, or what stands in it.

    Raises:
        BadConfig: no such file, no yaml, or a value of a wrong type or out of range; the text says which.
    """
    if (yml_file is None) == (yml_dict is None):
        raise BadConfig("[CONF] only one of yml_file or yml_dict should be selected.")
    said = yml_dict if yml_dict is not None else loaded(str(yml_file))
    top = _checked(said, _TOP, "")
    dag = _checked(top["dag"], _DAG, "dag.")
    for name in ("rpc_port", "http_port"):
        low, high = _PORTS
        if top[name] and not low <= top[name] <= high:
            raise BadConfig(f"[CONF] {name} must be >= {low} and <= {high}, but get {top[name]}.")
    if not (top["rpc_port"] or top["http_port"]):
        raise BadConfig("[CONF] rpc_port or http_port must be set.")
    if dag["client_type"] not in ("brpc", "grpc"):
        raise BadConfig(f"[CONF] dag.client_type must be brpc or grpc, but get {dag['client_type']}.")
    for name, value in top["op"].items():
        if value is not None and not isinstance(value, Mapping):
            raise BadConfig(f"[CONF] op.{name} must be {dict} type, but get {type(value)}.")
    tracer = dag["tracer"].get("interval_s", -1)
    if not isinstance(tracer, int):
        raise BadConfig(f"[CONF] dag.tracer.interval_s must be {int} type, but get {type(tracer)}.")
    return PipelineConfig(
        rpc_port=top["rpc_port"],
        http_port=top["http_port"],
        worker_num=top["worker_num"],
        build_dag_each_worker=top["build_dag_each_worker"],
        is_thread_op=dag["is_thread_op"],
        retry=dag["retry"],
        channel_size=dag["channel_size"],
        takes_first_arrival=dag["channel_recv_frist_arrive"],
        use_profile=dag["use_profile"],
        tracer_s=tracer,
        ops={name: value or {} for name, value in top["op"].items()},
    )


def op_config(name: str, given: Mapping[str, Any], config: PipelineConfig) -> OpConfig:
    """How the op of a name runs: what its constructor was given, over what the file says.

    Raises:
        BadConfig: as `read`.
    """
    said = {**config.ops.get(name, {}), **{key: value for key, value in given.items() if value is not None}}
    values = _checked(said, _OP, f"op.{name}.")
    return OpConfig(
        concurrency=values["concurrency"],
        timeout_s=max(0, values["timeout"]) / 1000,
        retry=values["retry"],
        batch_size=values["batch_size"],
        batch_wait_s=max(0, values["auto_batching_timeout"]) / 1000,
        model=_remote(name, values) or local_model(f"op.{name}.local_service_conf.", values["local_service_conf"]),
    )


def local_model(where: str, said: Mapping[str, Any]) -> LocalModel | None:
    """What a `local_service_conf` says; None when it names no model.

    Raises:
        BadConfig: a value of a wrong type, or a device that is not served.
    """
    values = _checked(said, _LOCAL, where)
    if not values["model_config"]:
        return None
    if values["client_type"] not in ("local_predictor", "brpc", "grpc"):
        text = f"[CONF] {where}client_type must be local_predictor, brpc or grpc, but get {values['client_type']}."
        raise BadConfig(text)
    folder = found(str(values["model_config"]))
    repository.refuse_missing(folder, f"{where}model_config:")
    device = values["device_type"]
    gpus = [part.strip() for part in values["devices"].split(",") if part.strip()]
    if device == -1:
        device = _GPU if gpus else _CPU
    if device not in (_CPU, _GPU, _TRT, _ARM):
        raise BadConfig(f"{where}device_type {device} is not served; 0 (CPU), 1 (GPU) and 2 (TensorRT) are")
    on_gpu = device in (_GPU, _TRT)
    if on_gpu and not all(gpu.isdigit() for gpu in gpus):
        raise BadConfig(f"{where}devices must be numbers as in '0,1', but get {values['devices']!r}")
    if on_gpu and len(gpus) > 1:
        logger.warning("%sdevices: one engine runs the model, on GPU %s", where, gpus[0])
    precision = values["precision"].lower()
    if precision not in PRECISIONS:
        raise BadConfig(f"{where}precision must be one of {', '.join(PRECISIONS)}, but get {values['precision']!r}")
    for key in ("use_calib", "mkldnn_op_list", "mkldnn_bf16_op_list"):
        if values[key]:
            logger.warning("%s%s has no effect here", where, key)
    options = ModelOptions(
        gpu_id=int(gpus[0] if gpus else 0) if on_gpu else None, precision=precision, use_trt=device == _TRT
    )
    return LocalModel(folder=folder, fetch=tuple(map(str, values["fetch_list"])), options=options)


def loaded(yml_file: str) -> dict[str, Any]:
    """What stands in a config.yml.

    Raises:
        BadConfig: no such file, or no yaml.
    """
    file = found(yml_file)
    try:
        said = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except OSError as exc:
        raise BadConfig(f"{file}: {exc.strerror}") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise BadConfig(f"{file}: {' '.join(str(exc).split())}") from exc
    if not isinstance(said, dict):
        raise BadConfig(f"{file}: expected settings as 'http_port: 18082', one a line, got {type(said).__name__}")
    return said


def found(path: str) -> str:
    """A path as it is, or, where the current folder has none, that path beside the script that runs."""
    beside = Path(sys.argv[0]).parent / path
    return str(beside) if not Path(path).exists() and beside.exists() else path


def _remote(name: str, values: Mapping[str, Any]) -> RemoteModel | None:
    if not values["server_endpoints"]:
        return None
    kind = values["client_type"] or "brpc"
    if kind not in _REMOTE_TYPES:
        raise BadConfig(f"[CONF] op.{name}.client_type must be one of {', '.join(_REMOTE_TYPES)}, but get {kind}.")
    if kind != "pipeline_grpc" and not values["client_config"]:
        raise BadConfig(f"[CONF] op.{name}.client_config must be set, for server_endpoints are.")
    return RemoteModel(
        endpoints=tuple(map(str, values["server_endpoints"])),
        client_type=kind,
        client_config=found(values["client_config"]),
        fetch=tuple(map(str, values["fetch_list"])),
        key=values["encryption_key"] if values["use_encryption_model"] else "",
    )


def _checked(said: Mapping[str, Any], rules: Mapping[str, _Rule], where: str) -> dict[str, Any]:
    """The known keys with their defaults; an empty value is a missing one, unknown keys are ignored."""
    values = {}
    for name, (kind, default, least) in rules.items():
        value = said.get(name)
        if value is None:
            value = default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise BadConfig(f"[CONF] {where}{name} must be {kind} type, but get {type(value)}.")
        if least is not None and isinstance(value, int) and value < least:
            raise BadConfig(f"[CONF] {where}{name} must be >= {least}, but get {value}.")
        values[name] = value
    return values
