"""Tensors as Paddle Serving 0.6 and older sent them: without names, in lists, their numbers not packed.

    Tensor {1 data bytes, 2 int_data, 3 int64_data, 4 float_data, 5 elem_type, 6 shape, 7 lod}
    FeedInst, FetchInst {1 tensor_array Tensor}

What a tensor is called follows from its place, and in some messages so does its type; so a tensor becomes an array
only when it is known for which input it is. Up to 0.3 a message held one instance of a batch, later a whole batch.

Messages: `proto/general_model_06.proto` and `proto/multi_lang.proto`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from paddle_serving_client import dtype
from paddle_serving_client.errors import BadDType, BadInput, BadPacket
from paddle_serving_client.message import Array, Lod, describe
from paddle_serving_client.wire import protobuf
from paddle_serving_client.wire.protobuf import BYTES, FIXED32, VARINT, MessageType, Part, bytes_field
from paddle_serving_client.wire.tensors import (
    LITTLE,
    MAX_FETCH,
    MAX_LOD,
    MAX_NAME_BYTES,
    MAX_RANK,
    MAX_TENSORS,
    VARINT_CARRIERS,
    ModelOutput,
    WireTensor,
    checked_elements,
    checked_type,
    lod_levels,
    narrowed,
    read_only,
    refuse_miscount,
    refuse_over,
    row_of,
    shape_of,
    string_tensor,
)

STRING = 3
"""elem_type of strings in 0.6; later messages say 20."""
MAX_INSTANCES = 4096
_VALUES = ("int64_data", "float_data", "int_data")
_TENSOR = MessageType(
    data=(1, BYTES),
    int_data=(2, BYTES, VARINT),
    int64_data=(3, BYTES, VARINT),
    float_data=(4, BYTES, FIXED32),
    elem_type=(5, VARINT),
    shape=(6, BYTES, VARINT),
    lod=(7, BYTES, VARINT),
)
_INSTANCE = MessageType(tensor_array=(1, BYTES))

Fields: TypeAlias = dict[str, list[memoryview]]


class Input(Protocol):
    """What is known of an input of the model."""

    @property
    def name(self) -> str:
        """Inside the model."""

    @property
    def alias(self) -> str:
        """For callers."""

    @property
    def elem_type(self) -> int:
        """A code of `dtype.ELEM_TYPES`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """With the batch axis."""

    @property
    def is_lod(self) -> bool:
        """Whether it takes sequences."""


