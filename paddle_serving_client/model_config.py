"""A model folder's config: what the prototxt says about the inputs and outputs of a model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from google.protobuf import text_format

from paddle_serving_client.dtype import ELEM_TYPES, name_of
from paddle_serving_client.errors import BadConfig
from paddle_serving_client.wire.proto import general_model_config_pb2 as pb

SERVER_CONFIG = "serving_server_conf.prototxt"
SERVER_STREAM = "serving_server_conf.stream.prototxt"
CLIENT_CONFIG = "serving_client_conf.prototxt"
CLIENT_STREAM = "serving_client_conf.stream.prototxt"

_MAX_CONFIG_BYTES = 1 << 20
_Var = TypeVar("_Var", pb.FeedVar, pb.FetchVar)


@dataclass(frozen=True, slots=True)
class Variable:
    """One input or output as the prototxt describes it."""

    name: str
    """The variable's name inside the model."""
    alias: str
    """The name callers use in `feed` and `fetch`."""
    elem_type: int
    """A code of `dtype.ELEM_TYPES`, or `dtype.UNKNOWN`."""
    shape: tuple[int, ...]
    """Without the batch axis; converters drop every dimension that is not fixed, people write -1."""
    is_lod: bool = False


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """The inputs and outputs of a model, in the order of the prototxt."""

    feeds: tuple[Variable, ...]
    fetches: tuple[Variable, ...]


def read(path: str | Path, file_name: str = SERVER_CONFIG) -> ModelSpec:
    """Read a config from a model folder, or from the prototxt itself.

    Args:
        path: a folder that holds `file_name`, or a prototxt file.
        file_name: `SERVER_CONFIG` or `CLIENT_CONFIG`.

    Raises:
        FileNotFoundError: there is no such file.
        BadConfig: the file is not a config; the message names the file and the line.
    """
    path = Path(path)
    file = path / file_name if path.is_dir() else path
    with file.open("rb") as stream:
        raw = stream.read(_MAX_CONFIG_BYTES + 1)
    if len(raw) > _MAX_CONFIG_BYTES:
        raise BadConfig(f"{file}: a model config is at most {_MAX_CONFIG_BYTES} bytes, this one is larger")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise BadConfig(f"{file}: not UTF-8 text (byte {exc.start})") from exc
    return parse(text, source=str(file))


def parse(text: str, source: str = "config") -> ModelSpec:
    """Read a config from its text.

    Raises:
        BadConfig: not the text form of a GeneralModelConfig, or a variable that cannot be; names `source`.
    """
    message = pb.GeneralModelConfig()
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as exc:
        raise BadConfig(f"{source}: {exc}") from exc
    spec = ModelSpec(
        tuple(_variable(var, var.feed_type, source) for var in message.feed_var),
        tuple(_variable(var, var.fetch_type, source) for var in message.fetch_var),
    )
    for kind, variables in (("feed_var", spec.feeds), ("fetch_var", spec.fetches)):
        if not variables:
            raise BadConfig(f"{source}: no {kind}; a model has at least one")
        _refuse_twins(kind, "name", [var.name for var in variables], source)
        _refuse_twins(kind, "alias_name", [var.alias for var in variables], source)
    return spec


def read_chain(paths: str | Path | Sequence[str | Path], file_name: str = SERVER_CONFIG) -> ModelSpec:
    """The config of models that run one after the other: inputs of the first, outputs of the last."""
    if isinstance(paths, str | Path):
        return read(paths, file_name)
    if not paths:
        raise BadConfig("no model config was given")
    return ModelSpec(read(paths[0], file_name).feeds, read(paths[-1], file_name).fetches)


def to_text(spec: ModelSpec) -> str:
    """The text form, byte for byte as Paddle Serving's converter writes it."""
    return text_format.MessageToString(_message(spec))


def to_stream(spec: ModelSpec) -> bytes:
    """The binary form (`*.stream.prototxt`)."""
    return _message(spec).SerializeToString()


def _variable(var: pb.FeedVar | pb.FetchVar, elem_type: int, source: str) -> Variable:
    alias = var.alias_name or var.name
    if not var.name:
        raise BadConfig(f"{source}: variable {alias!r} has no name")
    if elem_type not in ELEM_TYPES and elem_type != -1:
        known = ", ".join(f"{code} {name_of(code)}" for code in ELEM_TYPES)
        raise BadConfig(f"{source}: {alias!r} has type {elem_type}; known types are {known}")
    if any(dim < -1 for dim in var.shape):
        raise BadConfig(f"{source}: {alias!r} has shape {list(var.shape)}; a dimension is -1 or more")
    return Variable(var.name, alias, elem_type, tuple(var.shape), var.is_lod_tensor)


def _refuse_twins(kind: str, field: str, names: list[str], source: str) -> None:
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise BadConfig(f"{source}: {kind} {field} {', '.join(map(repr, twins))} is there more than once")


def _message(spec: ModelSpec) -> pb.GeneralModelConfig:
    message = pb.GeneralModelConfig()
    _fill(spec.feeds, message.feed_var.add, "feed_type")
    _fill(spec.fetches, message.fetch_var.add, "fetch_type")
    return message


def _fill(variables: Sequence[Variable], add: Callable[[], _Var], type_field: str) -> None:
    for var in variables:
        item = add()
        item.name, item.alias_name, item.is_lod_tensor = var.name, var.alias, var.is_lod
        setattr(item, type_field, var.elem_type)
        item.shape.extend(var.shape)
