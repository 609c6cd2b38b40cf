"""The tensors of GeneralModelService in protobuf: bytes <-> arrays, in place; see `general_model`."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from paddle_serving_client import dtype
from paddle_serving_client.dtype import ElemType
from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Array
from paddle_serving_client.wire import protobuf
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
    MAX_LOD,
    MAX_RANK,
    MAX_TENSORS,
    VARINT_CARRIERS,
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

Fields: TypeAlias = dict[str, list[memoryview]]
"""The fields of a message, by name."""
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


def decode_tensors(got: Fields) -> tuple[WireTensor, ...]:
    """The tensors of a request or an output. Raises as `general_model.decode_request` does."""
    messages = got.get("tensor", ())
    refuse_over("tensors", len(messages), MAX_TENSORS)
    tensors = tuple(map(_decode_tensor, messages))
    refuse_twins(tensors)
    return tensors


def _decode_tensor(message: memoryview) -> WireTensor:
    got = _TENSOR.read(message)
    name, alias = last_text(got, "name"), last_text(got, "alias_name")
    label = label_of(name, alias)
    elem_type = protobuf.signed(protobuf.last_number(got, "elem_type"))
    filled = [key for key in got if key in CARRIERS and (key == "data" or any(map(len, got[key])))]
    row = checked_type(label, elem_type, filled)
    lod = lod_levels(label, int64s(got, "lod", MAX_LOD))
    shape = int64s(got, "shape", MAX_RANK)
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


def encode_tensors(tensors: Sequence[WireTensor]) -> list[Part]:
    """The field with the tensors of a request or an output.

    Raises:
        BadDType: an array of a type that has no code.
    """
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


def int64s(got: Fields, name: str, limit: int) -> list[int]:
    """The numbers of a field. Raises TooLarge where there are more than `limit`."""
    if name not in got:
        return []
    packed = protobuf.joined(got[name])
    if len(packed) > limit:
        refuse_over(name, protobuf.count_varints(packed), limit)
    return protobuf.unpack_few(packed)


def last_text(got: Fields, name: str) -> str:
    """The text of a field, of several the last, of none an empty one. Raises BadPacket, TooLarge."""
    return decoded_name(got[name][-1], name) if name in got else ""
