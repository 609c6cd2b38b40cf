"""Messages of PipelineService as protobuf: bytes <-> values. The same messages as JSON: `pipeline_json`.

Fields are read in place and numbers are counted before anything is allocated for them. Messages:
`proto/pipeline_service.proto`; requests of Paddle Serving 0.6 and older, whose fields moved, are told by their types.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np

from paddle_serving_client.errors import BadPacket, ErrNo
from paddle_serving_client.message import Array, Request, Response
from paddle_serving_client.wire import protobuf
from paddle_serving_client.wire.pipeline_tensors import MAX_LOD, MAX_RANK, MAX_TENSORS, PipelineTensor, Value
from paddle_serving_client.wire.pipeline_tensors import refuse_over as _refuse_over
from paddle_serving_client.wire.protobuf import BYTES, FIXED32, FIXED64, VARINT, MessageType, Part, bytes_field

SERVICE: Final = "baidu.paddle_serving.pipeline_serving.PipelineService"
METHOD: Final = "inference"
PROFILE: Final = "pipeline.profile"
"""A key that asks for the times of each step, when its value is "1"."""
MAX_NAME_BYTES: Final = 1024
_PREFIX: Final = "rpc package error: "

_Fields: TypeAlias = dict[str, list[memoryview]]

_VARINTS: Final = ("int64_data", "int_data", "uint32_data", "bool_data")
_FIXED: Final = {"float_data": "<f4", "float64_data": "<f8"}
_TENSOR = MessageType(
    int64_data=(1, BYTES, VARINT),
    float_data=(2, BYTES, FIXED32),
    int_data=(3, BYTES, VARINT),
    float64_data=(4, BYTES, FIXED64),
    uint32_data=(5, BYTES, VARINT),
    bool_data=(6, BYTES, VARINT),
    str_data=(9, BYTES),
    byte_data=(10, BYTES),
    elem_type=(20, VARINT),
    shape=(21, BYTES, VARINT),
    lod=(22, BYTES, VARINT),
    name=(23, BYTES),
)
_REQUEST = MessageType(
    key=(1, BYTES),
    value=(2, BYTES),
    tensors=(3, BYTES),
    name=(4, BYTES),
    method=(5, BYTES),
    logid=(6, VARINT),
    clientip=(7, BYTES),
)
_OLD_REQUEST = MessageType(
    key=(1, BYTES), value=(2, BYTES), name=(3, BYTES), method=(4, BYTES), logid=(5, VARINT), clientip=(6, BYTES)
)
_RESPONSE = MessageType(err_no=(1, VARINT), err_msg=(2, BYTES), key=(3, BYTES), value=(4, BYTES), tensors=(5, BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRequest:
    """The message `Request`."""

    key: tuple[str, ...] = ()
    value: tuple[str, ...] = ()
    tensors: tuple[PipelineTensor, ...] = ()
    name: str = ""
    """Of the service; empty: the server's first pipeline."""
    method: str = ""
    log_id: int = 0
    client_ip: str = ""

    def named(self, name: str, method: str) -> "PipelineRequest":
        """The same request to the service that its address names, whatever it says inside."""
        return replace(self, name=name, method=method)

    def feed(self) -> Mapping[str, Value]:
        """Texts and arrays by name, and the offsets of sequences as `NAME.lod`.

        Raises:
            BadPacket: a key without a value, or a tensor that cannot be.
        """
        if len(self.value) < len(self.key):
            lost = f"key {self.key[len(self.value)][:64]!r} has no value"
            raise BadPacket(f"{_PREFIX}list index ({len(self.value)}) out of range: {lost}")
        feed: dict[str, Value] = dict(zip(self.key, self.value, strict=False))
        for tensor in self.tensors:
            try:
                feed[tensor.name] = tensor.value()
            except BadPacket as exc:
                raise BadPacket(f"{_PREFIX}{exc}") from exc
            if tensor.lod:
                feed[f"{tensor.name}.lod"] = np.array(tensor.lod, np.int32)
        return feed

    def as_request(self, deadline: float = math.inf, is_raw: bool = False) -> Request:
        """What a pipeline takes: the `feed` as an instance, or this message for one that unpacks it by itself.

        Raises:
            As `feed`.
        """
        if is_raw:
            return Request(raw=encode_request(self), log_id=self.log_id, deadline=deadline)
        return Request(instances=(self.feed(),), log_id=self.log_id, deadline=deadline)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineResponse:
    """The message `Response`."""

    err_no: int = 0
    err_msg: str = ""
    key: tuple[str, ...] = ()
    value: tuple[str, ...] = ()
    tensors: tuple[PipelineTensor, ...] = ()

    @classmethod
    def of(cls, response: Response) -> "PipelineResponse | None":
        """What a pipeline has answered; None: that was no pipeline."""
        if response.raw is not None:
            return decode_response(response.raw)
        if not isinstance(response.result, Mapping):
            return None
        return cls(key=tuple(response.result), value=tuple(response.result.values()))

    @classmethod
    def refusal(cls, err_no: int, reason: str) -> "PipelineResponse":
        """An answer that is an error."""
        return cls(err_no=err_no or int(ErrNo.UNKNOWN), err_msg=reason)


