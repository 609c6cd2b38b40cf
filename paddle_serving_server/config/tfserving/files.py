"""The files of TensorFlow Serving: models, batching parameters and monitoring, each in protobuf's text form."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeVar

from google.protobuf import text_format
from google.protobuf.message import Message

from paddle_serving_client.errors import BadConfig
from paddle_serving_client.wire.proto import tfserving_config_pb2 as pb
from paddle_serving_server.config import container_paths, things
from paddle_serving_server.config.container_paths import Maps
from paddle_serving_server.config.tfserving.values import (
    All,
    BatchingParameters,
    Latest,
    ModelEntry,
    Policy,
    Specific,
)

MONITORING_PATH: Final = "/monitoring/prometheus/metrics"
_MAX_BYTES: Final = 1 << 20
_MAX_MODELS: Final = 4096
_LEAST: Final = {"max_batch_size": 1, "batch_timeout_micros": 0, "max_enqueued_batches": 1, "num_batch_threads": 1}
_LABEL: Final = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
_REMOTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_TEMPLATE: Final = re.compile(r"\$\{?\w+\}?")
_Message = TypeVar("_Message", bound=Message)


def models(path: str, maps: Maps = ()) -> tuple[ModelEntry, ...]:
    """The models of a `models.config`.

    Args:
        path: the file.
        maps: where the paths in it are on this machine.

    Raises:
        BadConfig: it cannot be read, is no such file, or says something impossible; names the line or the model.
    """
    return entries(_parsed(path, pb.ModelServerConfig()), path, maps)


def entries(config: pb.ModelServerConfig, where: str, maps: Maps = ()) -> tuple[ModelEntry, ...]:
    """The models of that message, wherever it came from.

    Raises:
        BadConfig: it says something impossible.
    """
    listed = config.model_config_list.config
    if not 0 < len(listed) <= _MAX_MODELS:
        raise BadConfig(f"{where}: model_config_list must have 1 to {_MAX_MODELS} models, got {len(listed)}")
    found = tuple(_entry(model, where, maps) for model in listed)
    names = [model.name for model in found]
    if twins := sorted({name for name in names if names.count(name) > 1}):
        raise BadConfig(f"{where}: model {twins[0]!r} is there more than once")
    return found


def batching(path: str) -> BatchingParameters:
    """The parameters in a `--batching_parameters_file`.

    Raises:
        BadConfig: as `models`.
    """
    message = _parsed(path, pb.BatchingParameters())
    numbers: dict[str, int | None] = {}
    for name, least in _LEAST.items():
        numbers[name] = getattr(message, name).value if message.HasField(name) else None
        if (number := numbers[name]) is not None and number < least:
            raise BadConfig(f"{path}: {name} must be at least {least}, got {number}")
    sizes = tuple(message.allowed_batch_sizes)
    if sizes and (list(sizes) != sorted(set(sizes)) or sizes[0] < 1):
        raise BadConfig(f"{path}: allowed_batch_sizes must be rising numbers of at least 1, got {list(sizes)[:16]}")
    if sizes and numbers["max_batch_size"] not in (None, sizes[-1]):
        raise BadConfig(
            f"{path}: the last of allowed_batch_sizes must be max_batch_size, which is {numbers['max_batch_size']}, "
            f"got {sizes[-1]}"
        )
    return BatchingParameters(
        **numbers,
        allowed_batch_sizes=sizes,
        pads_variable_length_inputs=message.pad_variable_length_inputs,
    )


def monitoring_path(path: str) -> str:
    """The path of the metrics that a `--monitoring_config_file` asks for; empty where it asks for none.

    Raises:
        BadConfig: as `models`.
    """
    wanted = _parsed(path, pb.MonitoringConfig()).prometheus_config
    if not wanted.enable:
        return ""
    if wanted.path and not wanted.path.startswith("/"):
        raise BadConfig(f"{path}: the path of the metrics must begin with /, got {wanted.path[:64]!r}")
    return wanted.path or MONITORING_PATH


def entry(name: str, base_path: str, where: str, maps: Maps = ()) -> ModelEntry:
    """The one model of `--model_name` and `--model_base_path`.

    Raises:
        BadConfig: no service can have the name, or the path is not of this machine.
    """
    return _entry(pb.ModelConfig(name=name, base_path=base_path, model_platform="tensorflow"), where, maps)


def _entry(model: pb.ModelConfig, where: str, maps: Maps) -> ModelEntry:
    if not things.NAME.fullmatch(model.name):
        raise BadConfig(f"{where}: a model's name has {things.NAME_RULE}; got {model.name[:64]!r}")
    at = f"{where}: model {model.name!r}"
    if not model.base_path:
        raise BadConfig(f"{at} has no base_path")
    if _REMOTE.match(model.base_path):
        raise BadConfig(
            f"{at}: base_path {model.base_path[:128]!r} is elsewhere; models are read from folders here, and "
            f"`python -m paddle_serving_server.monitor` fetches them"
        )
    return ModelEntry(
        name=model.name,
        base_path=container_paths.here(model.base_path, maps),
        policy=_policy(model.model_version_policy, at),
        labels=_labels(model, at),
        platform=model.model_platform or "tensorflow",
    )


def _policy(policy: pb.VersionPolicy, at: str) -> Policy:
    match policy.WhichOneof("policy_choice"):
        case "all":
            return All()
        case "specific":
            versions: Sequence[int] = policy.specific.versions
            if not versions or min(versions) < 0 or len(set(versions)) < len(versions):
                raise BadConfig(f"{at}: specific must have versions, each once, got {list(versions)[:16]}")
            return Specific(tuple(versions))
        case "latest":
            return Latest(policy.latest.num_versions or 1)
    return Latest()


def _labels(model: pb.ModelConfig, at: str) -> dict[str, int]:
    for label, version in model.version_labels.items():
        if not _LABEL.fullmatch(label) or version < 0:
            raise BadConfig(f"{at}: a label is letters, digits and _, for a version; got {label[:64]!r}: {version}")
    return dict(model.version_labels)


def _parsed(path: str, message: _Message) -> _Message:
    try:
        with Path(path).open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except OSError as exc:
        raise BadConfig(f"{path} cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise BadConfig(f"{path}: not text (byte {exc.start})") from exc
    if len(raw) > _MAX_BYTES:
        raise BadConfig(f"{path}: more than {_MAX_BYTES} bytes")
    try:
        return text_format.Parse(text, message)
    except text_format.ParseError as exc:
        template = _TEMPLATE.search(text)
        hint = f"; {template[0]} is for a program that fills it in before" if template else ""
        raise BadConfig(f"{path}: line {str(exc)[:256]}{hint}") from exc
