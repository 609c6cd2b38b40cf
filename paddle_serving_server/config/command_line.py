"""From the command line to what is to be done: flags, a file and variables become a checked `ServerConfig`, once."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from paddle_serving_app import backends
from paddle_serving_app.backend import ModelOptions
from paddle_serving_client import encryption, plugins
from paddle_serving_client.errors import BadConfig
from paddle_serving_server.config import flags, gpus, listening, things, tokens, trial_models
from paddle_serving_server.config.things import Thing, Things
from paddle_serving_server.config.triton import served
from paddle_serving_server.config.values import Limits, ServedModel, ServerConfig
from paddle_serving_server.engine import repository
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
    verb, words = _verb(known, known.words(argv))
    said = known.values(argv, known.values(flags.from_environment()))
    found = things.sorted_out(words)
    file = _settings(said.config, found)
    from_file: list[str] = []
    if file:
        from_file = flags.from_yaml(known, Path(file))
        said = known.values(argv, known.values(from_file, known.values(flags.from_environment())))
    has_host = any(a == "--host" or a.startswith("--host=") for a in (*from_file, *argv))
    has_port = known.values(argv, argparse.Namespace(port=None)).port is not None
    warnings = [f"{name} has no effect: {why}" for name, why in flags.ENVIRONMENT.items() if os.environ.get(name)]
    warnings += [f"--{name} has no effect: {why}" for name, why in flags.IGNORED.items() if getattr(said, name)]
    if verb != "start":
        token = tokens.of(said.manage_from, said.manage_token_file) if verb == "reload" else ""
        return Command(verb, said.port if has_port else None, ServerConfig(manage_token=token)), warnings
    config = _config(said, found, service_argv)
    if said.use_encryption_model:
        config = replace(config, key_host=said.host if has_host else _KEY_HOST)
    return Command(verb, said.port, config), warnings


def _verb(known: flags.Flags, words: list[str]) -> tuple[str, list[str]]:
    """What is to be done, and what is to be served."""
    words = [word for word in words if word.lower() not in flags.SWITCHES]
    if not words or words[0] not in flags.VERBS:
        return "start", words
    verb, *words = words
    if verb == "check":
        words = [word for word in words if word not in flags.CHECKS]
    if verb != "start" and words:
        known.error(f"unrecognized arguments: {' '.join(words)}")
    return verb, words


def _settings(flag: str | None, found: Things) -> str:
    """The file of settings, which `--config` names, or a word."""
    if flag and found.settings:
        raise BadConfig(f"one file of settings is taken, got --config {flag} and {found.settings}")
    return flag or found.settings


def _config(said: argparse.Namespace, found: Things, service_argv: list[str]) -> ServerConfig:
    chain = [things.parse(text) for text in said.model[:1]] + [Thing(text) for text in said.model[1:]]
    _check(said, chain, found)
    paths = [thing.path for thing in (*chain, *found.models)]
    chosen = gpus.gpus_of(said.gpu_ids, len(paths), os.environ.get("CUDA_VISIBLE_DEVICES"))
    options = ModelOptions(
        backend="" if said.backend == flags.AUTO else said.backend,
        threads=said.engine_threads or max(said.cpu_math_thread_num, 0),
        gpu_id=chosen[0] if len(set(chosen)) == 1 else None,
        precision=said.precision,
        use_trt=said.use_trt,
    )
    max_rows, instances = (_for_each_model(said, name) for name in ("batch_infer_size", "runtime_thread_num"))
    of_each = [
        replace(options, gpu_id=gpu, golden=file)
        for gpu, file in zip(chosen, [*_golden(said, len(paths)), ""], strict=False)
    ]
    models = _chain(said, chain, of_each, max_rows, instances)
    models += _alone(said, found, of_each[len(chain) :])
    repositories = served.repositories(said.model_repository)
    models += served.models(repositories)
    _refuse_twins([model.name for model in models])
    return ServerConfig(
        host=said.host,
        port=said.port,
        extra_ports=tuple(dict.fromkeys(port for port in _extra_ports(said) if port != said.port)),
        fronts=said.fronts,
        threads=said.thread,
        models=models,
        services=(*said.service, *found.services),
        allow_broken_models=said.allow_broken_models,
        triton=repositories,
        service_argv=tuple(service_argv),
        options=options,
        max_rows=_common(max_rows),
        tune_s=said.tune_s if said.tune == "load" else 0.0,
        max_wait_ms=said.batch_wait_ms,
        instances=said.instances or _common(instances),
        reload_interval_s=said.reload_interval_s,
        reload_code=said.reload_code,
        load_timeout_s=said.load_timeout_s,
        listen=tuple(listening.parse(text) for text in said.listen),
        manage_from=tuple(said.manage_from),
        manage_token=tokens.of(said.manage_from, said.manage_token_file),
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


def _chain(
    said: argparse.Namespace,
    chain: Sequence[Thing],
    options: Sequence[ModelOptions],
    max_rows: Sequence[int],
    instances: Sequence[int],
) -> tuple[ServedModel, ...]:
    """The one model, or chain of models, of `--model` and `--op`, if there is one."""
    if not chain:
        return ()
    flow = workflow.chain([thing.path for thing in chain], said.op)
    first = chain[0].path
    name = said.name or chain[0].name or things.name_of(first)
    if len(flow.nodes) == 1 and flow.nodes[0].op == workflow.INFER:
        return (ServedModel(name=name, folder=first, options=options[0]),)
    of_each = zip(flow.nodes, options[: len(flow.nodes)], max_rows, instances, strict=True)
    nodes = tuple(replace(n, options=o, max_rows=r, instances=said.instances or i) for n, o, r, i in of_each)
    return (ServedModel(name=name, folder=first, options=options[0], nodes=nodes, ends=flow.ends),)


def _alone(said: argparse.Namespace, found: Things, options: Sequence[ModelOptions]) -> tuple[ServedModel, ...]:
    """The models that are a service of their own each."""
    given = said.name if len(found.models) == 1 and not said.model else ""
    return tuple(
        ServedModel(
            name=given or thing.name or things.name_of(thing.path),
            folder=thing.path,
            options=option,
            handler=found.handlers.get(thing.path),
        )
        for thing, option in zip(found.models, options, strict=False)
    )


def _refuse_twins(names: Sequence[str]) -> None:
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise BadConfig(f"several models would be served as {', '.join(twins)}: give them names, as NAME=PATH")


def _for_each_model(said: argparse.Namespace, name: str) -> list[int]:
    """The values of a flag that takes one number for each model, or one for all; 0 where there is none."""
    values: list[int] = getattr(said, name) or [0]
    count = max(1, len(said.model))
    if len(values) not in (1, count):
        raise BadConfig(f"--{name} takes one number, or one for each of {count} models; got {len(values)}")
    return values * count if len(values) == 1 else values


def _golden(said: argparse.Namespace, count: int) -> list[str]:
    """The golden sample of each model; empty where none was given. `-` stands for a model without one."""
    files: list[str] = said.golden or ["-"] * count
    if len(files) != count:
        raise BadConfig(f"--golden takes one file for each of {count} models, - for none; got {len(files)}")
    for file in files:
        if file != "-" and not Path(file).is_file():
            raise BadConfig(f"--golden {file}: there is no such file")
    return ["" if file == "-" else str(Path(file).absolute()) for file in files]


def _common(values: Sequence[int]) -> int:
    """What is said for every model, and so for those of service files too; else 0."""
    return values[0] if len(set(values)) == 1 else 0


def _check(said: argparse.Namespace, chain: Sequence[Thing], found: Things) -> None:
    if said.dist_master_serving or said.dist_worker_serving_endpoints:
        raise BadConfig(
            "--dist_master_serving: this server does not hand requests on to others; give their addresses to "
            "Client.connect, which spreads requests over them"
        )
    things_there = chain or said.service or found.models or found.services or said.model_repository
    if not (things_there or said.allow_no_model):
        raise NothingToServe("You must specify your serving model: serve PATH, --model PATH or --service FILE.py")
    for thing in chain:
        repository.refuse_other(thing.path, "--model")
    called = chain[:1] or found.models
    if said.name and called and (len(called) > 1 or called[0].name):
        raise BadConfig(f"--name {said.name} is for one model without a name; give several theirs, as NAME=PATH")
    if said.golden and not chain and not found.models:
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
