"""A value of JSON as a tensor, by the rules of TensorFlow Serving, and in its words where it is none.

Lists are axes, all lists of one axis are equally long, a number with a point is no integer, true is no number, and what
a float could not hold exactly is refused.

Source: tensorflow/serving, `util/json_tensor.cc`.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from paddle_serving_client.dtype import ElemType
from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Array
from paddle_serving_client.wire.tensors import MAX_RANK
from paddle_serving_client.wire.tfserving import DATA_TYPES, DataType

_B64: Final = "b64"
_MOST_SHOWN: Final = 256
"""Bytes of a caller's value that an error repeats."""
_KINDS: Final[Mapping[str, frozenset[type]]] = {
    "f": frozenset((int, float)),
    "i": frozenset((int,)),
    "u": frozenset((int,)),
    "b": frozenset((bool,)),
    "O": frozenset((str, dict)),
}
"""What numpy's kinds of elements may be written as."""
_ARRAYS: Final = {"f": "iuf", "i": "iu", "u": "iu", "b": "b"}
"""Which arrays of numbers that were read at once may become which."""
_WORDS: Final = {
    type(None): "Null", bool: "Bool", dict: "Object", list: "Array", str: "String", int: "Number", float: "Number",
}  # fmt: skip
_CONTAINERS: Final = frozenset((list, np.ndarray))


def array_of(value: object, row: ElemType) -> Array:
    """A value, and the lists in it, as an array.

    Args:
        value: of a document; lists of numbers in it may be arrays.
        row: the element type that the model takes.

    Raises:
        BadInput: it is none, in TensorFlow Serving's words.
    """
    wanted = row.numpy
    if wanted is None or wanted.kind not in _KINDS:
        raise BadInput(f"Conversion of JSON Value: {shown(value)} to type: {_type_name(row)} is not supported")
    found = None if wanted.kind == "O" else _numbers(value, wanted.kind)
    return _checked(value, row) if found is None else _narrowed(found, row)


def is_named(value: object) -> bool:
    """Whether an object gives names to values, and is not one binary value."""
    return isinstance(value, dict) and not (len(value) == 1 and isinstance(value.get(_B64), str))


def shown(value: object) -> str:
    """A value for a message, not longer than one may be."""
    text = ""
    try:
        for piece in _WRITER.iterencode(value):  # piece by piece: there may be millions
            text += piece[:_MOST_SHOWN]
            if len(text) > _MOST_SHOWN:
                break
    except RecursionError:
        text += "[" * _MOST_SHOWN
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "..."


def _plain(value: Any) -> object:
    """The beginning of an array: the rest is not shown."""
    return value[:_MOST_SHOWN].tolist() if value.ndim == 1 else list(value[:_MOST_SHOWN])


_WRITER: Final = json.JSONEncoder(default=_plain, ensure_ascii=False)


def _numbers(value: object, kind: str) -> Array | None:
    """What is right, as nearly always, without a look at each number; None for what has to be looked at."""
    if not isinstance(value, np.ndarray):
        if _types_in(value) - _KINDS[kind] - _CONTAINERS:
            return None
        try:
            value = np.asarray(value)
        except ValueError:  # lists of different lengths
            return None
    return value if value.dtype.kind in _ARRAYS[kind] or not value.size else None


def _types_in(value: object, depth: int = 0) -> set[type]:
    if not isinstance(value, list):
        return {type(value)}
    kinds = set(map(type, value))
    if list in kinds and depth < MAX_RANK:
        kinds.update(*[_types_in(item, depth + 1) for item in value if type(item) is list])
    return kinds


def _narrowed(values: Array, row: ElemType) -> Array:
    wanted = row.numpy
    assert wanted is not None
    if values.dtype == wanted or not values.size:
        return np.asarray(values, wanted)
    low, high = values.min(), values.max()
    if wanted.kind in "iu":
        limits = np.iinfo(wanted.name)
        for value in (int(low), int(high)):
            if not limits.min <= value <= limits.max:
                raise _type_error(value, row)
        return values.astype(wanted)
    most = _most_exact(wanted) if values.dtype.kind in "iu" else float(np.finfo(wanted.name).max)
    finite = values if values.dtype.kind in "iu" else values[np.isfinite(values)]
    for extreme in (finite.min(), finite.max()) if finite.size else ():
        if abs(extreme.item()) > most:
            word = _type_name(row)
            raise BadInput(f"Cannot convert JSON value: {extreme.item()} to {word} without loss of precision.")
    with np.errstate(invalid="ignore"):
        return values.astype(wanted)


def _most_exact(kind: "np.dtype[np.generic]") -> int:
    """The largest integer up to which a float has all of them."""
    return int((1 << np.finfo(kind.name).nmant + 1) - 1)


def _checked(value: object, row: ElemType) -> Array:
    """Item by item, as the original does it: gives an array of byte strings, or says what is wrong with which item."""
    shape: list[int] = []
    first = value
    while isinstance(first, list | np.ndarray):
        shape.append(len(first))
        if not len(first):
            break
        first = first[0]
    if len(shape) > MAX_RANK:
        raise BadInput(f"JSON Value: {shown(value)} is nested deeper than {MAX_RANK}")
    items: list[object] = []
    _fill(value, 0, shape, row, items)
    wanted = row.numpy
    assert wanted is not None
    array = np.empty(len(items), wanted)
    array[:] = items
    return array.reshape(shape)


def _fill(value: object, level: int, shape: list[int], row: ElemType, items: list[object]) -> None:
    if not isinstance(value, list | np.ndarray):
        if level != len(shape):
            where = f"found at incorrect level: {level + 1} in the JSON DOM. Expected at level: {len(shape)}"
            raise BadInput(f"JSON Value: {shown(value)} {where}")
        items.append(_item(value, row))
        return
    if level >= len(shape):
        raise BadInput(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        size = f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        raise BadInput(size)
    for item in value.tolist() if isinstance(value, np.ndarray) else value:
        _fill(item, level + 1, shape, row, items)


def _item(value: object, row: ElemType) -> object:
    wanted = row.numpy
    assert wanted is not None
    if type(value) not in _KINDS[wanted.kind]:
        raise _type_error(value, row)
    if wanted.kind in "iu":
        limits = np.iinfo(wanted.name)
        if not isinstance(value, int) or not limits.min <= value <= limits.max:
            raise _type_error(value, row)
    if wanted.kind == "f" and isinstance(value, int) and abs(value) > _most_exact(wanted):
        raise BadInput(f"Cannot convert JSON value: {value} to {_type_name(row)} without loss of precision.")
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return _decoded(value) if isinstance(value, dict) else value


def _decoded(value: Mapping[str, object]) -> bytes:
    if is_named(value):
        raise BadInput(f"JSON Value: {shown(value)} not formatted correctly for base64 data")
    text = str(value[_B64]).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise BadInput("Unable to base64 decode") from exc


def _type_error(value: object, row: ElemType) -> BadInput:
    word = str(value) if type(value) is bool else _WORDS.get(type(value), "Number")
    return BadInput(f"JSON Value: {shown(value)} Type: {word} is not of expected type: {_type_name(row)}")


def _type_name(row: ElemType) -> str:
    found: DataType | None = DATA_TYPES.get(row.name)
    return row.name if found is None else found.word
