"""Flags and yaml become frozen values here, once; nothing else in the server reads either."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from paddle_serving_app import backends
from paddle_serving_app.backend import ModelOptions
from paddle_serving_client import plugins
from paddle_serving_client.errors import BadConfig


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Everything a server needs to know."""

    host: str = "0.0.0.0"
    port: int = 9393
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
    grace_s: float = 30.0
    """Longest time for requests in work when the server stops."""
    limits: Limits = field(default_factory=Limits)
    log_level: str = "INFO"

    def to_json(self) -> str:
        """For the way to a front process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> "ServerConfig":
        """The opposite of `to_json`."""
        said = json.loads(text)
        models = tuple(ServedModel(**{**m, "options": ModelOptions(**m["options"])}) for m in said["models"])
        tuples = {key: tuple(said[key]) for key in ("services", "service_argv")}
        values = {"models": models, "options": ModelOptions(**said["options"]), "limits": Limits(**said["limits"])}
        return cls(**{**said, **tuples, **values})


@dataclass(frozen=True, slots=True)
class Command:
    """What was asked for on the command line."""

    verb: str
    """start, stop or kill."""
    port: int | None
    """For stop and kill: only the server on that port; None means all."""
    config: ServerConfig


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
    "runtime_thread_num": "engines batch by themselves",
}
"""Flags of Paddle Serving 0.9 that are understood, and why they change nothing."""


def parser() -> argparse.ArgumentParser:
    """The flags of `python -m paddle_serving_server.serve`."""
    flags = argparse.ArgumentParser(
        prog="python -m paddle_serving_server.serve",
        description="Serve models: RPC and HTTP on one port.",
        epilog="Everything behind -- is handed to the service files.",
    )
    add = flags.add_argument
    add("verb", nargs="?", default="start", help="start (default); stop or kill: end servers started here")
    add("--model", nargs="+", default=[], metavar="DIR", help="model folder, made by paddle_serving_client.convert")
    add("--name", help="its name in POST /NAME/prediction (default: the folder's name)")
    add("--service", action="append", default=[], metavar="FILE.py", help="host this WebService too; repeatable")
    add("--config", metavar="FILE.yml", help="the same settings as these flags, from a file; flags win")
    add("--host", default="0.0.0.0", help="address to listen on; :: for IPv6 and IPv4")
    add("--port", type=int, default=9393, help="port for all protocols (default 9393)")
    add("--thread", type=int, default=4, help="threads for pre- and postprocessing in each front (default 4)")
    add("--fronts", type=int, default=1, help="processes that accept connections (default 1)")
    add("--backend", default="", help="paddle, onnxruntime or openvino; auto (default): what measures fastest")
    add("--tune", default="load", help="load (default): measure a new model at its first load; off: never")
    add("--tune_s", type=float, default=10.0, help="how long to measure, in seconds (default 10)")
    add("--engine_threads", type=int, default=0, help="computing threads of an engine (default: what measures best)")
    add("--gpu_ids", nargs="+", default=[], metavar="ID", help="GPU to use, -1 for CPU (default: CPU)")
    add("--precision", default="fp32", type=str.lower, help="fp32, fp16, int8 or bf16, where the library can")
    add("--ir_optim", action="store_true", help="always on; kept for old scripts")
    add("--use_trt", action="store_true", help="TensorRT, on GPU")
    add("--batch_infer_size", type=int, nargs="+", default=[], help="largest batch, in rows (default: as measured)")
    add("--batch_wait_ms", type=float, default=0.0, help="longest wait for company in a batch (default 0)")
    add("--max_body_size", type=int, default=64 << 20, help="largest request in bytes (default 64 MiB)")
    add("--max_waiting", type=int, default=1000, help="requests that may wait for one engine (default 1000)")
    add("--request_timeout_ms", type=float, default=60_000, help="longest time for one request (default 60000)")
    add("--grace_s", type=float, default=30.0, help="longest time to finish requests when stopping (default 30)")
    add("--log_level", default="INFO", help="DEBUG, INFO, WARNING or ERROR (default INFO)")
    for name in IGNORED:
        nargs = "*" if name in ("workdir", "device", "runtime_thread_num") else 0
        kind: dict[str, Any] = {"action": "store_true"} if nargs == 0 else {"nargs": nargs, "default": None}
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
    said = flags.parse_args(argv)
    if said.config:
        said = flags.parse_args(argv, flags.parse_args(_from_yaml(flags, Path(said.config))))
    verb = said.verb if said.verb in ("stop", "kill") else "start"
    has_port = any(a == "--port" or a.startswith("--port=") for a in argv)
    warnings = [f"--{name} has no effect: {why}" for name, why in IGNORED.items() if getattr(said, name)]
    if verb != "start":
        return Command(verb, said.port if has_port else None, ServerConfig()), warnings
    return Command(verb, said.port, _config(said, service_argv)), warnings


def _config(said: argparse.Namespace, service_argv: list[str]) -> ServerConfig:
    _check(said)
    options = ModelOptions(
        backend="" if said.backend == AUTO else said.backend,
        threads=said.engine_threads,
        gpu_id=gpu_of(said.gpu_ids),
        precision=said.precision,
        use_trt=said.use_trt,
    )
    models = tuple(ServedModel(name=said.name or Path(f).resolve().name, folder=f, options=options) for f in said.model)
    return ServerConfig(
        host=said.host,
        port=said.port,
        fronts=said.fronts,
        threads=said.thread,
        models=models,
        services=tuple(said.service),
        service_argv=tuple(service_argv),
        options=options,
        max_rows=said.batch_infer_size[0] if said.batch_infer_size else 0,
        tune_s=said.tune_s if said.tune == "load" else 0.0,
        max_wait_ms=said.batch_wait_ms,
        grace_s=said.grace_s,
        limits=Limits(
            max_body_bytes=said.max_body_size,
            request_s=said.request_timeout_ms / 1000,
            max_waiting=said.max_waiting,
        ),
        log_level=said.log_level.upper(),
    )


def _check(said: argparse.Namespace) -> None:
    if not said.model and not said.service:
        raise BadConfig("You must specify your serving model: --model DIR, --service FILE.py or both")
    if len(said.model) > 1:
        raise BadConfig("--model takes one folder; a chain of several models is not supported yet")
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
        "thread": (1, 1024),
        "fronts": (1, 256),
        "engine_threads": (0, 1024),
        "max_body_size": (1, 2**40),
        "max_waiting": (1, 10**6),
        "request_timeout_ms": (1, 10**9),
        "batch_wait_ms": (0, 60_000),
        "tune_s": (0, 3600),
        "grace_s": (0, 3600),
    }
    for name, (low, high) in ranges.items():
        value = getattr(said, name)
        if not low <= value <= high:
            raise BadConfig(f"--{name} must be from {low} to {high}, got {value}")
    if not all(1 <= n <= 65536 for n in said.batch_infer_size):
        raise BadConfig(f"--batch_infer_size must be from 1 to 65536, got {said.batch_infer_size}")
    if said.backend not in ("", AUTO, *plugins.names(backends)):
        names = ", ".join((AUTO, *plugins.names(backends)))
        raise BadConfig(f"--backend must be one of {names}, got {said.backend}")
    if said.tune not in ("load", "off"):
        raise BadConfig(f"--tune must be load or off, got {said.tune}")
    if said.precision not in ("fp32", "fp16", "int8", "bf16"):
        raise BadConfig(f"--precision must be fp32, fp16, int8 or bf16, got {said.precision}")
    if said.log_level.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise BadConfig(f"--log_level must be DEBUG, INFO, WARNING or ERROR, got {said.log_level}")


def gpu_of(gpu_ids: list[str]) -> int | None:
    """The one GPU of `--gpu_ids 0`; None for CPU."""
    ids = [part for item in gpu_ids for part in item.split(",") if part.strip()]
    try:
        numbers = [int(part) for part in ids]
    except ValueError:
        raise BadConfig(f"--gpu_ids takes numbers, got {' '.join(gpu_ids)}") from None
    if any(n < -1 for n in numbers):
        raise BadConfig(f"The input of gpuid error: --gpu_ids must be -1 (CPU) or more, got {' '.join(gpu_ids)}")
    if -1 in numbers and len(set(numbers)) > 1:
        raise BadConfig("You can not use CPU and GPU in one model: --gpu_ids mixes -1 with others")
    if len(set(numbers)) > 1:
        raise BadConfig(f"--gpu_ids takes one GPU, got {' '.join(gpu_ids)}; several are not supported yet")
    return numbers[0] if numbers and numbers[0] >= 0 else None


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in argv:
        return argv, []
    at = argv.index("--")
    return argv[:at], argv[at + 1 :]


def _from_yaml(flags: argparse.ArgumentParser, file: Path) -> list[str]:
    """The settings of a yaml file as flags: the file says the same, in the same words."""
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
