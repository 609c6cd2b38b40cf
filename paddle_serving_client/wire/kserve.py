"""KServe v2 as Triton speaks it: the values of an inference call, and the rules that hold in JSON and protobuf alike.

Texts of errors are those of Triton where its callers may know them.
"""

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np

from paddle_serving_client import byte_strings, dtype
from paddle_serving_client.errors import BadInput, TooLarge
from paddle_serving_client.message import Array
from paddle_serving_client.wire.tensors import MAX_ELEMENTS, MAX_RANK, read_only, refuse_over

BYTES: Final = "BYTES"
"""The datatype of strings: arrays of objects here, each of them bytes."""
INVALID: Final = "INVALID"
"""What is said of a type that this protocol does not have."""
MAX_STRINGS: Final = 1 << 20
"""Strings in one tensor: each is an object of its own."""
MAX_INPUTS: Final = 64
MAX_OUTPUTS: Final = 64

_NUMPY: Final = {
    row.kserve: row.numpy.newbyteorder("<")
    for row in dtype.ELEM_TYPES.values()
    if row.kserve and row.numpy is not None and not row.numpy.hasobject
}
_LENGTH: Final = struct.Struct("<I")
FINAL: Final = "triton_final_response"
"""The parameter of a response in a stream that says whether it is the last one to its request."""
WANTS_FINAL: Final = "triton_enable_empty_final_response"
"""The parameter of a request that asks for an empty last response, where it is not known before which is the last."""

Parameter: TypeAlias = str | int | float | bool
Parameters: TypeAlias = Mapping[str, Parameter]


@dataclass(frozen=True, slots=True)
class InferInput:
    """One input of a request."""

    name: str
    datatype: str
    array: Array
    """In the shape that was said."""


