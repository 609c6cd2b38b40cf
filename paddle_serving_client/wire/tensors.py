"""The values that GeneralModelService carries, and the rules that hold for them in protobuf and JSON alike."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paddle_serving_client import byte_strings, dtype
from paddle_serving_client.dtype import ElemType
from paddle_serving_client.errors import BadDType, BadInput, BadPacket, TooLarge
from paddle_serving_client.message import Array, Lod, Request, describe

MAX_TENSORS = 64
"""Tensors in a request, or in one output of a response."""
MAX_FETCH = 64
MAX_OUTPUTS = 64
"""Engines that answer in one response."""
MAX_RANK = 16
MAX_ELEMENTS = 1 << 28
"""Elements of one tensor; also the largest dimension."""
MAX_LOD = 1 << 20
MAX_PROFILE_TIMES = 1024
MAX_STRING_BYTES = 16 << 20
MAX_NAME_BYTES = 1024
"""Names of variables; those of converted models can be long."""

CARRIERS = frozenset(row.carrier for row in dtype.ELEM_TYPES.values())
"""The fields of a Tensor that hold values."""
VARINT_CARRIERS = frozenset({"int64_data", "int_data", "bool_data"})
"""Those of them that hold integers of any length; the others hold little-endian bytes."""
LITTLE = {code: row.numpy.newbyteorder("<") for code, row in dtype.ELEM_TYPES.items() if row.numpy and row.size}
"""The numpy type by code, as its bytes travel; of types whose elements all have one size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireTensor:
    """One named tensor as it travels."""

    name: str
    """Inside the model; empty where only `alias` came."""
    alias: str = ""
    array: Array
    """In the shape that was sent, which for float16, uint8 and int8 has no batch axis when an old client sent it.
    Read-only off the wire. One of strings has objects, each `bytes`."""
    lod: Lod = ()

    @property
    def strings(self) -> tuple[bytes, ...]:
        """Of a tensor of strings: one by one, in C order."""
        return tuple(self.array.flat) if self.array.dtype.hasobject else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRequest:
    """The message `Request`."""

    tensors: tuple[WireTensor, ...] = ()
    fetch: tuple[str, ...] = ()
    """Aliases as they came; empty means all."""
    profile_server: bool = False
    log_id: int = 0

    def as_request(self, deadline: float = math.inf) -> Request:
        """What a service takes: tensors by real name, or by alias where that is all there is."""
        return Request(
            tensors={t.name or t.alias: t.array for t in self.tensors},
            lods={t.name or t.alias: t.lod for t in self.tensors if t.lod},
            fetch=self.fetch,
            log_id=self.log_id,
            deadline=deadline,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOutput:
    """The answer of one engine."""

    tensors: tuple[WireTensor, ...] = ()
    engine_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireResponse:
    """The message `Response`."""

    outputs: tuple[ModelOutput, ...] = ()
    profile_time: tuple[int, ...] = ()
    """Pairs of (start, end) in microseconds; the last pair is the whole request."""
    profile_server: bool = False
    log_id: int = 0
    err_no: int = 0
    err_msg: str = ""


def string_tensor(
    name: str, strings: Sequence[bytes], alias: str = "", lod: Lod = (), shape: Sequence[int] = ()
) -> WireTensor:
    """A tensor of strings.

    Args:
        name: inside the model.
        strings: in C order.
        alias: for callers.
        lod: sequence offsets.
        shape: of the tensor. One of fewer than two axes says nothing, unless it is empty on purpose: old clients send
            others, and what has no axis is told from one string by nobody.

    Raises:
        BadInput: there is no string, or not as many as the shape says.
        TooLarge: a string is over the limit, or there are too many.
    """
    label = label_of(name, alias)
    elements = checked_elements(label, shape)
    if not strings and (elements or not shape):
        raise BadInput(f"{label}: a string tensor (elem_type {dtype.STRING}) without a string in data")
    refuse_over(f"{label}: bytes of a string", max(map(len, strings), default=0), MAX_STRING_BYTES)
    if len(shape) < 2 and strings:
        shape = (len(strings),)
    elif elements != len(strings):
        refuse_miscount(label, shape, elements, "data", len(strings))
    array = read_only(byte_strings.array_of(strings, shape))
    return WireTensor(name=name, alias=alias, array=array, lod=lod)


def label_of(name: str, alias: str) -> str:
    """How messages call a tensor.

    Raises:
        BadInput: it has no name at all.
    """
    if not (name or alias):
        raise BadInput("a tensor has neither name nor alias_name")
    return f"tensor {name or alias!r}"


def row_of(tensor: WireTensor) -> ElemType:
    """The tensor's row of the type table.

    Raises:
        BadDType: there is none.
    """
    row = dtype.ELEM_TYPES.get(dtype.code_of(tensor.array.dtype))
    if row is None:
        raise BadDType(f"{label_of(tensor.name, tensor.alias)}: {describe(tensor.array)} cannot be sent")
    if row.code == dtype.STRING and not byte_strings.is_whole(tensor.array):
        raise BadDType(f"{label_of(tensor.name, tensor.alias)}: an array of objects that are no bytes cannot be sent")
    return row


def shape_of(tensor: WireTensor) -> tuple[int, ...]:
    """The shape that is sent: that of the array, and 1 for a string without axes."""
    return tensor.array.shape or ((1,) if tensor.array.dtype.hasobject else ())


def checked_type(label: str, elem_type: int, filled: Collection[str]) -> ElemType:
    """The row of the type table, when all values are in the field where that type has them.

    Raises:
        BadDType: no such type, or none that numpy has.
        BadInput: another field is filled.
    """
    row = dtype.ELEM_TYPES.get(elem_type)
    if row is None or row.numpy is None:
        raise BadDType(
            f"{label}: elem_type {elem_type} ({dtype.name_of(elem_type)}) cannot be served{dtype.remedy_of(elem_type)}"
        )
    wrong = sorted({*filled} - {row.carrier})
    if wrong:
        raise BadInput(f"{label}: {row.name} values go in {row.carrier}, but {', '.join(wrong)} came")
    return row


def checked_elements(label: str, shape: Sequence[int]) -> int:
    """How many elements a shape has.

    Raises:
        BadInput: a dimension is negative.
        TooLarge: too many dimensions or elements.
    """
    refuse_over(f"{label}: dimensions", len(shape), MAX_RANK)
    elements = math.prod(shape)
    if shape and not 0 <= min(shape) <= max(*shape, elements) <= MAX_ELEMENTS:
        if min(shape) < 0:
            raise BadInput(f"{label}: shape {list(shape)} has a negative dimension")
        raise TooLarge(f"{label}: shape {list(shape)} is over {MAX_ELEMENTS} elements")
    return elements


def refuse_miscount(label: str, shape: Sequence[int], elements: int, carrier: str, count: int) -> None:
    """Raise BadInput when the shape and the values that came do not agree."""
    if elements != count:
        raise BadInput(f"{label}: shape {list(shape)} is {elements} elements, but {carrier} has {count}")


def refuse_over(what: str, count: int, limit: int) -> None:
    """Raise TooLarge when there are more than the limit allows."""
    if count > limit:
        raise TooLarge(f"{what}: {count}, at most {limit} are taken")


def decoded_name(raw: memoryview, what: str) -> str:
    """A name or another short text of a message.

    Raises:
        BadPacket: not UTF-8. TooLarge: too long.
    """
    refuse_over(f"bytes of {what}", len(raw), MAX_NAME_BYTES)
    try:
        return str(raw, "utf-8")
    except UnicodeDecodeError as exc:
        raise BadPacket(f"{what} is not UTF-8") from exc


def refuse_twins(tensors: Sequence[WireTensor]) -> None:
    """Raise BadInput when two tensors have one name."""
    names = [tensor.name or tensor.alias for tensor in tensors]
    if len(set(names)) < len(names):
        raise BadInput(f"tensor {next(name for name in names if names.count(name) > 1)!r} is there more than once")


def narrowed(label: str, values: npt.NDArray[np.int64], row: ElemType) -> Array:
    """Integers as the type of a row; those of a bool are true unless 0.

    Raises:
        BadInput: a value does not fit.
    """
    wanted = LITTLE[row.code]
    if wanted == values.dtype:
        return values
    if wanted.kind == "i" and values.size:
        half = 1 << 8 * wanted.itemsize - 1
        for value in (int(values.min()), int(values.max())):
            if not -half <= value < half:
                raise BadInput(f"{label}: {value} in {row.carrier} does not fit in {row.name}")
    return values.astype(wanted)


def read_only(array: Array) -> Array:
    """The same array, so that who writes into it fails loudly."""
    array.flags.writeable = False
    return array


def lod_levels(label: str, flat: Sequence[int]) -> Lod:
    """The levels of a LoD, which travels flat: each 0 starts a new one.

    Raises:
        BadInput: it does not start with 0.
    """
    if not flat:
        return ()
    if flat[0] != 0:
        raise BadInput(f"{label}: lod must start with 0, got {list(flat[:8])}")
    starts = [k for k, offset in enumerate(flat) if offset == 0]
    return tuple(tuple(flat[a:b]) for a, b in zip(starts, [*starts[1:], len(flat)], strict=True))
