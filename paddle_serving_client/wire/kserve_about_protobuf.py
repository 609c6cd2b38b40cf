"""What KServe v2 says of a server and its models over gRPC, as protobuf; and the questions, which name a model.

ModelReadyRequest, ModelMetadataRequest, ModelConfigRequest, ModelStatisticsRequest {1 name, 2 version}
RepositoryIndexRequest {1 repository_name, 2 ready}
RepositoryModelLoadRequest, RepositoryModelUnloadRequest {1 repository_name, 2 model_name, 3 parameters}
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from paddle_serving_client.errors import BadPacket
from paddle_serving_client.wire import protobuf
from paddle_serving_client.wire.kserve_about import (
    KIND,
    TYPES,
    Duration,
    Indexed,
    ModelAbout,
    ServerAbout,
    Statistics,
    TensorAbout,
)
from paddle_serving_client.wire.kserve_fields import Fields, text, text_field
from paddle_serving_client.wire.protobuf import BYTES, VARINT, MessageType, Part, bytes_field, number_field
from paddle_serving_client.wire.tensors import refuse_over

_NAME: Final = MessageType(name=(1, BYTES), version=(2, BYTES))
_INDEX: Final = MessageType(repository_name=(1, BYTES), ready=(2, VARINT))


_CHANGE: Final = MessageType(repository_name=(1, BYTES), model_name=(2, BYTES), parameters=(3, BYTES))
_ENTRY: Final = MessageType(key=(1, BYTES), value=(2, BYTES))
_PARAMETER: Final = MessageType(
    bool_param=(1, VARINT), int64_param=(2, VARINT), string_param=(3, BYTES), bytes_param=(4, BYTES)
)
_MAX_PARAMETERS: Final = 2000


@dataclass(frozen=True, slots=True)
class ChangeAsked:
    """Which model is to be loaded or unloaded, and how."""

    name: str
    parameters: Mapping[str, str | bytes | bool | int]


def decode_change(message: bytes | memoryview) -> ChangeAsked:
    """Read a request to load or unload a model.

    Raises:
        BadPacket: not such a message. TooLarge: a name that is too long, or too many parameters.
    """
    got = _CHANGE.read(memoryview(message))
    entries = got.get("parameters", ())
    refuse_over("parameters", len(entries), _MAX_PARAMETERS)
    found = {}
    for entry in entries:
        pair = _ENTRY.read(entry)
        found[text(pair, "key")] = _parameter(_PARAMETER.read(pair["value"][-1]) if "value" in pair else {})
    return ChangeAsked(text(got, "model_name"), found)


def _parameter(fields: Fields) -> str | bytes | bool | int:
    if "bytes_param" in fields:
        return bytes(fields["bytes_param"][-1])
    if "string_param" in fields:
        try:
            return str(fields["string_param"][-1], "utf-8")
        except UnicodeDecodeError as exc:
            raise BadPacket("a parameter is not UTF-8") from exc
    if "int64_param" in fields:
        return protobuf.signed(protobuf.last_number(fields, "int64_param"))
    return protobuf.last_number(fields, "bool_param") != 0


@dataclass(frozen=True, slots=True)
class Asked:
    """Which model a question is about."""

    name: str
    version: str


def decode_asked(message: bytes | memoryview) -> Asked:
    """Read a question about a model.

    Raises:
        BadPacket: not such a message. TooLarge: a name that is too long.
    """
    got = _NAME.read(memoryview(message))
    return Asked(text(got, "name"), text(got, "version"))


def decode_only_ready(message: bytes | memoryview) -> bool:
    """Read a `RepositoryIndexRequest`: whether only models are wanted that are ready.

    Raises:
        BadPacket: not such a message.
    """
    return protobuf.last_number(_INDEX.read(memoryview(message)), "ready") != 0


def encode_yes(yes: bool) -> bytes:
    """Write a `ServerLiveResponse`, a `ServerReadyResponse` or a `ModelReadyResponse`."""
    return number_field(1, 1) if yes else b""


def encode_server(about: ServerAbout) -> bytes:
    """Write a `ServerMetadataResponse`."""
    parts = [*text_field(1, about.name), *text_field(2, about.version)]
    for extension in about.extensions:
        parts += text_field(3, extension)
    return b"".join(parts)


def encode_metadata(about: ModelAbout, versions: Sequence[str]) -> bytes:
    """Write a `ModelMetadataResponse`."""
    parts = text_field(1, about.name)
    for version in versions:
        parts += text_field(2, version)
    parts += text_field(3, about.platform)
    for number, tensors in ((4, about.inputs), (5, about.outputs)):
        for tensor in tensors:
            parts += bytes_field(number, *_tensor(tensor))
    return b"".join(parts)


def _tensor(tensor: TensorAbout) -> list[Part]:
    shape = protobuf.pack_few(tensor.shape)
    return [*text_field(1, tensor.name), *text_field(2, tensor.datatype), *bytes_field(3, shape)]


def encode_config(about: ModelAbout) -> bytes:
    """Write a `ModelConfigResponse`."""
    if about.config:
        return b"".join(bytes_field(1, about.config))
    parts = [*text_field(1, about.name), *text_field(2, about.platform)]
    parts += bytes_field(3, *bytes_field(1, number_field(1, 1)))  # the latest version, and only that
    parts.append(number_field(4, about.max_batch_size) if about.max_batch_size else b"")
    for number, dims_number, tensors in ((5, 4, about.inputs), (6, 3, about.outputs)):
        for tensor in tensors:
            parts += bytes_field(number, *_config_tensor(about, tensor, dims_number))
    group = [*text_field(1, about.name), number_field(2, about.instances), number_field(4, KIND.index(about.kind))]
    parts += bytes_field(7, *group)
    if about.max_batch_size:
        parts += bytes_field(11)
    return b"".join(bytes_field(1, *parts, *text_field(17, about.backend)))


def _config_tensor(about: ModelAbout, tensor: TensorAbout, dims_number: int) -> list[Part]:
    dims = protobuf.pack_few(about.dims(tensor))
    return [*text_field(1, tensor.name), number_field(2, TYPES.index(tensor.datatype)), *bytes_field(dims_number, dims)]


def encode_statistics(models: Sequence[Statistics]) -> bytes:
    """Write a `ModelStatisticsResponse`."""
    parts: list[Part] = []
    for model in models:
        named = [*text_field(1, model.name), *text_field(2, model.version)]
        figures = (model.last_inference_ms, model.inference_count, model.execution_count)
        counts = [_count(number, value) for number, value in enumerate(figures, 3)]
        batches: list[Part] = []
        for of_size in model.batches:
            batches += bytes_field(7, _count(1, of_size.batch_size), *_durations(of_size.durations, 2))
        parts += bytes_field(1, *named, *counts, *bytes_field(6, *_durations(model.durations, 1)), *batches)
    return b"".join(parts)


def _durations(durations: Sequence[tuple[str, Duration]], first: int) -> list[Part]:
    return [part for n, (_, took) in enumerate(durations, first) for part in bytes_field(n, *_duration(took))]


def _duration(took: Duration) -> list[Part]:
    return [_count(1, took.count), _count(2, took.ns)]


def _count(number: int, value: int) -> bytes:
    return number_field(number, value) if value else b""


def encode_index(models: Sequence[Indexed]) -> bytes:
    """Write a `RepositoryIndexResponse`."""
    parts: list[Part] = []
    for model in models:
        said = (model.name, model.version, model.state, model.reason)
        parts += bytes_field(1, *[part for number, value in enumerate(said, 1) for part in text_field(number, value)])
    return b"".join(parts)
