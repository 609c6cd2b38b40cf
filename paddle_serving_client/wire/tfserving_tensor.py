"""TensorFlow's `TensorProto`: bytes <-> arrays.

Values are in `tensor_content` as they lie in memory, or one by one in a list of their type. A list that is shorter than
the shape says goes on with its last value, and without one with zeros; this is how TensorFlow writes constants, so what
a few bytes may grow to has a limit of its own.

Source: tensorflow/tensorflow, `core/framework/tensor.proto`, and `Tensor::FromProto` of `core/framework/tensor.cc`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from paddle_serving_client import byte_strings
from paddle_serving_client.dtype import ElemType
from paddle_serving_client.errors import BadInput, BadPacket, TooLarge
from paddle_serving_client.message import Array
from paddle_serving_client.wire import protobuf, tfserving
from paddle_serving_client.wire.protobuf import BYTES, FIXED32, FIXED64, VARINT, MessageType, Part, bytes_field
from paddle_serving_client.wire.tensors import MAX_RANK, checked_elements, read_only, refuse_over
from paddle_serving_client.wire.tfserving import DataType

MAX_REPEATED_BYTES: Final = 64 << 20
"""What the tensors of one message may have more bytes than were sent."""

_TENSOR = MessageType(
    dtype=(1, VARINT),
    shape=(2, BYTES),
    content=(4, BYTES),
    float_val=(5, FIXED32, BYTES),
    double_val=(6, FIXED64, BYTES),
    int_val=(7, VARINT, BYTES),
    string_val=(8, BYTES),
    scomplex_val=(9, FIXED32, BYTES),
    int64_val=(10, VARINT, BYTES),
    bool_val=(11, VARINT, BYTES),
    dcomplex_val=(12, FIXED64, BYTES),
    half_val=(13, VARINT, BYTES),
    uint32_val=(16, VARINT, BYTES),
    uint64_val=(17, VARINT, BYTES),
)
_SHAPE = MessageType(dim=(2, BYTES), unknown_rank=(3, VARINT))
_DIM = MessageType(size=(1, VARINT))
_LISTS: Final[Mapping[DataType, str]] = {
    DataType.DT_FLOAT: "float_val",
    DataType.DT_DOUBLE: "double_val",
    DataType.DT_STRING: "string_val",
    DataType.DT_COMPLEX64: "scomplex_val",
    DataType.DT_INT64: "int64_val",
    DataType.DT_BOOL: "bool_val",
    DataType.DT_COMPLEX128: "dcomplex_val",
    DataType.DT_HALF: "half_val",
    DataType.DT_BFLOAT16: "half_val",
    DataType.DT_UINT32: "uint32_val",
    DataType.DT_UINT64: "uint64_val",
}
"""The list of a type; that of all others is int_val."""
_AS_BYTES: Final = frozenset(("float_val", "double_val", "scomplex_val", "dcomplex_val"))
"""Lists whose packed form is the values as they lie in memory."""


def decode(message: memoryview, label: str, room: int) -> Array:
    """Read a `TensorProto`.

    Args:
        message: its bytes.
        label: what it is, for messages.
        room: how many bytes the array may be larger than the message.

    Returns:
        A read-only array, of what came in `tensor_content` a view.

    Raises:
        BadPacket: not such a message. BadDType: a type that is not served.
        BadInput: the values do not fit the type, or the shape. TooLarge: over a limit.
    """
    got = _TENSOR.read(message, runs=True)
    kind = protobuf.last_number(got, "dtype")
    row = tfserving.row_of(kind, label)
    shape = _decode_shape(got, label)
    elements = checked_elements(label, shape)
    if "content" in got and len(got["content"][-1]):
        values = _from_content(got["content"][-1], row, elements, label, shape)
    else:
        values = _from_list(got, DataType(kind), row, label)
        values = _completed(values[:elements], elements, label, len(message) + room)
    return read_only(values.reshape(shape))


def encode(array: Array, label: str) -> bytes:
    """Write a `TensorProto`, values one by one: clients read `float_val` and its like.

    Raises:
        BadDType: TensorFlow has no type for this array.
    """
    kind = tfserving.data_type_of(array.dtype, label)
    name = _LISTS.get(kind, "int_val")
    number = _TENSOR.number_of[name]
    said: list[Part] = [protobuf.number_field(1, kind), *bytes_field(2, encode_shape(array.shape))]
    if kind is DataType.DT_STRING:
        for value in array.reshape(-1).tolist():
            said += bytes_field(number, value.encode() if isinstance(value, str) else bytes(value))
    elif array.size:
        said += bytes_field(number, _packed(array, name))
    return b"".join(said)


def encode_shape(shape: Sequence[int]) -> bytes:
    """Write a `TensorShapeProto`; -1 is a length that varies."""
    return b"".join(part for length in shape for part in bytes_field(2, protobuf.number_field(1, length)))


# -- details


def _decode_shape(got: Mapping[str, Sequence[memoryview]], label: str) -> tuple[int, ...]:
    if "shape" not in got:
        return ()
    fields = _SHAPE.read(got["shape"][-1])
    if protobuf.last_number(fields, "unknown_rank"):
        raise BadInput(f"{label}: a tensor of unknown rank")
    refuse_over(f"{label}: dimensions", len(fields.get("dim", ())), MAX_RANK)
    return tuple(protobuf.signed(protobuf.last_number(_DIM.read(dim), "size")) for dim in fields.get("dim", ()))


def _from_content(raw: memoryview, row: ElemType, elements: int, label: str, shape: Sequence[int]) -> Array:
    if row.numpy is None or row.numpy.kind == "O":
        raise BadInput(f"{label}: values of type {row.name} go in string_val, tensor_content came")
    wanted = row.numpy.newbyteorder("<")
    if len(raw) != elements * wanted.itemsize:
        size = f"shape {list(shape)} of {row.name} is {elements * wanted.itemsize} bytes"
        raise BadInput(f"{label}: {size}, but tensor_content has {len(raw)}")
    return np.frombuffer(raw, wanted)


def _from_list(got: Mapping[str, Sequence[memoryview]], kind: DataType, row: ElemType, label: str) -> Array:
    name = _LISTS.get(kind, "int_val")
    wanted = row.numpy
    assert wanted is not None
    if kind is DataType.DT_STRING:
        texts = [bytes(text) for text in got.get(name, ())]
        return byte_strings.array_of(texts, (len(texts),))
    packed = protobuf.joined(got[name]) if name in got else memoryview(b"")
    if name in _AS_BYTES:
        if len(packed) % wanted.itemsize:
            raise BadPacket(f"{label}: {name} has {len(packed)} bytes, no whole number of {row.name} values")
        return np.frombuffer(packed, wanted.newbyteorder("<"))
    numbers = protobuf.unpack_varints(packed)
    if name == "half_val":
        return _in_range(numbers, np.dtype(np.uint16), row, name, label).view(wanted)
    if wanted.kind == "b":
        return np.asarray(numbers != 0)
    return numbers.view(np.uint64) if wanted == np.uint64 else _in_range(numbers, wanted, row, name, label)


def _in_range(numbers: Any, wanted: "np.dtype[Any]", row: ElemType, name: str, label: str) -> Array:
    limits = np.iinfo(wanted.name)
    for value in (int(numbers.min()), int(numbers.max())) if numbers.size else ():
        if not limits.min <= value <= limits.max:
            raise BadInput(f"{label}: {value} in {name} does not fit in {row.name}")
    return np.asarray(numbers.astype(wanted))


def _completed(values: Array, elements: int, label: str, most_bytes: int) -> Array:
    """A list that is too short, with its last value again and again."""
    if len(values) == elements:
        return values
    if elements * values.itemsize > most_bytes:
        size = f"{elements} elements, {elements * values.itemsize} bytes, of which {len(values)} elements came"
        raise TooLarge(f"{label}: {size}; at most {MAX_REPEATED_BYTES} bytes of a message may be repeated values")
    blank: Any = b"" if values.dtype == np.object_ else 0
    whole = np.full(elements, values[-1] if len(values) else blank, values.dtype)
    whole[: len(values)] = values
    return whole


def _packed(array: Array, name: str) -> bytes:
    flat = np.ascontiguousarray(array).reshape(-1)
    if name in _AS_BYTES:
        return flat.astype(flat.dtype.newbyteorder("<"), copy=False).tobytes()
    if name == "half_val":
        flat = flat.astype(flat.dtype.newbyteorder("="), copy=False).view(np.uint16)
    return protobuf.pack_varints(flat.view(np.int64) if flat.dtype == np.uint64 else flat.astype(np.int64))
