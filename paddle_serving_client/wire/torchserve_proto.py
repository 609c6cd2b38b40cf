"""TorchServe's gRPC messages: bytes <-> values.

    PredictionsRequest  {1 model_name, 2 model_version, 3 input {1 key, 2 value}, 4 sequence_id}
    PredictionResponse  {1 prediction, 2 sequence_id, 3 status {1 code, 2 message}}
    all of management   one message of texts and numbers -> {1 msg}

Written by hand, so that there is no second description of these messages beside that of a client's own.

Source: pytorch/serve, `frontend/server/src/main/resources/proto`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from paddle_serving_client.errors import BadPacket, TooLarge
from paddle_serving_client.wire import protobuf
from paddle_serving_client.wire.protobuf import BYTES, VARINT, MessageType, Part, bytes_field, number_field
from paddle_serving_client.wire.tensors import decoded_name

INFERENCE_SERVICE: Final = "org.pytorch.serve.grpc.inference.InferenceAPIsService"
MANAGEMENT_SERVICE: Final = "org.pytorch.serve.grpc.management.ManagementAPIsService"
MAX_INPUTS: Final = 64
_MAX_TEXT: Final = 4096

_PREDICTIONS: Final = MessageType(model=(1, BYTES), version=(2, BYTES), input=(3, BYTES), sequence=(4, BYTES))
_ENTRY: Final = MessageType(key=(1, BYTES), value=(2, BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionsRequest:
    """A call of Predictions, or a message of a stream of them."""

    model: str = ""
    version: str = ""
    inputs: Mapping[str, bytes] = field(default_factory=dict)
    sequence: str = ""
    """Which calls belong together; empty: this one to none."""


def decode_predictions(payload: bytes | memoryview) -> PredictionsRequest:
    """Read a `PredictionsRequest`.

    Raises:
        BadPacket: not such a message. TooLarge: more inputs than are taken, or a name that is too long.
    """
    got = _PREDICTIONS.read(memoryview(payload))
    entries = got.get("input", [])
    if len(entries) > MAX_INPUTS:
        raise TooLarge(f"{len(entries)} inputs, at most {MAX_INPUTS} are taken")
    inputs = {}
    for entry in entries:
        pair = _ENTRY.read(entry)
        inputs[decoded_name(pair["key"][-1], "key") if "key" in pair else ""] = bytes(pair.get("value", [b""])[-1])
    texts = {name: decoded_name(got[name][-1], name) for name in ("model", "version", "sequence") if name in got}
    return PredictionsRequest(inputs=inputs, **texts)


def encode_prediction(prediction: bytes, sequence: str = "") -> bytes:
    """A `PredictionResponse`."""
    parts: list[Part] = [*bytes_field(1, prediction)] if prediction else []
    return b"".join([*parts, *(bytes_field(2, sequence.encode()) if sequence else ())])


def encode_failure(code: int, text: str, sequence: str = "") -> bytes:
    """A `PredictionResponse` of a stream, which says that there is none; `code` is a status of gRPC."""
    status = [number_field(1, code), *bytes_field(2, text.encode())]
    said = bytes_field(2, sequence.encode()) if sequence else []
    return b"".join([*said, *bytes_field(3, *status)])


def encode_health(text: str) -> bytes:
    """A `TorchServeHealthResponse`."""
    return b"".join(bytes_field(1, text.encode()))


# -- management


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Any message of management: what it does not have is empty, 0 or False."""

    texts: Mapping[str, str]
    numbers: Mapping[str, int]

    def text(self, name: str) -> str:
        """A text."""
        return self.texts.get(name, "")

    def number(self, name: str) -> int:
        """A number, or a truth as 0 or 1."""
        return self.numbers.get(name, 0)


_MODEL: Final = {"model_name": (1, BYTES), "model_version": (2, BYTES)}
_MANAGEMENT: Final = {
    "DescribeModel": MessageType(**_MODEL, customized=(3, VARINT)),
    "ListModels": MessageType(limit=(1, VARINT), next_page_token=(2, VARINT)),
    "RegisterModel": MessageType(
        batch_size=(1, VARINT),
        handler=(2, BYTES),
        initial_workers=(3, VARINT),
        max_batch_delay=(4, VARINT),
        model_name=(5, BYTES),
        response_timeout=(6, VARINT),
        runtime=(7, BYTES),
        synchronous=(8, VARINT),
        url=(9, BYTES),
        s3_sse_kms=(10, VARINT),
        startup_timeout=(11, VARINT),
    ),
    "ScaleWorker": MessageType(
        **_MODEL,
        max_worker=(3, VARINT),
        min_worker=(4, VARINT),
        number_gpu=(5, VARINT),
        synchronous=(6, VARINT),
        timeout=(7, VARINT),
    ),
    "SetDefault": MessageType(**_MODEL),
    "UnregisterModel": MessageType(**_MODEL),
}
_TEXTS: Final = ("model_name", "model_version", "handler", "runtime", "url")


def decode_management(method: str, payload: bytes | memoryview) -> Asked:
    """Read the message of a method of management.

    Raises:
        BadPacket: not such a message. TooLarge: a text that is too long.
    """
    got = _MANAGEMENT[method].read(memoryview(payload))
    texts: dict[str, str] = {name: _text(got[name][-1], name) for name in _TEXTS if name in got}
    numbers = {
        name: protobuf.signed(protobuf.read_varint(values[-1])[0]) for name, values in got.items() if name not in texts
    }
    return Asked(texts=texts, numbers=numbers)


def encode_management(text: str) -> bytes:
    """A `ManagementResponse`."""
    return b"".join(bytes_field(1, text.encode()))


def _text(raw: memoryview, name: str) -> str:
    if len(raw) > _MAX_TEXT:
        raise TooLarge(f"{name} has {len(raw)} bytes, at most {_MAX_TEXT} are taken")
    try:
        return str(raw, "utf-8")
    except UnicodeDecodeError as exc:
        raise BadPacket(f"{name} is not UTF-8") from exc