def decode_request(payload: bytes | memoryview) -> PipelineRequest:
    """Read a protobuf `Request`.

    Raises:
        BadPacket: not such a message. What is wrong inside it shows when `feed` is called.
        TooLarge: more fields than a message may have.
    """
    view = memoryview(payload).toreadonly()
    got = _request_fields(view)
    tensors = got.get("tensors", [])
    _refuse_over("tensors", tensors, MAX_TENSORS)
    return PipelineRequest(
        key=tuple(_text(key, "key", MAX_NAME_BYTES) for key in got.get("key", ())),
        value=tuple(_text(value, "value") for value in got.get("value", ())),
        tensors=tuple(map(_decode_tensor, tensors)),
        name=_last_text(got, "name"),
        method=_last_text(got, "method"),
        log_id=protobuf.signed(protobuf.last_number(got, "logid")),
        client_ip=_last_text(got, "clientip"),
    )


def encode_request(request: PipelineRequest) -> bytes:
    """Write a protobuf `Request`."""
    parts = [*_texts(1, request.key), *_texts(2, request.value)]
    for tensor in request.tensors:
        parts += bytes_field(3, *_encode_tensor(tensor))
    parts += [*_filled(4, request.name), *_filled(5, request.method)]
    if request.log_id:
        parts.append(protobuf.number_field(6, request.log_id))
    return b"".join([*parts, *_filled(7, request.client_ip)])


def decode_response(payload: bytes | memoryview) -> PipelineResponse:
    """Read a protobuf `Response`. Raises as `decode_request` does."""
    got = _RESPONSE.read(memoryview(payload).toreadonly())
    tensors = got.get("tensors", [])
    _refuse_over("tensors", tensors, MAX_TENSORS)
    return PipelineResponse(
        err_no=protobuf.signed(protobuf.last_number(got, "err_no")),
        err_msg=_text(got["err_msg"][-1], "err_msg") if "err_msg" in got else "",
        key=tuple(_text(key, "key") for key in got.get("key", ())),
        value=tuple(_text(value, "value") for value in got.get("value", ())),
        tensors=tuple(map(_decode_tensor, tensors)),
    )


def encode_response(response: PipelineResponse) -> bytes:
    """Write a protobuf `Response`."""
    parts: list[Part] = [protobuf.number_field(1, response.err_no)] if response.err_no else []
    parts += [*_filled(2, response.err_msg), *_texts(3, response.key), *_texts(4, response.value)]
    for tensor in response.tensors:
        parts += bytes_field(5, *_encode_tensor(tensor))
    return b"".join(parts)


def _request_fields(view: memoryview) -> _Fields:
    try:
        return _REQUEST.read(view)
    except BadPacket as exc:
        try:
            return _OLD_REQUEST.read(view)  # of 0.6 and older: the log id stands where later ones have a text
        except BadPacket:
            raise exc from None


def _decode_tensor(message: memoryview) -> PipelineTensor:
    got = _TENSOR.read(message)
    numbers: dict[str, Array] = {}
    for name in _VARINTS:
        if name in got:
            numbers[name] = protobuf.unpack_varints(protobuf.joined(got[name]))
    for name, kind in _FIXED.items():
        if name in got:
            packed = protobuf.joined(got[name])
            size = np.dtype(kind).itemsize
            if len(packed) % size:
                raise BadPacket(f"{name} has {len(packed)} bytes, not a multiple of {size}")
            numbers[name] = np.frombuffer(packed, kind)
    return PipelineTensor(
        name=_last_text(got, "name"),
        elem_type=protobuf.signed(protobuf.last_number(got, "elem_type")),
        shape=tuple(_few(got, "shape", MAX_RANK)),
        lod=tuple(_few(got, "lod", MAX_LOD)),
        numbers=numbers,
        texts=tuple(_text(text, "str_data") for text in got.get("str_data", ())),
        packed=bytes(got["byte_data"][-1]) if "byte_data" in got else b"",
    )


def _encode_tensor(tensor: PipelineTensor) -> list[Part]:
    parts: list[Part] = []
    for name, values in tensor.numbers.items():
        if not values.size:
            continue
        packed = (
            protobuf.pack_varints(values)
            if name in _VARINTS
            else np.ascontiguousarray(values, _FIXED[name]).view(np.uint8).data
        )
        parts += bytes_field(_TENSOR.number_of[name], packed)
    parts += _texts(9, tensor.texts)
    if tensor.packed:
        parts += bytes_field(10, tensor.packed)
    if tensor.elem_type:
        parts.append(protobuf.number_field(20, tensor.elem_type))
    for number, few in ((21, tensor.shape), (22, tensor.lod)):
        if few:
            parts += bytes_field(number, protobuf.pack_few(few))
    return [*parts, *_filled(23, tensor.name)]


def _texts(number: int, texts: Sequence[str]) -> list[Part]:
    return [part for text in texts for part in bytes_field(number, _utf8(text))]


def _filled(number: int, text: str) -> list[Part]:
    return bytes_field(number, _utf8(text)) if text else []


def _utf8(text: str) -> bytes:
    """As bytes; half a surrogate pair, which has none, as a question mark."""
    return text.encode("utf-8", "replace")


def _few(got: _Fields, name: str, limit: int) -> list[int]:
    if name not in got:
        return []
    packed = protobuf.joined(got[name])
    if len(packed) > limit:
        _refuse_over(name, protobuf.count_varints(packed), limit)
    return protobuf.unpack_few(packed)


def _last_text(got: _Fields, name: str) -> str:
    return _text(got[name][-1], name, MAX_NAME_BYTES) if name in got else ""


def _text(value: memoryview, name: str, limit: int | None = None) -> str:
    if limit is not None:
        _refuse_over(f"bytes of {name}", len(value), limit)
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError as exc:
        raise BadPacket(f"{name} is not UTF-8") from exc
