"""The values that GeneralModelService carries, and the rules that hold for them in protobuf and JSON alike."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paddle_serving_client import dtype
from paddle_serving_client.dtype import ElemType
from paddle_serving_client.errors import BadDType, BadInput, TooLarge
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
LITTLE = {code: row.numpy.newbyteorder("<") for code, row in dtype.ELEM_TYPES.items() if row.numpy is not None}
"""The numpy type by code, as its bytes travel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireTensor:
    """One named tensor as it travels."""

    name: str
    """Inside the model; empty where only `alias` came."""
    alias: str = ""
    array: Array
    """In the shape that was sent, which for float16, uint8 and int8 has no batch axis when an old client sent it.
    Read-only off the wire. A tensor of strings is uint8: the strings, joined with NUL."""
    lod: Lod = ()
    strings: tuple[bytes, ...] = ()
    """Only of a tensor of strings: one by one."""


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


def string_tensor(name: str, strings: tuple[bytes, ...], alias: str = "", lod: Lod = ()) -> WireTensor:
    """A tensor of strings.

    Raises:
        BadInput: there is no string.
        TooLarge: a string is over the limit.
    """
    label = label_of(name, alias)
    if not strings:
        raise BadInput(f"{label}: a string tensor (elem_type {dtype.STRING}) without a string in data")
    refuse_over(f"{label}: bytes of a string", max(map(len, strings)), MAX_STRING_BYTES)
    return WireTensor(
        name=name, alias=alias, array=np.frombuffer(b"\0".join(strings), np.uint8), lod=lod, strings=strings
    )


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
    code = dtype.STRING if tensor.strings else dtype.code_of(tensor.array.dtype)
    row = dtype.ELEM_TYPES.get(code)
    if row is None:
        raise BadDType(f"{label_of(tensor.name, tensor.alias)}: {describe(tensor.array)} cannot be sent")
    return row


def shape_of(tensor: WireTensor) -> tuple[int, ...]:
    """The shape that is sent: of strings it is how many there are."""
    return (len(tensor.strings),) if tensor.strings else tensor.array.shape


def checked_type(label: str, elem_type: int, filled: Collection[str]) -> ElemType:
    """The row of the type table, when all values are in the field where that type has them.

    Raises:
        BadDType: no such type, or none that numpy has.
        BadInput: another field is filled.
    """
    row = dtype.ELEM_TYPES.get(elem_type)
    if row is None or row.numpy is None:
        raise BadDType(f"{label}: elem_type {elem_type} ({dtype.name_of(elem_type)}) cannot be served")
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
