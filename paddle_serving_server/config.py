"""Flags and yaml become frozen values here, once; nothing else in the server reads either."""

import argparse
import ipaddress
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from paddle_serving_app import backends
from paddle_serving_app.backend import ModelOptions
from paddle_serving_client import encryption, plugins
from paddle_serving_client.errors import BadConfig
from paddle_serving_server import gpus, trial_models, workflow
from paddle_serving_server.trial_models import TrialModel
from paddle_serving_server.workflow import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a caller may take: sizes in bytes, times in seconds."""

    max_body_bytes: int = 64 << 20
    """Largest request body, before and after decompression."""
    request_s: float = 60.0
    """Longest time from a whole request to its answer."""
    max_waiting: int = 1000
    """Requests that may wait for one engine; the next is refused at once."""
    max_connections: int = 1000
    """Open connections of one front."""
    idle_s: float = 75.0
    """Longest silence between two requests of a connection."""
    head_s: float = 10.0
    """Longest time for the first bytes, and for the head of a request."""
    stall_s: float = 30.0
    """Longest time without progress in sending a body to us, or in taking an answer from us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """A model folder that is served as it is."""

    name: str
    folder: str
    options: ModelOptions = field(default_factory=ModelOptions)
    nodes: tuple[Node, ...] = ()
    """Where several models, or an op of its own, are behind the name; `folder` is the first of them."""
    ends: tuple[str, ...] = ()
    """Names of the nodes whose outputs are the answer."""

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> "ServedModel":
        """The opposite of `dataclasses.asdict`."""
        values = {"options": ModelOptions(**said["options"]), "nodes": tuple(map(Node.from_dict, said["nodes"]))}
        return cls(**{**said, **values, "ends": tuple(said["ends"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Everything a server needs to know."""

    host: str = "0.0.0.0"
    port: int = 9393
    extra_ports: tuple[int, ...] = ()
    """More ports, where everything is as on the first."""
    fronts: int = 1
    """Processes that accept connections and run pre- and postprocessing."""
    threads: int = 4
    """Threads of one front for pre- and postprocessing."""
    models: tuple[ServedModel, ...] = ()
    services: tuple[str, ...] = ()
    """Files with WebService subclasses."""
    service_argv: tuple[str, ...] = ()
    """What those files find in `sys.argv`."""
    options: ModelOptions = field(default_factory=ModelOptions)
    """For models of service files, where these do not say otherwise."""
    max_rows: int = 0
    """Largest batch, in rows; 0: what measured best."""
    tune_s: float = 10.0
    """How long to measure which library runs a new model fastest, in seconds; 0: not at all."""
    max_wait_ms: float = 0.0
    """Longest time a request waits for company."""
    instances: int = 0
    """Engine processes of each model; 0: what was measured, else one."""
    reload_interval_s: float = 10.0
    """How often model folders are looked at for a new version, in seconds; 0: never."""
    load_timeout_s: float = 120.0
    """Longest time for a new version to load, in seconds; the first one takes what it takes."""
    manage_from: tuple[str, ...] = ("127.0.0.0/8", "::1")
    """Addresses and networks that may ask for reloads and other changes."""
    variants: tuple[TrialModel, ...] = ()
    """Models that answer a part of a service's requests in the place of its own."""
    shadows: tuple[TrialModel, ...] = ()
    """Models that get copies of requests, for their answers to be compared."""
    shadow_tolerance: float = 1e-3
    """How far a shadow's output may be off to count as equal, as a part of the output's largest value."""
    variant_by_log_id: bool = False
    """Whether requests with the same log_id get the same variant."""
    cache_bytes: int = 0
    """Memory of each front for answers that were given before; 0: none is kept."""
    counters: str = ""
    """The file where all processes count; the supervisor says which."""
    enable_prometheus: bool = False
    """Whether there are metrics for Prometheus."""
    grace_s: float = 30.0
    """Longest time for requests in work when the server stops."""
    key: str = field(default="", repr=False)
    """Of encrypted models, base64; it is in no log, no argument and no file."""
    key_host: str = ""
    """Where to wait for the key before anything is served; empty: nowhere."""
    encryption_rpc_port: int = 12000
    """After the key has come: the first port that is tried for the server itself."""
    limits: Limits = field(default_factory=Limits)
    log_level: str = "INFO"

    def to_json(self) -> str:
        """For the way to a front process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> "ServerConfig":
        """The opposite of `to_json`."""
        said = json.loads(text)
        models = tuple(ServedModel.from_dict(m) for m in said["models"])
        tuples = {key: tuple(said[key]) for key in ("services", "service_argv", "manage_from", "extra_ports")}
        tuples |= {key: tuple(TrialModel(**m) for m in said[key]) for key in ("variants", "shadows")}
        values = {"models": models, "options": ModelOptions(**said["options"]), "limits": Limits(**said["limits"])}
        return cls(**{**said, **tuples, **values})


@dataclass(frozen=True, slots=True)
class Command:
    """What was asked for on the command line."""

    verb: str
    """One of `VERBS`."""
    port: int | None
    """For stop and kill: only the server on that port; None means all."""
    config: ServerConfig


_KEY_HOST = "localhost"
"""Where a key is waited for, unless `--host` says otherwise: it comes in the clear."""
_MAX_KEY_BYTES = 64

VERBS = ("start", "stop", "kill", "reload", "check")
CHECKS = ("check_all", "check_cpp", "check_pipeline", "check_inference")
"""What the shell of `check` was told in Paddle Serving; behind `check`, all mean the same."""
AUTO = "auto"
"""For `--backend`: the same as not to give it."""

IGNORED = {
    "workdir": "no working folder is needed",
    "device": "--gpu_ids decides",
    "use_mkl": "the inference library decides",
    "use_lite": "Paddle Lite is not used",
    "use_xpu": "Kunlun cards are not used",
    "use_ascend_cl": "Ascend cards are not used",
    "use_calib": "no calibration tables are used",
    "mem_optim_off": "memory is always reused",
    "gpu_multi_stream": "each engine has a stream of its own",
    "gpu_memory_mb": "the library takes what it needs",
    "trt_workspace_size": "TensorRT gets 1 GiB",
    "trt_use_static": "TensorRT engines are built at each start",
    "min_subgraph_size": "the library decides what TensorRT runs",
    "use_multilang": "every protocol is on the one port",
    "product_name": "callers are not authenticated",
    "container_id": "callers are not authenticated",
    "use_dist_model": "models that are spread over machines are not served",
    "dist_carrier_id": "models that are spread over machines are not served",
    "dist_cfg_file": "models that are spread over machines are not served",
    "dist_endpoints": "models that are spread over machines are not served",
    "dist_nranks": "models that are spread over machines are not served",
    "dist_subgraph_index": "models that are spread over machines are not served",
}
"""Flags of Paddle Serving 0.9 that are understood, and why they change nothing."""

_WITH_VALUE: dict[str, dict[str, Any]] = {
    "workdir": {},
    "device": {},
    "gpu_memory_mb": {"type": int},
    "trt_workspace_size": {"type": int},
    "min_subgraph_size": {"nargs": "+"},
    "product_name": {},
    "container_id": {},
    "dist_carrier_id": {},
    "dist_cfg_file": {},
    "dist_endpoints": {},
    "dist_nranks": {"type": int},
    "dist_subgraph_index": {"type": int},
}
"""Those of `IGNORED` that are no switches."""

# fmt: off
_OLD = frozenset((
    "thread", "port", "gpu_ids", "runtime_thread_num", "batch_infer_size", "model", "op", "precision", "ir_optim",
    "max_body_size", "use_trt", "use_encryption_model", "encryption_rpc_port", "enable_prometheus", "prometheus_port",
    "request_cache_size", "dist_master_serving", "dist_worker_serving_endpoints", "cpu_math_thread_num",
))
"""Flags of 0.9 that do something here."""
# fmt: on

ENVIRONMENT = {"SERVING_BIN": "there is no binary to choose"}
"""Variables of Paddle Serving 0.9 that change nothing, and why."""


class NothingToServe(BadConfig):
    """Neither a model nor a service file was named."""


class _Flags(argparse.ArgumentParser):
    """Flags that may be shortened as in 0.9: one that is new here does not make an old abbreviation ambiguous."""

    def _get_option_tuples(self, option_string: str) -> list[Any]:
        found = super()._get_option_tuples(option_string)
        old = [option for option in found if option[0].dest in _OLD or option[0].dest in IGNORED]
        return old if len(old) == 1 else found


def parser() -> argparse.ArgumentParser:
    """The flags of `python -m paddle_serving_server.serve`."""
    flags = _Flags(
        prog="python -m paddle_serving_server.serve",
        description="Serve models: RPC and HTTP on one port.",
        epilog="Everything behind -- is handed to the service files.",
    )
    add = flags.add_argument
    add("verb", nargs="?", default="start", help="start (default), stop, kill, reload or check")
    add("--model", nargs="+", default=[], metavar="DIR", help="model folder; several are one chain")
    add("--op", nargs="+", default=[], metavar="OP", help="what runs each model (default: GeneralInferOp)")
    add("--name", help="its name in POST /NAME/prediction (default: the folder's name)")
    add("--service", action="append", default=[], metavar="FILE.py", help="host this WebService too; repeatable")
    add("--config", metavar="FILE.yml", help="the same settings as these flags, from a file; flags win")
    add("--host", default="0.0.0.0", help="address to listen on; :: for IPv6 and IPv4")
    add("--port", type=int, default=9393, help="port for all protocols (default 9393)")
    add("--extra_ports", type=int, nargs="+", default=[], metavar="PORT", help="more ports, the same on each")
    add("--thread", type=int, default=4, help="threads for pre- and postprocessing in each front (default 4)")
    add("--fronts", type=int, default=1, help="processes that accept connections (default 1)")
    add("--backend", default="", help="paddle, onnxruntime or openvino; auto (default): what measures fastest")
    add("--tune", default="load", help="load (default): measure a new model at its first load; off: never")
    add("--tune_s", type=float, default=10.0, help="how long to measure, in seconds (default 10)")
    add("--engine_threads", type=int, default=0, help="computing threads of an engine (default: what measures best)")
    add("--cpu_math_thread_num", type=int, default=0, help="the same, for scripts of 0.9")
    add("--gpu_ids", nargs="+", default=[], metavar="ID", help="GPU of each model, -1 for CPU (default: CPU)")
    add("--precision", default="fp32", type=str.lower, help="fp32, fp16, int8 or bf16, where the library can")
    add("--ir_optim", action="store_true", help="always on; kept for old scripts")
    add("--use_trt", action="store_true", help="TensorRT, on GPU")
    add("--batch_infer_size", type=int, nargs="+", default=[], help="largest batch, in rows (default: as measured)")
    add("--runtime_thread_num", type=int, nargs="+", default=[], help="engine processes of each model, as in 0.9")
    add("--batch_wait_ms", type=float, default=0.0, help="longest wait for company in a batch (default 0)")
    add("--max_body_size", type=int, default=64 << 20, help="largest request in bytes (default 64 MiB)")
    add("--max_waiting", type=int, default=1000, help="requests that may wait for one engine (default 1000)")
    add("--request_timeout_ms", type=float, default=60_000, help="longest time for one request (default 60000)")
    add("--instances", type=int, default=0, help="engine processes of each model (default: as measured, else 1)")
    add("--reload_interval_s", type=float, default=10.0, help="look for new versions this often; 0: never (default 10)")
    add("--load_timeout_s", type=float, default=120.0, help="longest time for a new version to load (default 120)")
    add("--manage_from", nargs="+", default=["127.0.0.0/8", "::1"], metavar="NET", help="who may ask for reloads")
    add("--variant", action="append", default=[], metavar="TAG=DIR:PERCENT", help="A/B test: this model answers too")
    add("--variant_by_log_id", action="store_true", help="requests with the same log_id get the same variant")
    add("--shadow", action="append", default=[], metavar="TAG=DIR[:PERCENT]", help="compare this model's answers")
    add("--shadow_tolerance", type=float, default=1e-3, help="how far a shadow's answer may be off (default 0.001)")
    add("--request_cache_size", type=int, default=0, help="bytes of answers to keep in each front (default 0: none)")
    add("--enable_prometheus", action="store_true", help="metrics for Prometheus under /metrics")
    add("--prometheus_port", type=int, default=19393, help="one more port, where they are too (default 19393)")
    add("--grace_s", type=float, default=30.0, help="longest time to finish requests when stopping (default 30)")
    add("--key_file", metavar="FILE", help="key of encrypted models; -: read it from standard input")
    add("--use_encryption_model", action="store_true", help="wait on --port for the key of encrypted models")
    add("--encryption_rpc_port", type=int, default=12000, help="then serve on the first free port from it (12000)")
    add("--log_level", default="INFO", help="DEBUG, INFO, WARNING or ERROR (default INFO)")
    add("--dist_master_serving", action="store_true", help="refused: Client.connect takes several servers")
    add("--dist_worker_serving_endpoints", default="", metavar="HOST:PORT", help="refused, too")
    for name in IGNORED:
        kind = {"default": None, **_WITH_VALUE[name]} if name in _WITH_VALUE else {"action": "store_true"}
        add(f"--{name}", help=argparse.SUPPRESS, **kind)
    return flags


def parse(argv: Sequence[str]) -> tuple[Command, list[str]]:
    """Read the command line, and the yaml file it may name.

    Returns:
        The command, and warnings for the operator.

    Raises:
        BadConfig: a value is impossible; the message names the flag, what came and what is expected.
    """
    flags = parser()
    argv, service_argv = _split(list(argv))
    if "check" in argv:
        argv = [word for word in argv if word not in CHECKS]
    from_environment = flags.parse_args(_from_environment())
    said = flags.parse_args(argv, from_environment)
    from_file: list[str] = []
    if said.config:
        from_file = _from_yaml(flags, Path(said.config))
        said = flags.parse_args(argv, flags.parse_args(from_file, flags.parse_args(_from_environment())))
    has_host = any(a == "--host" or a.startswith("--host=") for a in (*from_file, *argv))
    verb = said.verb if said.verb in VERBS else "start"  # any other word is the "True" of an old `--ir_optim True`
    has_port = flags.parse_args(argv, argparse.Namespace(port=None)).port is not None
    warnings = [f"{name} has no effect: {why}" for name, why in ENVIRONMENT.items() if os.environ.get(name)]
    warnings += [f"--{name} has no effect: {why}" for name, why in IGNORED.items() if getattr(said, name)]
    if verb != "start":
        return Command(verb, said.port if has_port else None, ServerConfig()), warnings
    config = _config(said, service_argv)
    if said.use_encryption_model:
        config = replace(config, key_host=said.host if has_host else _KEY_HOST)
    return Command(verb, said.port, config), warnings


def _config(said: argparse.Namespace, service_argv: list[str]) -> ServerConfig:
    _check(said)
    chosen = gpus.gpus_of(said.gpu_ids, len(said.model), os.environ.get("CUDA_VISIBLE_DEVICES"))
    options = ModelOptions(
        backend="" if said.backend == AUTO else said.backend,
        threads=said.engine_threads or max(said.cpu_math_thread_num, 0),
        gpu_id=chosen[0] if len(set(chosen)) == 1 else None,
        precision=said.precision,
        use_trt=said.use_trt,
    )
    max_rows, instances = (_for_each_model(said, name) for name in ("batch_infer_size", "runtime_thread_num"))
    models = _models(said, [replace(options, gpu_id=gpu) for gpu in chosen], max_rows, instances)
    return ServerConfig(
        host=said.host,
        port=said.port,
        extra_ports=tuple(dict.fromkeys(port for port in _extra_ports(said) if port != said.port)),
        fronts=said.fronts,
        threads=said.thread,
        models=models,
        services=tuple(said.service),
        service_argv=tuple(service_argv),
        options=options,
        max_rows=_common(max_rows),
        tune_s=said.tune_s if said.tune == "load" else 0.0,
        max_wait_ms=said.batch_wait_ms,
        instances=said.instances or _common(instances),
        reload_interval_s=said.reload_interval_s,
        load_timeout_s=said.load_timeout_s,
        manage_from=tuple(said.manage_from),
        variants=trial_models.parse_all("variant", said.variant, None),
        shadows=trial_models.parse_all("shadow", said.shadow, 100.0),
        shadow_tolerance=said.shadow_tolerance,
        variant_by_log_id=said.variant_by_log_id,
        cache_bytes=said.request_cache_size,
        enable_prometheus=said.enable_prometheus,
        grace_s=said.grace_s,
        key=_key(said.key_file),
        encryption_rpc_port=said.encryption_rpc_port,
        limits=Limits(
            max_body_bytes=said.max_body_size,
            request_s=said.request_timeout_ms / 1000,
            max_waiting=said.max_waiting,
        ),
        log_level=said.log_level.upper(),
    )


def _models(
    said: argparse.Namespace, options: Sequence[ModelOptions], max_rows: Sequence[int], instances: Sequence[int]
) -> tuple[ServedModel, ...]:
    """The one model, or chain of models, of `--model` and `--op`, if there is one."""
    if not said.model:
        return ()
    flow = workflow.chain(said.model, said.op)
    first = said.model[0]
    name = said.name or Path(first).resolve().name
    if len(flow.nodes) == 1 and flow.nodes[0].op == workflow.INFER:
        return (ServedModel(name=name, folder=first, options=options[0]),)
    of_each = zip(flow.nodes, options, max_rows, instances, strict=True)
    nodes = tuple(replace(n, options=o, max_rows=r, instances=said.instances or i) for n, o, r, i in of_each)
    return (ServedModel(name=name, folder=first, options=options[0], nodes=nodes, ends=flow.ends),)


def _for_each_model(said: argparse.Namespace, name: str) -> list[int]:
    """The values of a flag that takes one number for each model, or one for all; 0 where there is none."""
    values: list[int] = getattr(said, name) or [0]
    count = max(1, len(said.model))
    if len(values) not in (1, count):
        raise BadConfig(f"--{name} takes one number, or one for each of {count} models; got {len(values)}")
    return values * count if len(values) == 1 else values


def _common(values: Sequence[int]) -> int:
    """What is said for every model, and so for those of service files too; else 0."""
    return values[0] if len(set(values)) == 1 else 0


def _check(said: argparse.Namespace) -> None:
    if said.dist_master_serving or said.dist_worker_serving_endpoints:
        raise BadConfig(
            "--dist_master_serving: this server does not hand requests on to others; give their addresses to "
            "Client.connect, which spreads requests over them"
        )
    if not said.model and not said.service:
        raise NothingToServe("You must specify your serving model: --model DIR, --service FILE.py or both")
    for folder in said.model:
        if Path(folder).is_file():
            raise BadConfig(f"The input of --model should be a dir not file: {folder}")
        if not Path(folder).is_dir():
            raise BadConfig(f"--model {folder}: there is no such folder")
    for file in said.service:
        if not Path(file).is_file():
            raise BadConfig(f"--service {file}: there is no such file")
    ranges = {
        "port": (1, 65535),
        "encryption_rpc_port": (1, 65535),
        "thread": (1, 1024),
        "fronts": (1, 256),
        "engine_threads": (0, 1024),
        "max_body_size": (1, 2**40),
        "max_waiting": (1, 10**6),
        "request_timeout_ms": (1, 10**9),
        "batch_wait_ms": (0, 60_000),
        "instances": (0, 256),
        "shadow_tolerance": (0, 1e6),
        "request_cache_size": (0, 2**40),
        "prometheus_port": (1, 65535),
        "reload_interval_s": (0, 86_400),
        "load_timeout_s": (1, 86_400),
        "tune_s": (0, 3600),
        "grace_s": (0, 3600),
    }
    for name, (low, high) in ranges.items():
        value = getattr(said, name)
        if not low <= value <= high:
            raise BadConfig(f"--{name} must be from {low} to {high}, got {value}")
    if not all(1 <= n <= 65536 for n in said.batch_infer_size):
        raise BadConfig(f"--batch_infer_size must be from 1 to 65536, got {said.batch_infer_size}")
    if not all(0 <= n <= 256 for n in said.runtime_thread_num):
        raise BadConfig(f"--runtime_thread_num must be from 0 to 256, got {said.runtime_thread_num}")
    if said.backend not in ("", AUTO, *plugins.names(backends)):
        names = ", ".join((AUTO, *plugins.names(backends)))
        raise BadConfig(f"--backend must be one of {names}, got {said.backend}")
    if said.tune not in ("load", "off"):
        raise BadConfig(f"--tune must be load or off, got {said.tune}")
    for network in said.manage_from:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError as exc:
            raise BadConfig(f"--manage_from takes addresses and networks, as 10.0.0.0/8: {exc}") from None
    if said.key_file and said.use_encryption_model:
        raise BadConfig("--key_file has the key, and --use_encryption_model waits for it: give one of them")
    if said.precision not in ("fp32", "fp16", "int8", "bf16"):
        raise BadConfig(f"--precision must be fp32, fp16, int8 or bf16, got {said.precision}")
    if said.log_level.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise BadConfig(f"--log_level must be DEBUG, INFO, WARNING or ERROR, got {said.log_level}")


def _extra_ports(said: argparse.Namespace) -> list[int]:
    return [*said.extra_ports, *([said.prometheus_port] if said.enable_prometheus else [])]


def _key(file: str | None) -> str:
    if file is None:
        return ""
    if file == "-":
        return encryption.key_to_text(encryption.checked_key(sys.stdin.buffer.read(_MAX_KEY_BYTES), "standard input"))
    return encryption.key_to_text(encryption.read_key(file))


def gpu_of(gpu_ids: Sequence[str]) -> int | None:
    """The GPU of a single model, as the library counts; None for CPU."""
    return gpus.gpus_of(gpu_ids, 1, os.environ.get("CUDA_VISIBLE_DEVICES"))[0]


def _from_environment() -> list[str]:
    """What variables of Paddle Serving say, as flags."""
    size, level = (os.environ.get(name, "") for name in ("FLAGS_max_body_size", "GLOG_v"))
    argv = ["--max_body_size", size] if size.isdigit() else []
    return [*argv, "--log_level", "DEBUG"] if level.isdigit() and int(level) else argv


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in argv:
        return argv, []
    at = argv.index("--")
    return argv[:at], argv[at + 1 :]


def _from_yaml(flags: argparse.ArgumentParser, file: Path) -> list[str]:
    """The settings of a yaml file as flags: the file says the same, in the same words."""
    import yaml  # here, so that `check` runs where it is missing

    try:
        said = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadConfig(f"--config {file}: there is no such file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise BadConfig(f"--config {file}: {' '.join(str(exc).split())}") from exc
    if not isinstance(said, dict):
        raise BadConfig(f"--config {file}: expected settings as 'port: 9393', one a line, got {type(said).__name__}")
    actions = {name[2:]: a for a in flags._actions for name in a.option_strings if name.startswith("--")}
    argv: list[str] = []
    for key, value in said.items():
        action = actions.get(key)
        if action is None or key in ("help", "config"):
            valid = ", ".join(sorted(k for k in actions if k not in ("help", "config", *IGNORED)))
            raise BadConfig(f"--config {file}: unknown setting {key!r}; there are: {valid}")
        if action.nargs == 0:
            argv += [f"--{key}"] if value else []
            continue
        values = [str(v) for v in value] if isinstance(value, list) else [str(value)]
        repeated = isinstance(action, argparse._AppendAction)
        argv += [part for v in values for part in (f"--{key}", v)] if repeated else [f"--{key}", *values]
    return argv
