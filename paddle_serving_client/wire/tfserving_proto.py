"""TensorFlow Serving's gRPC messages: bytes <-> values.

    Predict           {1 model_spec, 2 inputs {1 key, 2 TensorProto}, 3 output_filter} -> {1 outputs, 2 model_spec}
    GetModelMetadata  {1 model_spec, 2 metadata_field} -> {1 model_spec, 2 metadata {1 key, 2 Any of SignatureDefMap}}
    GetModelStatus    {1 model_spec} -> {1 model_version_status {1 version, 2 state, 3 status}}
    HandleReloadConfigRequest  {1 config} -> {1 status {1 error_code, 2 error_message}}

Written by hand, so that there is no second description of these messages beside that of tensorflow-serving-api.

Source: tensorflow/serving, `apis/*.proto`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Array
from paddle_serving_client.wire import protobuf, tfserving, tfserving_tensor
from paddle_serving_client.wire.protobuf import BYTES, VARINT, MessageType, Part, bytes_field, number_field
from paddle_serving_client.wire.tensors import MAX_FETCH, MAX_TENSORS, decoded_name, refuse_over
from paddle_serving_client.wire.tfserving import ModelInfo, TensorInfo, VersionState, Wanted


class Code(IntEnum):
    """The code of a `StatusProto`."""

    OK = 0
    UNKNOWN = 2


PREDICTION_SERVICE: Final = "tensorflow.serving.PredictionService"
MODEL_SERVICE: Final = "tensorflow.serving.ModelService"
SIGNATURE_FIELD: Final = "signature_def"
"""The one metadata field there is."""
_MAP_TYPE: Final = b"type.googleapis.com/tensorflow.serving.SignatureDefMap"

_SPEC = MessageType(name=(1, BYTES), version=(2, BYTES), signature=(3, BYTES), label=(4, BYTES))
_INT64 = MessageType(value=(1, VARINT))
_PREDICT = MessageType(spec=(1, BYTES), inputs=(2, BYTES), fetch=(3, BYTES))
_ENTRY = MessageType(key=(1, BYTES), value=(2, BYTES))
_ABOUT = MessageType(spec=(1, BYTES), fields=(2, BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictRequest:
    """A call of Predict."""

    wanted: Wanted
    inputs: Mapping[str, Array] = field(default_factory=dict)
    """By alias."""
    fetch: tuple[str, ...] = ()
    """Aliases of the outputs wanted; empty means all."""


def decode_predict(payload: bytes | memoryview) -> PredictRequest:
    """Read a `PredictRequest`.

    Raises:
        BadPacket: not such a message. BadInput: no model is named, or a tensor is none. TooLarge: over a limit.
    """
    got = _PREDICT.read(memoryview(payload).toreadonly())
    refuse_over("inputs in a request", len(got.get("inputs", ())), MAX_TENSORS)
    refuse_over("names in output_filter", len(got.get("fetch", ())), MAX_FETCH)
    inputs: dict[str, Array] = {}
    room = tfserving_tensor.MAX_REPEATED_BYTES
    for entry in got.get("inputs", ()):
        fields = _ENTRY.read(entry)
        name = _text(fields, "key", "the name of an input")
        said = fields["value"][-1] if "value" in fields else memoryview(b"")
        inputs[name] = array = tfserving_tensor.decode(said, f"input {name!r}", room)
        room -= max(0, array.nbytes - len(said))
    fetch = tuple(decoded_name(name, "a name in output_filter") for name in got.get("fetch", ()))
    return PredictRequest(wanted=wanted_of(got), inputs=inputs, fetch=fetch)


def encode_prediction(model: Wanted, outputs: Mapping[str, Array]) -> bytes:
    """Write a `PredictResponse`.

    Raises:
        BadDType: an output that TensorFlow has no type for.
    """
    parts: list[Part] = []
    for name, array in outputs.items():
        parts += _entry(1, name, tfserving_tensor.encode(array, f"output {name!r}"))
    return b"".join([*parts, *bytes_field(2, spec_of(model))])


def decode_metadata_request(payload: bytes | memoryview) -> Wanted:
    """Read a `GetModelMetadataRequest`.

    Raises:
        BadPacket: not such a message. BadInput: no model is named, or another field than `SIGNATURE_FIELD` is wanted.
    """
    got = _ABOUT.read(memoryview(payload))
    wanted = wanted_of(got)
    fields = [decoded_name(name, "a metadata_field") for name in got.get("fields", ())]
    if not fields:
        raise BadInput("GetModelMetadataRequest must specify at least one metadata_field")
    for name in fields:
        if name != SIGNATURE_FIELD:
            raise BadInput(f"Metadata field {name[:64]} is not supported; {SIGNATURE_FIELD} is")
    return wanted


def encode_metadata(model: ModelInfo) -> bytes:
    """Write a `GetModelMetadataResponse` with the model's one signature."""
    signature = [
        *_infos(1, model.inputs),
        *_infos(2, model.outputs),
        *bytes_field(3, tfserving.PREDICT_METHOD.encode()),
    ]
    signatures = _entry(1, tfserving.SIGNATURE, b"".join(signature))
    packed = b"".join([*bytes_field(1, _MAP_TYPE), *bytes_field(2, *signatures)])
    spec = spec_of(Wanted(name=model.name, version=model.version))
    return b"".join([*bytes_field(1, spec), *_entry(2, SIGNATURE_FIELD, packed)])