@dataclass(frozen=True, slots=True)
class RequestedOutput:
    """One output that is asked for."""

    name: str
    classes: int = 0
    """How many of the largest values are wanted, as texts, in the place of the tensor; 0: the tensor."""
    is_binary: bool | None = None
    """Whether it is to come as bytes; None: nothing was said, and it is to come in JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InferRequest:
    """The message `ModelInferRequest`, without the name of the model."""

    id: str = ""
    parameters: Parameters = field(default_factory=dict)
    inputs: tuple[InferInput, ...] = ()
    outputs: tuple[RequestedOutput, ...] = ()
    """Empty: all."""
    is_binary: bool = False
    """Whether outputs are to come as bytes, where none is asked for by name."""


@dataclass(frozen=True, slots=True)
class InferOutput:
    """One output of a response."""

    name: str
    array: Array
    is_binary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InferResponse:
    """The message `ModelInferResponse`."""

    model: str
    version: str
    id: str = ""
    parameters: Parameters = field(default_factory=dict)
    outputs: tuple[InferOutput, ...] = ()


def prefix(request_id: str) -> str:
    """How texts about one request begin."""
    return f"[request id: {request_id[:128] or '<id_unknown>'}] "


# -- types


def datatype_of(code: int) -> str:
    """The datatype of a code of the table of element types; `INVALID` where there is none."""
    row = dtype.ELEM_TYPES.get(code)
    return (row.kserve if row else "") or INVALID


def datatype_of_array(array: Array) -> str:
    """The datatype of an array; `INVALID` where there is none."""
    return BYTES if array.dtype.kind in "OSU" else datatype_of(dtype.code_of(array.dtype))


def numpy_of(datatype: str, name: str) -> "np.dtype[np.generic]":
    """The numpy type of a datatype as its bytes travel; strings have none.

    Args:
        datatype: as a caller said it.
        name: of the input, for the message.

    Raises:
        BadInput: there is no such datatype, or none that can be served.
    """
    if dtype.code_of_kserve(datatype) == dtype.UNKNOWN:
        raise BadInput(f"invalid datatype for input {name}")
    if datatype not in _NUMPY:
        raise BadInput(f"input '{name}' is {datatype}, which is not served; {', '.join(sorted(_NUMPY))} are")
    return _NUMPY[datatype]


def elements_of(name: str, shape: Sequence[int]) -> int:
    """How many elements a shape has.

    Raises:
        BadInput: a dimension is negative. TooLarge: too many dimensions or elements.
    """
    refuse_over(f"dimensions of input '{name}'", len(shape), MAX_RANK)
    if any(length < 0 for length in shape):
        raise BadInput(f"input '{name}' has a negative dimension in its shape {said(shape)}")
    elements = math.prod(shape)
    if max((elements, *shape)) > MAX_ELEMENTS:
        raise TooLarge(f"input '{name}': shape {said(shape)} is over {MAX_ELEMENTS} elements")
    return elements


def said(shape: Sequence[int]) -> str:
    """A shape as Triton writes it: [-1,16]."""
    return f"[{','.join(map(str, shape))}]"


# -- bytes


def unpack(name: str, datatype: str, shape: Sequence[int], data: memoryview, model: str, request_id: str = "") -> Array:
    """The tensor in raw bytes: little-endian, row by row, each string with its length before it. A view if it can be.

    Args:
        name, model, request_id: for the messages.
        datatype, shape: as the caller said them.
        data: the bytes of this tensor and no others.

    Raises:
        BadInput: the bytes are not as many as the shape needs. TooLarge: over a limit.
    """
    elements = elements_of(name, shape)
    if datatype == BYTES:
        return read_only(_strings(name, elements, data, model, request_id).reshape(shape))
    kind = numpy_of(datatype, name)
    if len(data) != elements * kind.itemsize:
        raise BadInput(
            f"{prefix(request_id)}input byte size mismatch for input '{name}' for model '{model}'. "
            f"Expected {elements * kind.itemsize}, got {len(data)}"
        )
    if kind.kind == "b":
        return read_only((np.frombuffer(data, np.uint8) != 0).reshape(shape))
    return read_only(np.frombuffer(data, kind).reshape(shape))


def _strings(name: str, elements: int, data: memoryview, model: str, request_id: str) -> Array:
    refuse_over(f"strings of input '{name}'", elements, MAX_STRINGS)
    found = list(_each_string(data, elements)) if elements <= len(data) // _LENGTH.size else []
    if len(found) != elements or sum(map(len, found)) + elements * _LENGTH.size != len(data):
        raise BadInput(
            f"{prefix(request_id)}expected {elements} string elements for inference input '{name}' "
            f"for model '{model}', got {len(found) or 'fewer'}"
        )
    return byte_strings.array_of(found, (elements,))


def _each_string(data: memoryview, most: int) -> Iterator[bytes]:
    """The whole strings at the beginning, at most so many."""
    at = 0
    for _ in range(most):
        if at + _LENGTH.size > len(data):
            return
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        if at + length > len(data):
            return
        yield bytes(data[at : at + length])
        at += length


def pack(array: Array) -> memoryview:
    """The opposite of `unpack`.

    Raises:
        BadInput: an array of a type that this protocol does not have.
    """
    datatype = datatype_of_array(array)
    if datatype == BYTES:
        return byte_strings.pack(byte_strings.of(array, "an output")).data
    if datatype == INVALID:
        raise BadInput(f"{array.dtype.name} has no datatype in this protocol")
    kind = array.dtype.newbyteorder("<")
    return np.ascontiguousarray(array, kind).reshape(-1).view(np.uint8).data


# -- classification


def classified(array: Array, classes: int, has_rows: bool, labels: Sequence[str] = ()) -> Array:
    """The largest values of an output, as texts "VALUE:INDEX[:LABEL]", those of each row from the largest on.

    Args:
        array: numbers.
        classes: how many; fewer where there are not so many.
        has_rows: whether axis 0 is the batch.
        labels: names of the classes by index, for as many as have one.

    Returns:
        (rows, classes) of bytes; without a batch (classes,).

    Raises:
        BadInput: of strings there is no largest.
    """
    if array.dtype.kind not in "biuf":
        raise BadInput("classification is only for outputs that are numbers")
    rows = array.reshape(len(array), -1) if has_rows and array.ndim > 1 else array.reshape(1, -1)
    texts = [_largest(row, min(classes, rows.shape[1]), labels) for row in rows]
    found = byte_strings.array_of([text for row in texts for text in row], (len(rows), min(classes, rows.shape[1])))
    return found if has_rows and array.ndim > 1 else found[0]


def _largest(row: Array, classes: int, labels: Sequence[str]) -> list[bytes]:
    # Of equal values, the first comes first; NaN is the least.
    keys = row.astype(np.float64)
    order = np.argsort(-np.where(np.isnan(keys), -np.inf, keys), kind="stable")[:classes]
    names = [f":{labels[k]}" if k < len(labels) else "" for k in order]
    return [f"{_number(row[k])}:{k}{name}".encode() for k, name in zip(order, names, strict=True)]


def _number(value: object) -> str:
    """A number as C++ writes it by `std::to_string`."""
    return f"{value:f}" if isinstance(value, np.floating) else str(int(value))  # type: ignore[call-overload]
