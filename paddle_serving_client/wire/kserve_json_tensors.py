"""Tensors of KServe v2 inside JSON: nested or flat lists of values <-> arrays."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from paddle_serving_client import byte_strings
from paddle_serving_client.errors import BadInput, BadPacket
from paddle_serving_client.message import Array
from paddle_serving_client.wire import kserve
from paddle_serving_client.wire.kserve import BYTES, MAX_STRINGS
from paddle_serving_client.wire.tensors import read_only, refuse_over

_ONLY_BINARY: Final = ("FP16", "BF16")


def decode(name: str, datatype: str, shape: Sequence[int], data: object) -> Array:
    """The tensor in the field `data` of an input, nested or flat.

    Args:
        name: of the input, for the messages.
        datatype, shape: as the caller said them.
        data: from a reader of JSON: lists, or arrays of numbers.

    Raises:
        BadPacket: values of another kind, or not as many as the shape needs.
        BadInput: a value that the type cannot hold. TooLarge: over a limit.
    """
    if datatype in _ONLY_BINARY:
        raise BadInput(
            f"receiving {datatype} data via JSON is not supported. Please use the binary data format for input {name}"
        )
    if not isinstance(data, list | np.ndarray):
        raise BadPacket("Unable to parse 'data': attempt to access JSON non-array as array")
    flat: Any = data.reshape(-1) if isinstance(data, np.ndarray) else list(values_in(data))
    if len(flat) != math.prod(shape):
        raise BadPacket("Unable to parse 'data': Shape does not match true shape of 'data' field")
    kserve.elements_of(name, shape)
    if datatype == BYTES:
        return read_only(byte_strings.array_of(_encoded(flat), shape))
    return read_only(_numbers(name, datatype, flat).reshape(shape))


def values_in(data: list[Any]) -> Iterator[Any]:
    """The values of nested lists in their order, without recursion: the depth is the caller's."""
    stack = [iter(data)]
    while stack:
        for value in stack[-1]:
            if isinstance(value, list):
                stack.append(iter(value))
                break
            if isinstance(value, np.ndarray):
                yield from value.reshape(-1).tolist()
            else:
                yield value
        else:
            stack.pop()


def _encoded(flat: Sequence[Any]) -> list[bytes]:
    refuse_over("strings of an input", len(flat), MAX_STRINGS)
    if not all(isinstance(text, str) for text in flat):
        raise BadPacket("Unable to parse JSON bytes array: attempt to access JSON non-string as string")
    return [text.encode() for text in flat]


def _numbers(name: str, datatype: str, flat: Any) -> Array:
    kind = kserve.numpy_of(datatype, name)
    expected = {"b": "boolean", "u": "unsigned-integer", "i": "signed-integer"}.get(kind.kind, "double")
    kinds = {int} if kind.kind in "ui" else {bool} if kind.kind == "b" else {int, float}
    is_array = isinstance(flat, np.ndarray)
    found = {type(flat[:1].tolist()[0])} if is_array and len(flat) else set(map(type, flat))
    if found - kinds:
        raise BadPacket(f"Unable to parse 'data': attempt to access JSON non-{expected} as {expected}")
    if kind.kind in "ui" and len(flat):
        bounds = np.iinfo(kind)  # type: ignore[type-var]  # a kind of whole numbers
        for value in (int(flat.min()), int(flat.max())) if is_array else (min(flat), max(flat)):
            if not bounds.min <= value <= bounds.max:
                raise BadInput(f"input '{name}': {value} does not fit in {datatype}")
    with np.errstate(over="ignore"):
        return np.asarray(flat, np.float64 if kind.kind == "f" else kind).astype(kind)


def encode(name: str, array: Array) -> object:
    """An output as it goes into JSON: flat, real numbers with the digits of a double.

    Raises:
        BadInput: JSON has no way to say it; the text says to ask for bytes.
    """
    datatype = kserve.datatype_of_array(array)
    if datatype in (*_ONLY_BINARY, kserve.INVALID):
        raise BadInput(
            f"sending {datatype} data via JSON is not supported. Please use the binary data format for output {name}"
        )
    flat = array.reshape(-1)
    if datatype == BYTES:
        return [text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text) for text in flat.tolist()]
    return np.ascontiguousarray(flat, np.float64 if flat.dtype.kind == "f" else flat.dtype.newbyteorder("="))


def is_finite(values: object) -> bool:
    """Whether JSON can say these values, which `encode` gave: it has neither NaN nor Infinity."""
    return not isinstance(values, np.ndarray) or values.dtype.kind != "f" or bool(np.isfinite(values).all())
