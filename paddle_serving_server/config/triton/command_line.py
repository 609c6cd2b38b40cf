"""The flags of tritonserver: those that mean something here, those without effect, and those that must not be ignored.

`--flag=value` and `--flag value` are the same, as for Triton; a flag that there is not is an error.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from paddle_serving_client.errors import BadConfig
from paddle_serving_server.config.triton.flags import EVERY_MODEL, TritonFlags

_ON: Final = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
_MAX_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class _Flag:
    """What is done with the value of a flag."""

    field: str
    """Of `TritonFlags`; empty: nothing is done."""
    read: Callable[[str, str], Any]
    many: bool = False


def parse(argv: Sequence[str]) -> TritonFlags:
    """Read a command line, without the name of the program.

    Raises:
        BadConfig: a flag that there is not, one that cannot be had here, a value that cannot be, flags that exclude
            each other, or no model repository.
    """
    values: dict[str, Any] = {"without_effect": (), "load_models": (), "maps": (), "repositories": ()}
    verbosity: dict[str, bool] = {}
    for name, text in _pairs(argv):
        if name in _REFUSED and _ON.get(text.lower(), True):
            raise BadConfig(f"--{name} cannot be had here: {_REFUSED[name]}")
        if name in _LEVELS:
            verbosity[name] = _int_or_bool(name, text) > 0
        elif name in _SETTINGS:
            _SETTINGS[name](values, name, text)
        elif (flag := _FLAGS.get(name)) is not None:
            value = flag.read(name, text)
            values[flag.field] = (*values[flag.field], value) if flag.many else value
        elif name in _WITHOUT_EFFECT or name in _REFUSED:
            _ignore(values, f"--{name}")
        else:
            raise BadConfig(f"there is no flag --{name}; --help says which there are")
    values["log_level"] = _log_level(verbosity)
    flags = TritonFlags(**values)
    _check(flags)
    return flags


def known() -> tuple[str, ...]:
    """The names of all flags that Triton has, sorted."""
    return tuple(sorted({*meaningful(), *_WITHOUT_EFFECT, *_REFUSED}))


def meaningful() -> tuple[str, ...]:
    """The names of those that change something, sorted."""
    return tuple(sorted({*_FLAGS, *_LEVELS, *_SETTINGS}))


def _pairs(argv: Sequence[str]) -> list[tuple[str, str]]:
    """Names and values; of the flags that take none the value is empty."""
    pairs = []
    words = list(argv)
    while words:
        word = words.pop(0)
        if word == "-h":
            word = "--help"
        if not word.startswith("--") or word == "--":
            raise BadConfig(f"unexpected {word!r}: flags begin with --, as --model-repository=/models")
        name, equals, text = word[2:].partition("=")
        if name in _ALONE:
            if equals:
                raise BadConfig(f"--{name} takes no value, got {text!r}")
        elif not equals:
            if not words:
                raise BadConfig(f"--{name} needs a value" if name in known() else f"there is no flag --{name}")
            text = words.pop(0)
        pairs.append((name, text))
    return pairs


def _check(flags: TritonFlags) -> None:
    if flags.wants_help:
        return
    if not flags.repositories:
        raise BadConfig("--model-repository is missing: which folder holds the models?")
    if flags.load_models and flags.control_mode != "explicit":
        raise BadConfig("Use of '--load-model' requires setting '--model-control-mode=explicit' as well.")
    if EVERY_MODEL in flags.load_models and len(flags.load_models) > 1:
        raise BadConfig(f"--load-model={EVERY_MODEL} loads all models; it stands alone")
    if not (flags.allow_http or flags.allow_grpc):
        raise BadConfig("--allow-http=false and --allow-grpc=false leave nobody to ask the server")


def _ignore(values: dict[str, Any], what: str) -> None:
    if what not in values["without_effect"]:
        values["without_effect"] = (*values["without_effect"], what)


def _text(name: str, text: str) -> str:
    if not text:
        raise BadConfig(f"--{name} needs a value")
    return text


def _bool(name: str, text: str) -> bool:
    if text.lower() not in _ON:
        raise BadConfig(f"--{name} is true or false, got {text!r}")
    return _ON[text.lower()]


def _whole(least: int, most: int = 1 << 62) -> Callable[[str, str], int]:
    def read(name: str, text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,19}", text) or not least <= int(text) <= most:
            bound = f"from {least} to {most}" if most < 1 << 62 else f"of {least} or more"
            raise BadConfig(f"--{name} is a number {bound}, got {text!r}")
        return int(text)

    return read


def _int_or_bool(name: str, text: str) -> int:
    """As Triton reads how much is logged."""
    return int(_ON[text.lower()]) if text.lower() in _ON else _whole(0)(name, text)


def _one_of(*allowed: str) -> Callable[[str, str], str]:
    def read(name: str, text: str) -> str:
        if text not in allowed:
            raise BadConfig(f"--{name} is one of {', '.join(allowed)}; got {text!r}")
        return text

    return read


def _load_or_off(name: str, text: str) -> bool:
    return _one_of("load", "off")(name, text) == "load"


def _pattern(name: str, text: str) -> str:
    try:
        re.compile(text)
    except re.error as exc:
        raise BadConfig(f"--{name} is no regular expression: {exc}") from exc
    return text


def _log_level(verbosity: Mapping[str, bool]) -> str:
    if verbosity.get("log-verbose"):
        return "DEBUG"
    for name in ("log-info", "log-warning", "log-error"):
        if verbosity.get(name, True):
            return _LEVELS[name]
    return "CRITICAL"


def _backend_config(values: dict[str, Any], name: str, text: str) -> None:
    """`BACKEND,SETTING=VALUE`, or `SETTING=VALUE` for all of them."""
    setting, equals, value = text.partition("=")
    if not equals:
        raise BadConfig(f"--{name} is BACKEND,SETTING=VALUE, as onnxruntime,default-max-batch-size=8; got {text!r}")
    backend, _, short = setting.rpartition(",")
    if short == "default-max-batch-size" and backend in ("", "onnxruntime"):
        values["default_max_batch_size"] = _whole(0, 1 << 20)(f"{name}={setting}", value)
    else:
        _ignore(values, f"--{name}={text}")


def _cache_config(values: dict[str, Any], name: str, text: str) -> None:
    """`CACHE,SETTING=VALUE`."""
    setting, equals, value = text.partition("=")
    if not equals:
        raise BadConfig(f"--{name} is CACHE,SETTING=VALUE, as local,size=1048576; got {text!r}")
    if setting == "local,size":
        values["cache_bytes"] = _whole(0)(f"{name}={setting}", value)
    else:
        _ignore(values, f"--{name}={text}")


def _no_completion(values: dict[str, Any], name: str, text: str) -> None:
    values["strict_config"] = True


def _help(values: dict[str, Any], name: str, text: str) -> None:
    values["wants_help"] = True


_PORT: Final = _whole(0, _MAX_PORT)
_ALONE: Final = {"help", "disable-auto-complete-config"}
"""Flags without a value."""
_LEVELS: Final = {"log-verbose": "DEBUG", "log-info": "INFO", "log-warning": "WARNING", "log-error": "ERROR"}
_SETTINGS: Final[Mapping[str, Callable[[dict[str, Any], str, str], None]]] = {
    "backend-config": _backend_config,
    "cache-config": _cache_config,
    "disable-auto-complete-config": _no_completion,
    "help": _help,
}
_FLAGS: Final[Mapping[str, _Flag]] = {
    "model-repository": _Flag("repositories", _text, many=True),
    "model-store": _Flag("repositories", _text, many=True),
    "model-control-mode": _Flag("control_mode", _one_of("none", "poll", "explicit")),
    "load-model": _Flag("load_models", _text, many=True),
    "repository-poll-secs": _Flag("poll_s", _whole(1)),
    "allow-http": _Flag("allow_http", _bool),
    "http-address": _Flag("http_host", _text),
    "http-port": _Flag("http_port", _PORT),
    "http-max-input-size": _Flag("max_body_bytes", _whole(1)),
    "http-header-forward-pattern": _Flag("header_pattern", _pattern),
    "allow-grpc": _Flag("allow_grpc", _bool),
    "grpc-address": _Flag("grpc_host", _text),
    "grpc-port": _Flag("grpc_port", _PORT),
    "allow-metrics": _Flag("allow_metrics", _bool),
    "metrics-address": _Flag("metrics_host", _text),
    "metrics-port": _Flag("metrics_port", _PORT),
    "strict-model-config": _Flag("strict_config", _bool),
    "model-config-name": _Flag("config_name", _text),
    "exit-on-error": _Flag("exit_on_error", _bool),
    "strict-readiness": _Flag("strict_readiness", _bool),
    "exit-timeout-secs": _Flag("exit_timeout_s", _whole(0)),
    "model-load-retry-count": _Flag("load_retries", _whole(0)),
    "response-cache-byte-size": _Flag("cache_bytes", _whole(0)),
    "log-file": _Flag("log_file", _text),
    "id": _Flag("server_id", _text),
    "map": _Flag("maps", _text, many=True),
    "backend-policy": _Flag("backend_policy", _one_of("measured", "exact")),
    "request-timeout-secs": _Flag("request_timeout_s", _whole(1, 86_400)),
    "tune": _Flag("tunes", _load_or_off),
}
_WITHOUT_EFFECT: Final = frozenset(
    {
        "allow-cpu-metrics", "allow-gpu-metrics", "backend-directory", "buffer-manager-thread-count",
        "cache-directory", "cuda-memory-pool-byte-size", "cuda-virtual-address-size", "enable-peer-access",
        "grpc-header-forward-pattern", "grpc-http2-max-ping-strikes", "grpc-http2-max-pings-without-data",
        "grpc-http2-min-recv-ping-interval-without-data", "grpc-infer-allocation-pool-size",
        "grpc-infer-response-compression-level", "grpc-infer-thread-count", "grpc-keepalive-permit-without-calls",
        "grpc-keepalive-time", "grpc-keepalive-timeout", "grpc-max-connection-age", "grpc-max-connection-age-grace",
        "grpc-max-response-pool-size", "host-policy", "http-thread-count", "log-format", "metrics-config",
        "metrics-interval-ms", "min-supported-compute-capability", "model-load-gpu-limit", "model-load-thread-count",
        "model-namespacing", "pinned-memory-pool-byte-size", "rate-limit", "rate-limit-resource",
        "repoagent-directory", "reuse-grpc-port", "reuse-http-port", "trace-config", "trace-count", "trace-file",
        "trace-level", "trace-log-frequency", "trace-rate",
    }
)  # fmt: skip
_TLS: Final = "this server speaks plain text; put a proxy that speaks TLS before it"
_CHANGES: Final = "what changes the server is answered to this machine, or to who has a token (--manage_token)"
_REFUSED: Final = {
    "allow-client-shm": "callers share no memory with the server; send tensors in binary form",
    "http-restricted-api": _CHANGES,
    "grpc-restricted-protocol": _CHANGES,
    **dict.fromkeys(
        ("grpc-use-ssl", "grpc-use-ssl-mutual", "grpc-server-cert", "grpc-server-key", "grpc-root-cert"), _TLS
    ),
    "allow-sagemaker": "SageMaker's paths are not answered",
    "allow-vertex-ai": "Vertex AI's paths are not answered",
}
"""Who asks for these relies on them: to go on without would be worse than not to start. Turned off they are nothing."""