@dataclass(frozen=True, slots=True)
class OldTensor:
    """One tensor as it came: its fields."""

    got: Fields

    def as_tensor(self, of: Input, is_raw: bool = False) -> WireTensor:
        """The tensor, for one input of the model.

        Args:
            of: the input; where no elem_type came, its type is meant.
            is_raw: whether the values are the array's bytes in `data`, as Python clients of MultiLangClient send them.

        Raises:
            BadDType, BadInput, TooLarge: a tensor that cannot be; the text names it.
        """
        got, label = self.got, f"tensor {of.alias!r}"
        code = protobuf.last_number(got, "elem_type") if "elem_type" in got else of.elem_type
        if code == STRING and "data" in got and not is_raw:
            code = dtype.STRING
        lod = lod_levels(label, _few(got, "lod", MAX_LOD))
        if code == dtype.STRING:
            return string_tensor(of.name, tuple(map(bytes, got.get("data", ()))), of.alias, lod)
        filled = [name for name in _VALUES if any(map(len, got.get(name, ())))]
        row = dtype.ELEM_TYPES[code] if is_raw and code in LITTLE else checked_type(label, code, filled)
        carrier = "data" if is_raw else row.carrier
        shape = _few(got, "shape", MAX_RANK)
        elements = checked_elements(label, shape)
        packed = protobuf.joined(got.get(carrier, ()))
        if carrier in VARINT_CARRIERS:
            refuse_miscount(label, shape, elements, carrier, protobuf.count_varints(packed))
            array = narrowed(label, protobuf.unpack_varints(packed), row)
        else:
            size = LITTLE[row.code].itemsize
            if len(packed) % size:
                raise BadInput(f"{label}: {carrier} has {len(packed)} bytes, not a multiple of {size} for {row.name}")
            refuse_miscount(label, shape, elements, carrier, len(packed) // size)
            array = np.frombuffer(packed, LITTLE[row.code])
        return WireTensor(name=of.name, alias=of.alias, array=read_only(array.reshape(shape)), lod=lod)


Instance: TypeAlias = tuple[OldTensor, ...]


def decode_instances(messages: Sequence[memoryview]) -> tuple[Instance, ...]:
    """Read `FeedInst` messages.

    Raises:
        BadPacket: not such messages. TooLarge: over a limit.
    """
    refuse_over("instances", len(messages), MAX_INSTANCES)
    return tuple(_decode_instance(message) for message in messages)


def joined(instances: Sequence[Instance], inputs: Sequence[Input], is_raw: bool = False) -> tuple[WireTensor, ...]:
    """The batch that instances are, tensor by tensor.

    Tensors without the batch axis become rows of one; those with it are put one behind the other; sequences are put
    one behind the other, and where they came without offsets each instance is one sequence.

    Args:
        instances: each with one tensor for each of `inputs`, in their order.
        inputs: of the model.
        is_raw: see `OldTensor.as_tensor`.

    Raises:
        BadInput: tensors that do not fit together. And as `OldTensor.as_tensor`.
    """
    for instance in instances:
        if len(instance) != len(inputs):
            expected = ", ".join(repr(i.alias) for i in inputs)
            raise BadInput(f"{len(instance)} tensors came for {len(inputs)} inputs ({expected})")
    return tuple(
        _batch([instance[k].as_tensor(of, is_raw) for instance in instances], of) for k, of in enumerate(inputs)
    )


def picked(output: ModelOutput, fetch: Sequence[str]) -> ModelOutput:
    """The tensors of an output in the order asked for: old clients know them by their place alone.

    Raises:
        BadInput: one is not there.
    """
    if not fetch:
        return output
    by_name = {tensor.name: tensor for tensor in output.tensors} | {tensor.alias: tensor for tensor in output.tensors}
    for name in fetch:
        if name not in by_name:
            known = ", ".join(repr(tensor.alias) for tensor in output.tensors)
            raise BadInput(f"unknown output {name[:64]!r} in fetch_var_names; there are {known}")
    return ModelOutput(tensors=tuple(by_name[name] for name in fetch), engine_name=output.engine_name)


def encode_output(output: ModelOutput, is_raw: bool = False) -> list[Part]:
    """Write a `ModelOutput` with one `FetchInst`.

    Args:
        output: what a model answered.
        is_raw: whether values are sent as the array's bytes.

    Raises:
        BadDType: an array of a type these messages have no field for.
    """
    tensors = [part for tensor in output.tensors for part in bytes_field(1, *_encode_tensor(tensor, is_raw))]
    parts = bytes_field(1, *tensors)
    return [*parts, *bytes_field(2, output.engine_name.encode())] if output.engine_name else parts


def names(got: Fields, field: str) -> tuple[str, ...]:
    """The texts of a field that has names.

    Raises:
        BadPacket: not UTF-8. TooLarge: too many, or too long.
    """
    texts = got.get(field, ())
    refuse_over(field, len(texts), MAX_FETCH)
    for text in texts:
        refuse_over(f"bytes of {field}", len(text), MAX_NAME_BYTES)
    try:
        return tuple(str(text, "utf-8") for text in texts)
    except UnicodeDecodeError as exc:
        raise BadPacket(f"{field} is not UTF-8") from exc


def _decode_instance(message: memoryview) -> Instance:
    tensors = _INSTANCE.read(message).get("tensor_array", ())
    refuse_over("tensors", len(tensors), MAX_TENSORS)
    return tuple(OldTensor(_TENSOR.read(tensor, runs=True)) for tensor in tensors)


def _batch(tensors: Sequence[WireTensor], of: Input) -> WireTensor:
    first = tensors[0]
    if of.elem_type == dtype.STRING or first.array.dtype.hasobject:
        if len(tensors) > 1:
            raise BadInput(f"tensor {of.alias!r}: strings of {len(tensors)} instances cannot be joined")
        return first
    arrays = [tensor.array for tensor in tensors]
    lod: Lod = ()
    if of.is_lod or first.lod:
        arrays = [array.reshape(-1, 1) if array.ndim < 2 else array for array in arrays]
        lod = _offsets(tensors, arrays, of)
    elif first.array.ndim == len(of.shape) - 1:
        arrays = [array[None] for array in arrays]
    return WireTensor(name=of.name, alias=of.alias, array=_concatenated(arrays, of), lod=lod)


def _offsets(tensors: Sequence[WireTensor], arrays: Sequence[Array], of: Input) -> Lod:
    """One level, as these messages had it."""
    offsets, rows = [0], 0
    for tensor, array in zip(tensors, arrays, strict=True):
        if len(tensor.lod) > 1:
            raise BadInput(f"tensor {of.alias!r}: lod has {len(tensor.lod)} levels, one is taken")
        offsets += [rows + end for end in (tensor.lod[0][1:] if tensor.lod else (len(array),))]
        rows += len(array)
    return (tuple(offsets),)


def _concatenated(arrays: Sequence[Array], of: Input) -> Array:
    if len(arrays) == 1:
        return read_only(arrays[0])
    try:
        return read_only(np.concatenate(arrays))
    except ValueError as exc:
        shapes = ", ".join(dict.fromkeys(describe(array) for array in arrays))
        raise BadInput(f"tensor {of.alias!r}: instances of different shapes cannot be joined: {shapes[:200]}") from exc


def _encode_tensor(tensor: WireTensor, is_raw: bool) -> list[Part]:
    row = row_of(tensor)
    parts: list[Part] = []
    if is_raw and row.code in LITTLE:
        parts += bytes_field(1, np.ascontiguousarray(tensor.array, LITTLE[row.code]).reshape(-1).view(np.uint8).data)
    elif row.carrier in _VALUES:
        values: Part
        if row.carrier in VARINT_CARRIERS:
            values = protobuf.pack_varints(tensor.array)
        else:
            values = np.ascontiguousarray(tensor.array, LITTLE[row.code]).reshape(-1).view(np.uint8).data
        parts += bytes_field(_TENSOR.number_of[row.carrier], values)
    else:
        raise BadDType(f"output {tensor.alias!r} is {row.name}, which messages of 0.6 cannot carry")
    parts.append(protobuf.number_field(5, row.code))
    if shape := shape_of(tensor):
        parts += bytes_field(6, protobuf.pack_few(shape))
    if tensor.lod:
        parts += bytes_field(7, protobuf.pack_varints(np.concatenate(tensor.lod)))
    return parts


def _few(got: Fields, name: str, limit: int) -> list[int]:
    if name not in got:
        return []
    packed = protobuf.joined(got[name])
    refuse_over(name, protobuf.count_varints(packed), limit)
    return protobuf.unpack_few(packed)