def decode_status_request(payload: bytes | memoryview) -> Wanted:
    """Read a `GetModelStatusRequest`.

    Raises:
        BadPacket: not such a message. BadInput: no model is named.
    """
    return wanted_of(_ABOUT.read(memoryview(payload)))


def encode_status(versions: Sequence[VersionState]) -> bytes:
    """Write a `GetModelStatusResponse`."""
    parts: list[Part] = []
    for version in versions:
        error = [number_field(1, Code.UNKNOWN), *bytes_field(2, version.reason.encode())] if version.reason else [b""]
        fields = [number_field(1, version.version), number_field(2, version.state), *bytes_field(3, *error)]
        parts += bytes_field(1, *fields)
    return b"".join(parts)


def decode_reload(payload: bytes | memoryview) -> bytes:
    """The `ModelServerConfig` in a `ReloadConfigRequest`, as bytes.

    Raises:
        BadPacket: not such a message. BadInput: it has none.
    """
    fields = MessageType(config=(1, BYTES)).read(memoryview(payload))
    if "config" not in fields:
        raise BadInput("ReloadConfigRequest has no config")
    return bytes(fields["config"][-1])


def encode_reload(reason: str) -> bytes:
    """Write a `ReloadConfigResponse`: why it was not done; empty: it was."""
    error = [number_field(1, Code.UNKNOWN), *bytes_field(2, reason.encode())] if reason else [b""]
    return b"".join(bytes_field(1, *error))


# -- details


def wanted_of(got: Mapping[str, Sequence[memoryview]]) -> Wanted:
    """The model that the field `spec` of a message names.

    Raises:
        BadInput: none is named. BadPacket: not such a message.
    """
    if "spec" not in got:
        raise BadInput("Missing ModelSpec")
    fields = _SPEC.read(got["spec"][-1])
    version = None
    if "version" in fields:
        version = protobuf.signed(protobuf.last_number(_INT64.read(fields["version"][-1]), "value"))
    name = _text(fields, "name", "the name of the model")
    if not name:
        raise BadInput("ModelSpec has no name")
    label, signature = _text(fields, "label", "version_label"), _text(fields, "signature", "signature_name")
    return Wanted(name=name, version=version, label=label, signature=signature)


def _text(fields: Mapping[str, Sequence[memoryview]], key: str, what: str) -> str:
    return decoded_name(fields[key][-1], what) if key in fields else ""


def spec_of(model: Wanted) -> bytes:
    """Write a `ModelSpec`."""
    parts = bytes_field(1, model.name.encode())
    if model.version is not None:
        parts += bytes_field(2, number_field(1, model.version) if model.version else b"")
    if model.signature:
        parts += bytes_field(3, model.signature.encode())
    if model.label:
        parts += bytes_field(4, model.label.encode())
    return b"".join(parts)


def _entry(number: int, key: str, value: bytes) -> list[Part]:
    """One entry of a map."""
    return bytes_field(number, *bytes_field(1, key.encode()), *bytes_field(2, value))


def _infos(number: int, infos: Sequence[TensorInfo]) -> list[Part]:
    parts: list[Part] = []
    for info in infos:
        said = bytes_field(1, info.name.encode())
        said.append(number_field(2, info.data_type or 0))
        said += bytes_field(3, tfserving_tensor.encode_shape(info.shape))
        parts += _entry(number, info.alias, b"".join(said))
    return parts
