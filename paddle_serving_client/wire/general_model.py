"""Messages of GeneralModelService as protobuf: bytes <-> values. The same messages as JSON: `general_model_json`.

What may not happen here: anything that grows before it was counted. Fields are read in place, numbers are counted
against the shape before they are decoded, and an array of floats is a read-only view of the message.

Messages: `proto/general_model.proto`.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from paddle_serving_client import dtype
from paddle_serving_client.dtype import ElemType
from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Array
from paddle_serving_client.wire import protobuf, recall
from paddle_serving_client.wire.protobuf import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    MessageType,
    Part,
    bytes_field,
    number_field,
)
from paddle_serving_client.wire.tensors import (
    CARRIERS,
    LITTLE,
    MAX_FETCH,
    MAX_LOD,
    MAX_OUTPUTS,
    MAX_PROFILE_TIMES,
    MAX_RANK,
    MAX_TENSORS,
    VARINT_CARRIERS,
    ModelOutput,
    WireRequest,
    WireResponse,
    WireTensor,
    checked_elements,
    checked_type,
    decoded_name,
    label_of,
    lod_levels,
    narrowed,
    read_only,
    refuse_miscount,
    refuse_over,
    refuse_twins,
    row_of,
    shape_of,
    string_tensor,
)

__all__ = [
    "ModelOutput",
    "WireRequest",
    "WireResponse",
    "WireTensor",
    "decode_request",
    "decode_response",
    "encode_request",
    "encode_response",
    "string_tensor",
]

_Fields: TypeAlias = dict[str, list[memoryview]]
_REMEMBERED_FRAMES = 256
_frames: dict[tuple[str, str, str, tuple[int, ...]], tuple[ElemType, bytes, bytes]] = {}
"""What stands before and after the values of a tensor, by its names, type and shape: the same in call after call."""

_TENSOR = MessageType(
    int64_data=(1, BYTES, VARINT),
    float_data=(2, BYTES, FIXED32),
    int_data=(3, BYTES, VARINT),
    float64_data=(4, BYTES, FIXED64),
    uint32_data=(5, BYTES, VARINT),
    bool_data=(6, BYTES, VARINT),
    complex64_data=(7, BYTES, FIXED32),
    complex128_data=(8, BYTES, FIXED64),
    data=(9, BYTES),
    elem_type=(10, VARINT),
    shape=(11, BYTES, VARINT),
    lod=(12, BYTES, VARINT),
    name=(13, BYTES),
    alias_name=(14, BYTES),
    tensor_content=(15, BYTES),
)
_REQUEST = MessageType(tensor=(1, BYTES), fetch_var_names=(2, BYTES), profile_server=(3, VARINT), log_id=(4, VARINT))
_OUTPUT = MessageType(tensor=(1, BYTES), engine_name=(2, BYTES))
_RESPONSE = MessageType(
    outputs=(1, BYTES),
    profile_time=(2, BYTES, VARINT),
    profile_server=(3, VARINT),
    log_id=(4, VARINT),
    err_no=(5, VARINT),
    err_msg=(6, BYTES),
)


def decode_request(payload: bytes | bytearray | memoryview) -> WireRequest:
    """Read a protobuf `Request`.

    Raises:
        BadPacket: not such a message.
        BadInput: a tensor that cannot be; the text names the tensor and the field.
        BadDType: a tensor of a type that is not known or cannot be served.
        TooLarge: over a limit; nothing was allocated for what is over it.
    """
    view = memoryview(payload).toreadonly()
    if len(view) <= recall.MAX_BYTES and (known := recall.recalled(view)) is not None:
        return known
    got = _REQUEST.read(view)
    fetch = got.get("fetch_var_names", ())
    refuse_over("fetch_var_names", len(fetch), MAX_FETCH)
    request = WireRequest(
        tensors=_decode_tensors(got),
        fetch=tuple(decoded_name(name, "fetch_var_names") for name in fetch),
        profile_server=protobuf.last_number(got, "profile_server") != 0,
        log_id=protobuf.last_number(got, "log_id"),
    )
    if len(view) <= recall.MAX_BYTES:
        recall.remember(view, request)
    return request


def encode_request(request: WireRequest) -> bytes:
    """Write a protobuf `Request`, byte for byte as the client of 0.9 does.

    Raises:
        BadDType: an array of a type that has no code.
    """
    parts = _encode_tensors(request.tensors)
    for name in request.fetch:
        parts += bytes_field(2, name.encode())
    if request.profile_server:
        parts.append(number_field(3, 1))
    if request.log_id:
        parts.append(number_field(4, request.log_id))
    return b"".join(parts)


def decode_response(payload: bytes | memoryview) -> WireResponse:
    """Read a protobuf `Response`. Raises as `decode_request` does."""
    got = _RESPONSE.read(memoryview(payload).toreadonly())
    outputs = got.get("outputs", ())
    refuse_over("outputs", len(outputs), MAX_OUTPUTS)
    return WireResponse(
        outputs=tuple(map(_decode_output, outputs)),
        profile_time=tuple(_int64s(got, "profile_time", MAX_PROFILE_TIMES)),
        profile_server=protobuf.last_number(got, "profile_server") != 0,
        log_id=protobuf.last_number(got, "log_id"),
        err_no=protobuf.signed(protobuf.last_number(got, "err_no")),
        err_msg=_last_text(got, "err_msg"),
    )


def encode_response(response: WireResponse) -> bytes:
    """Write a protobuf `Response`; what is at its default is left out, as proto3 has it.

    Raises:
        BadDType: an array of a type that has no code.
    """
    parts: list[Part] = []
    for output in response.outputs:
        parts += _output_parts(output)
    if response.profile_time:
        parts += bytes_field(2, protobuf.pack_few(response.profile_time))
    for number, value in ((3, response.profile_server), (4, response.log_id), (5, response.err_no)):
        if value:
            parts.append(number_field(number, value))
    if response.err_msg:
        parts += bytes_field(6, response.err_msg.encode())
    return b"".join(parts)


def around_values(output: ModelOutput) -> tuple[bytes, bytes] | None:
    """What stands before and after the values of an output in a `Response`.

    Returns:
        The same for all outputs that differ in values only; None where there are several tensors, or none with values
        of a fixed width.
    """
    if len(output.tensors) != 1:
        return None
    (tensor,) = output.tensors
    if tensor.lod or not tensor.array.size or row_of(tensor).code not in LITTLE:
        return None
    if row_of(tensor).carrier in VARINT_CARRIERS:
        return None
    parts = _output_parts(output)
    values = next(k for k, part in enumerate(parts) if isinstance(part, memoryview))
    return b"".join(parts[:values]), b"".join(parts[values + 1 :])


def profile_times(*times: int) -> bytes:
    """The field of a `Response` with the moments at which its steps began and ended, in microseconds."""
    return b"".join(bytes_field(2, protobuf.pack_few(times)))


def log_id_field(log_id: int) -> bytes:
    """The field of a `Response` that says which request it answers; empty for 0."""
    return number_field(4, log_id) if log_id else b""


def _output_parts(output: ModelOutput) -> list[Part]:
    inner = _encode_tensors(output.tensors)
    if output.engine_name:
        inner += bytes_field(2, output.engine_name.encode())
    return bytes_field(1, *inner)


def _decode_tensors(got: _Fields) -> tuple[WireTensor, ...]:
    messages = got.get("tensor", ())
    refuse_over("tensors", len(messages), MAX_TENSORS)
    tensors = tuple(map(_decode_tensor, messages))
    refuse_twins(tensors)
    return tensors


def _decode_tensor(message: memoryview) -> WireTensor:
    got = _TENSOR.read(message)
    name, alias = _last_text(got, "name"), _last_text(got, "alias_name")
    label = label_of(name, alias)
    elem_type = protobuf.signed(protobuf.last_number(got, "elem_type"))
    filled = [key for key in got if key in CARRIERS and (key == "data" or any(map(len, got[key])))]
    row = checked_type(label, elem_type, filled)
    lod = lod_levels(label, _int64s(got, "lod", MAX_LOD))
    shape = _int64s(got, "shape", MAX_RANK)
    if row.code == dtype.STRING:
        return string_tensor(name, tuple(map(bytes, got.get("data", ()))), alias, lod, shape)
    elements = checked_elements(label, shape)
    packed = protobuf.joined(got.get(row.carrier, ()))
    if row.carrier in VARINT_CARRIERS:
        refuse_miscount(label, shape, elements, row.carrier, protobuf.count_varints(packed))
        array = narrowed(label, protobuf.unpack_varints(packed), row)
    else:
        size = LITTLE[row.code].itemsize
        if len(packed) % size:
            raise BadInput(f"{label}: {row.carrier} has {len(packed)} bytes, not a multiple of {size} for {row.name}")
        refuse_miscount(label, shape, elements, row.carrier, len(packed) // size)
        array = np.frombuffer(packed, LITTLE[row.code])
    return WireTensor(name=name, alias=alias, array=read_only(array.reshape(shape)), lod=lod)


def _decode_output(message: memoryview) -> ModelOutput:
    got = _OUTPUT.read(message)
    return ModelOutput(tensors=_decode_tensors(got), engine_name=_last_text(got, "engine_name"))


def _encode_tensors(tensors: Sequence[WireTensor]) -> list[Part]:
    return [part for tensor in tensors for part in bytes_field(1, *_encode_tensor(tensor))]


def _encode_tensor(tensor: WireTensor) -> list[Part]:
    """The fields of a Tensor by number; those with nothing in them are left out."""
    if tensor.lod or not tensor.array.size:
        return _tensor_parts(tensor, row_of(tensor))
    key = (tensor.name, tensor.alias, tensor.array.dtype.char, tensor.array.shape)
    if (frame := _frames.get(key)) is not None:
        row, before, after = frame
        return [before, _packed(tensor.array, row), after]
    row = row_of(tensor)
    parts = _tensor_parts(tensor, row)
    if row.code in LITTLE and row.carrier not in VARINT_CARRIERS:  # how long integers are depends on their values
        if len(_frames) >= _REMEMBERED_FRAMES:
            _frames.clear()
        values = next(k for k, part in enumerate(parts) if isinstance(part, memoryview))
        _frames[key] = (row, b"".join(parts[:values]), b"".join(parts[values + 1 :]))
    return parts


def _tensor_parts(tensor: WireTensor, row: ElemType) -> list[Part]:
    shape = shape_of(tensor)
    values: list[Part] = []
    if row.code == dtype.STRING:
        values = [part for text in tensor.strings for part in bytes_field(_TENSOR.number_of["data"], text)]
    elif tensor.array.size:
        values = bytes_field(_TENSOR.number_of[row.carrier], _packed(tensor.array, row))
    parts: list[Part] = [] if row.carrier == "tensor_content" else [*values]
    if row.code:
        parts.append(number_field(10, row.code))
    if shape:
        parts += bytes_field(11, protobuf.pack_few(shape))
    if tensor.lod:
        parts += bytes_field(12, protobuf.pack_varints(np.concatenate(tensor.lod)))
    for number, text in ((13, tensor.name), (14, tensor.alias)):
        if text:
            parts += bytes_field(number, text.encode())
    return parts + values if row.carrier == "tensor_content" else parts


def _packed(array: Array, row: ElemType) -> Part:
    if row.carrier in VARINT_CARRIERS:
        return protobuf.pack_varints(array)
    return np.ascontiguousarray(array, LITTLE[row.code]).reshape(-1).view(np.uint8).data


def _int64s(got: _Fields, name: str, limit: int) -> list[int]:
    if name not in got:
        return []
    packed = protobuf.joined(got[name])
    if len(packed) > limit:
        refuse_over(name, protobuf.count_varints(packed), limit)
    return protobuf.unpack_few(packed)


def _last_text(got: _Fields, name: str) -> str:
    return decoded_name(got[name][-1], name) if name in got else ""
