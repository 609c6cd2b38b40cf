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
    given = known.values(argv, known.values(flags.from_environment()))
    found = things.sorted_out(words)
    file = _settings(given.config, found)
    from_file: list[str] = []
    if file:
        from_file = flags.from_yaml(known, Path(file))
        given = known.values(argv, known.values(from_file, known.values(flags.from_environment())))
    has_host = any(a == "--host" or a.startswith("--host=") for a in (*from_file, *argv))
    has_port = known.values(argv, argparse.Namespace(port=None)).port is not None
    warnings = [f"{name} has no effect: {why}" for name, why in flags.ENVIRONMENT.items() if os.environ.get(name)]
    warnings += [f"--{name} has no effect: {why}" for name, why in flags.IGNORED.items() if getattr(given, name)]
    if verb != "start":
        token = tokens.of(given.manage_from, given.manage_token_file) if verb == "reload" else ""
        return Command(verb, given.port if has_port else None, ServerConfig(manage_token=token)), warnings
    config = _config(given, found, service_argv)
    if given.use_encryption_model:
        config = replace(config, key_host=given.host if has_host else _KEY_HOST)
    return Command(verb, given.port, config), warnings


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


def _config(given: argparse.Namespace, found: Things, service_argv: list[str]) -> ServerConfig:
    chain = [things.parse(text) for text in given.model[:1]] + [Thing(text) for text in given.model[1:]]
    _check(given, chain, found)
    paths = [thing.path for thing in (*chain, *found.models)]
    chosen = gpus.gpus_of(given.gpu_ids, len(paths), os.environ.get("CUDA_VISIBLE_DEVICES"))
    options = ModelOptions(
        backend="" if given.backend == flags.AUTO else given.backend,
        threads=given.engine_threads or max(given.cpu_math_thread_num, 0),
        gpu_id=chosen[0] if len(set(chosen)) == 1 else None,
        precision=given.precision,
        use_trt=given.use_trt,
    )
    max_rows, instances = (_for_each_model(given, name) for name in ("batch_infer_size", "runtime_thread_num"))
    of_each = [
        replace(options, gpu_id=gpu, golden=file)
        for gpu, file in zip(chosen, [*_golden(given, len(paths)), ""], strict=False)
    ]
    models = _chain(given, chain, of_each, max_rows, instances)
    models += _alone(given, found, of_each[len(chain) :])
    repositories = served.repositories(given.model_repository)
    models += served.models(repositories)
    _refuse_twins([model.name for model in models])
    return ServerConfig(
        host=given.host,
        port=given.port,
        extra_ports=tuple(dict.fromkeys(port for port in _extra_ports(given) if port != given.port)),
        fronts=given.fronts,
        threads=given.thread,
        models=models,
        services=(*given.service, *found.services),
        allow_broken_models=given.allow_broken_models,
        triton=repositories,
        service_argv=tuple(service_argv),
        options=options,
        max_rows=_common(max_rows),
        tune_s=given.tune_s if given.tune == "load" else 0.0,
        max_wait_ms=given.batch_wait_ms,
        instances=given.instances or _common(instances),
        reload_interval_s=given.reload_interval_s,
        reload_code=given.reload_code,
        load_timeout_s=given.load_timeout_s,
        listen=tuple(listening.parse(text) for text in given.listen),
        manage_from=tuple(given.manage_from),
        manage_token=tokens.of(given.manage_from, given.manage_token_file),
        variants=trial_models.parse_all("variant", given.variant, None),
        shadows=trial_models.parse_all("shadow", given.shadow, 100.0),
        shadow_tolerance=given.shadow_tolerance,
        variant_by_log_id=given.variant_by_log_id,
        cache_bytes=given.request_cache_size,
        enable_prometheus=given.enable_prometheus,
        grace_s=given.grace_s,
        key=_key(given.key_file),
        encryption_rpc_port=given.encryption_rpc_port,
        limits=Limits(
            max_body_bytes=given.max_body_size,
            request_s=given.request_timeout_ms / 1000,
            max_waiting=given.max_waiting,
            max_inside=given.max_inside,
        ),
        log_level=given.log_level.upper(),
    )


def _chain(
    given: argparse.Namespace,
    chain: Sequence[Thing],
    options: Sequence[ModelOptions],
    max_rows: Sequence[int],
    instances: Sequence[int],
) -> tuple[ServedModel, ...]:
    """The one model, or chain of models, of `--model` and `--op`, if there is one."""
    if not chain:
        return ()
    flow = workflow.chain([thing.path for thing in chain], given.op)
    first = chain[0].path
    name = given.name or chain[0].name or things.name_of(first)
    if len(flow.nodes) == 1 and flow.nodes[0].op == workflow.INFER:
        return (ServedModel(name=name, folder=first, options=options[0]),)
    of_each = zip(flow.nodes, options[: len(flow.nodes)], max_rows, instances, strict=True)
    nodes = tuple(replace(n, options=o, max_rows=r, instances=given.instances or i) for n, o, r, i in of_each)
    return (ServedModel(name=name, folder=first, options=options[0], nodes=nodes, ends=flow.ends),)


