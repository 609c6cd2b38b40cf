"""From the command line to what is to be done: flags, a file and variables become a checked `ServerConfig`, once."""

import argparse
import ipaddress
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from paddle_serving_app import backends
from paddle_serving_app.backend import ModelOptions
from paddle_serving_client import encryption, plugins
from paddle_serving_client.errors import BadConfig
from paddle_serving_server.config import flags, gpus, trial_models
from paddle_serving_server.config.values import Limits, ServedModel, ServerConfig
from paddle_serving_server.graph import workflow

_KEY_HOST = "localhost"
"""Where a key is waited for, unless `--host` says otherwise: it comes in the clear."""
_MAX_KEY_BYTES = 64


@dataclass(frozen=True, slots=True)
class Command:
    """What was asked for on the command line."""

    verb: str
    """One of `flags.VERBS`."""
    port: int | None
    """For stop and kill: only the server on that port; None means all."""
    config: ServerConfig


class NothingToServe(BadConfig):
    """Neither a model nor a service file was named."""


def parse(argv: Sequence[str]) -> tuple[Command, list[str]]:
    """Read the command line, and the yaml file it may name.

    Returns:
        The command, and warnings for the operator.

    Raises:
        BadConfig: a value is impossible; the message names the flag, what came and what is expected.
    """
    known = flags.parser()
    argv, service_argv = flags.split(list(argv))
    if "check" in argv:
        argv = [word for word in argv if word not in flags.CHECKS]
    said = known.parse_args(argv, known.parse_args(flags.from_environment()))
    from_file: list[str] = []
    if said.config:
        from_file = flags.from_yaml(known, Path(said.config))
        said = known.parse_args(argv, known.parse_args(from_file, known.parse_args(flags.from_environment())))
    has_host = any(a == "--host" or a.startswith("--host=") for a in (*from_file, *argv))
    # Any other word is the "True" of an old `--ir_optim True`.
    verb = said.verb if said.verb in flags.VERBS else "start"
    has_port = known.parse_args(argv, argparse.Namespace(port=None)).port is not None
    warnings = [f"{name} has no effect: {why}" for name, why in flags.ENVIRONMENT.items() if os.environ.get(name)]
    warnings += [f"--{name} has no effect: {why}" for name, why in flags.IGNORED.items() if getattr(said, name)]
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
        backend="" if said.backend == flags.AUTO else said.backend,
        threads=said.engine_threads or max(said.cpu_math_thread_num, 0),
        gpu_id=chosen[0] if len(set(chosen)) == 1 else None,
        precision=said.precision,
        use_trt=said.use_trt,
    )
    max_rows, instances = (_for_each_model(said, name) for name in ("batch_infer_size", "runtime_thread_num"))
    of_each = [
        replace(options, gpu_id=gpu, golden=file) for gpu, file in zip(chosen, [*_golden(said), ""], strict=False)
    ]
    models = _models(said, of_each, max_rows, instances)
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
            max_inside=said.max_inside,
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


def _golden(said: argparse.Namespace) -> list[str]:
    """The golden sample of each model; empty where none was given. `-` stands for a model without one."""
    files: list[str] = said.golden or ["-"] * len(said.model)
    if len(files) != len(said.model):
        raise BadConfig(f"--golden takes one file for each of {len(said.model)} models, - for none; got {len(files)}")
    for file in files:
        if file != "-" and not Path(file).is_file():
            raise BadConfig(f"--golden {file}: there is no such file")
    return ["" if file == "-" else str(Path(file).absolute()) for file in files]


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
    if said.golden and not said.model:
        raise BadConfig("--golden is for the models of --model; those of a service have golden.npz in their folders")
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
        "max_inside": (0, 10**6),
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
    if said.backend not in ("", flags.AUTO, *plugins.names(backends)):
        names = ", ".join((flags.AUTO, *plugins.names(backends)))
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
