"""The configuration of a model in a Triton repository: from text and JSON, and as Triton answers it.

The messages are those of `proto/triton_model_config.proto`. What the values mean, and whether they belong together, is
not looked at here.
"""

import json
import warnings
from collections.abc import Sequence
from typing import Any, Final, cast

from google.protobuf import json_format, text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, EncodeError, Message

from paddle_serving_client.errors import BadConfig
from paddle_serving_client.wire.proto import triton_model_config_pb2 as pb

MAX_BYTES: Final = 1 << 20
"""Of a config as text or JSON; the largest that people have are a few thousand."""
_LFS: Final = "version https://git-lfs"
_PACKAGE: Final = "paddle_serving.triton."
_HINTS: Final = (
    ("${", "it is a template, whose ${VARIABLES} are to be filled in first, as envsubst does"),
    ("TYPE_BYTES", "strings are TYPE_STRING in a config; BYTES is their name in requests"),
)
"""What is in a line that cannot be read, and what to tell people of it."""


def parse(text: str | bytes, source: str = "config") -> pb.ModelConfig:
    """Read a config.pbtxt.

    Args:
        text: what is in the file; bytes are UTF-8.
        source: what it is, for messages.

    Raises:
        BadConfig: it cannot be read, or has a field or a value that there is not; the message names `source` and the
            line.
    """
    text = _decoded(text, source)
    if text.startswith(_LFS):
        raise BadConfig(f"{source} is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`")
    config = pb.ModelConfig()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an escape that there is not in a string
            text_format.Parse(text, config)
    except Warning as exc:
        raise BadConfig(f"{source}: {exc}") from exc
    except text_format.ParseError as exc:
        raise BadConfig(f"{source}:{_without_package(exc)}{_hint(text, exc.GetLine())}") from exc
    except (ValueError, EncodeError) as exc:  # text with half a character in a string
        raise BadConfig(f"{source}: {_without_package(exc)}") from exc
    return _whole(config, source)


def parse_json(text: str | bytes, source: str = "config") -> pb.ModelConfig:
    """Read a config as JSON, which a request to load a model may bring.

    Raises:
        BadConfig: it cannot be read, or has a field or a value that there is not.
    """
    text = _decoded(text, source)
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise BadConfig(f"{source} is not JSON: {exc}") from exc
    if not isinstance(fields, dict):
        raise BadConfig(f"{source} must be a JSON object, got {type(fields).__name__}")
    return from_fields(fields, source)


def from_fields(fields: dict[str, Any], source: str = "config") -> pb.ModelConfig:
    """A config of what `to_fields` gives, whole or in part.

    Raises:
        BadConfig: it has a field or a value that there is not.
    """
    config = pb.ModelConfig()
    try:
        json_format.ParseDict(fields, config)
    except (json_format.Error, ValueError, TypeError, AttributeError, RecursionError) as exc:
        raise BadConfig(f"{source}: {_without_package(exc)}") from exc
    return _whole(config, source)


def parse_bytes(message: bytes, source: str = "config") -> pb.ModelConfig:
    """Read a config as protobuf.

    Raises:
        BadConfig: it is no such message.
    """
    try:
        return pb.ModelConfig.FromString(message)
    except DecodeError as exc:
        raise BadConfig(f"{source} is no ModelConfig as protobuf ({len(message)} bytes)") from exc


def to_fields(config: pb.ModelConfig) -> dict[str, Any]:
    """As Triton answers it in JSON: fields by their names in the order of the .proto, enums as their names.

    What is at its default is there, but for messages, which are there where they are set.
    """
    return _fields_of(config)


def to_text(config: pb.ModelConfig) -> str:
    """As a config.pbtxt."""
    return text_format.MessageToString(config)


def _decoded(text: str | bytes, source: str) -> str:
    if len(text) > MAX_BYTES:
        raise BadConfig(f"{source}: a model config is at most {MAX_BYTES} bytes, this one has {len(text)}")
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise BadConfig(f"{source}: not UTF-8 text (byte {exc.start})") from exc


def _whole(config: pb.ModelConfig, source: str) -> pb.ModelConfig:
    """The config, if it can be sent: a string may be no text."""
    try:
        config.SerializeToString()
    except (ValueError, EncodeError) as exc:
        raise BadConfig(f"{source}: {exc}") from exc
    return config


def _without_package(exc: Exception) -> str:
    return str(exc).replace(_PACKAGE, "")


def _hint(text: str, line: int | None) -> str:
    lines = text.splitlines()
    if line is None or not 0 < line <= len(lines):
        return ""
    return next((f"; {words}" for mark, words in _HINTS if mark in lines[line - 1]), "")


def _fields_of(message: Message) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for field in cast(Sequence[FieldDescriptor], message.DESCRIPTOR.fields):
        if field.has_presence and not message.HasField(field.name):
            continue
        fields[field.name] = _field(field, getattr(message, field.name))
    return fields


def _field(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        of = field.message_type.fields_by_name["value"]
        return {str(key): _value(of, value[key]) for key in sorted(value)}
    return [_value(field, item) for item in value] if field.is_repeated else _value(field, value)


def _value(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return _fields_of(value)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return value if known is None else known.name
    return value