def _alone(given: argparse.Namespace, found: Things, options: Sequence[ModelOptions]) -> tuple[ServedModel, ...]:
    """The models that are a service of their own each."""
    own_name = given.name if len(found.models) == 1 and not given.model else ""
    return tuple(
        ServedModel(
            name=own_name or thing.name or things.name_of(thing.path),
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


def _for_each_model(given: argparse.Namespace, name: str) -> list[int]:
    """The values of a flag that takes one number for each model, or one for all; 0 where there is none."""
    values: list[int] = getattr(given, name) or [0]
    count = max(1, len(given.model))
    if len(values) not in (1, count):
        raise BadConfig(f"--{name} takes one number, or one for each of {count} models; got {len(values)}")
    return values * count if len(values) == 1 else values


def _golden(given: argparse.Namespace, count: int) -> list[str]:
    """The golden sample of each model; empty where none was given. `-` stands for a model without one."""
    files: list[str] = given.golden or ["-"] * count
    if len(files) != count:
        raise BadConfig(f"--golden takes one file for each of {count} models, - for none; got {len(files)}")
    for file in files:
        if file != "-" and not Path(file).is_file():
            raise BadConfig(f"--golden {file}: there is no such file")
    return ["" if file == "-" else str(Path(file).absolute()) for file in files]


def _common(values: Sequence[int]) -> int:
    """What is said for every model, and so for those of service files too; else 0."""
    return values[0] if len(set(values)) == 1 else 0


def _check(given: argparse.Namespace, chain: Sequence[Thing], found: Things) -> None:
    if given.dist_master_serving or given.dist_worker_serving_endpoints:
        raise BadConfig(
            "--dist_master_serving: this server does not hand requests on to others; give their addresses to "
            "Client.connect, which spreads requests over them"
        )
    things_there = chain or given.service or found.models or found.services or given.model_repository
    if not (things_there or given.allow_no_model):
        raise NothingToServe("You must specify your serving model: serve PATH, --model PATH or --service FILE.py")
    for thing in chain:
        repository.refuse_other(thing.path, "--model")
    called = chain[:1] or found.models
    if given.name and called and (len(called) > 1 or called[0].name):
        raise BadConfig(f"--name {given.name} is for one model without a name; give several theirs, as NAME=PATH")
    if given.golden and not chain and not found.models:
        raise BadConfig("--golden is for the models of --model; those of a service have golden.npz in their folders")
    for file in given.service:
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
        value = getattr(given, name)
        if not low <= value <= high:
            raise BadConfig(f"--{name} must be from {low} to {high}, got {value}")
    if not all(1 <= n <= 65536 for n in given.batch_infer_size):
        raise BadConfig(f"--batch_infer_size must be from 1 to 65536, got {given.batch_infer_size}")
    if not all(0 <= n <= 256 for n in given.runtime_thread_num):
        raise BadConfig(f"--runtime_thread_num must be from 0 to 256, got {given.runtime_thread_num}")
    if given.backend not in ("", flags.AUTO, *plugins.names(backends)):
        names = ", ".join((flags.AUTO, *plugins.names(backends)))
        raise BadConfig(f"--backend must be one of {names}, got {given.backend}")
    if given.tune not in ("load", "off"):
        raise BadConfig(f"--tune must be load or off, got {given.tune}")
    if given.key_file and given.use_encryption_model:
        raise BadConfig("--key_file has the key, and --use_encryption_model waits for it: give one of them")
    if given.precision not in ("fp32", "fp16", "int8", "bf16"):
        raise BadConfig(f"--precision must be fp32, fp16, int8 or bf16, got {given.precision}")
    if given.log_level.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise BadConfig(f"--log_level must be DEBUG, INFO, WARNING or ERROR, got {given.log_level}")


def _extra_ports(given: argparse.Namespace) -> list[int]:
    return [*given.extra_ports, *([given.prometheus_port] if given.enable_prometheus else [])]


def _key(file: str | None) -> str:
    if file is None:
        return ""
    if file == "-":
        return encryption.key_to_text(encryption.checked_key(sys.stdin.buffer.read(_MAX_KEY_BYTES), "standard input"))
    return encryption.key_to_text(encryption.read_key(file))
