"""Arrays of byte strings: numpy arrays of objects, each of them `bytes`, of any shape.

They are one block of bytes wherever memory holds them: of each string its length, four bytes, the least significant
first, and then the string; the strings in C order. That is also how KServe v2 sends them in binary form.
"""

import base64
import binascii
import struct
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Array

MAX_STRING_BYTES: Final = (1 << 31) - 1
"""Of one string in a block."""
_LENGTH: Final = struct.Struct("<I")
_B64: Final = "b64"


def of(value: object, what: str) -> Array:
    """An array of byte strings, of what a caller has: texts become UTF-8.

    Args:
        value: a text, bytes, a list of such (of lists of such ...) or an array. `{"b64": "..."}` stands for the bytes
            that this is in base64. An array of fixed width ("S", "U") has lost NUL at the end of its strings, which
            numpy does not keep.
        what: it is, for messages.

    Raises:
        BadInput: anything else, or lists of different lengths.
    """
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "OSU":
            raise BadInput(f"{what} must be strings, got {value.dtype.name}")
        if value.dtype.kind == "O" and is_whole(value):
            return value
        return _filled(list(value.flat), value.shape, what)
    flat: list[object] = []
    return _filled(flat, _flattened(value, flat, what, 0), what)


def is_whole(array: Array) -> bool:
    """Whether every object of an array is `bytes`."""
    return all(type(item) is bytes for item in array.flat)


def pack(array: Array) -> Array:
    """The strings as one block, uint8 of one axis.

    Raises:
        BadInput: an element is no byte string, or one is too long.
    """
    parts: list[bytes] = []
    for item in array.flat:
        if type(item) is not bytes:
            raise BadInput(f"an array of byte strings holds a {type(item).__name__}")
        if len(item) > MAX_STRING_BYTES:
            raise BadInput(f"a string of {len(item)} bytes; at most {MAX_STRING_BYTES} are taken")
        parts += (_LENGTH.pack(len(item)), item)
    return np.frombuffer(b"".join(parts), np.uint8)


def unpack(block: object, shape: Sequence[int], what: str) -> Array:
    """The strings of a block again; nothing is made before every length in it was looked at.

    Args:
        block: bytes, or anything with a buffer.
        shape: of the array; its product is how many strings there must be.
        what: it is, for messages.

    Raises:
        BadInput: a length goes beyond the block, or there are more or fewer strings than the shape says.
    """
    view = memoryview(block).cast("B")  # type: ignore[arg-type]  # any buffer will do
    ends: list[tuple[int, int]] = []
    at, count = 0, 1
    for length in shape:
        count *= length
    while at < len(view) and len(ends) <= count:
        if len(view) - at < _LENGTH.size:
            raise BadInput(f"{what}: {len(view) - at} bytes are left where the length of a string is expected")
        (size,) = _LENGTH.unpack_from(view, at)
        at += _LENGTH.size + size
        if at > len(view):
            raise BadInput(f"{what}: string {len(ends)} says {size} bytes, which goes beyond the end")
        ends.append((at - size, at))
    if len(ends) != count:
        came = f"more than {count}" if len(ends) > count else len(ends)
        raise BadInput(f"{what}: shape {list(shape)} is {count} strings, {came} came")
    return array_of([bytes(view[begin:end]) for begin, end in ends], shape)


def array_of(strings: Sequence[bytes], shape: Sequence[int]) -> Array:
    """Strings in C order as an array; there are as many as the shape says."""
    array = np.empty(shape, object)
    array.reshape(-1)[:] = strings
    return array


def as_json(array: Array) -> Any:
    """The strings as JSON says them: a text where that is UTF-8, else `{"b64": "..."}`; lists for axes."""
    if array.ndim:
        return [as_json(array[k]) for k in range(len(array))] if array.ndim > 1 else [_said(s) for s in array]
    return _said(array.item())


def from_b64(value: object, what: str) -> bytes:
    """The bytes that an object `{"b64": "..."}` stands for.

    Raises:
        BadInput: it is no such object, or not base64.
    """
    if not isinstance(value, dict) or value.keys() != {_B64} or not isinstance(value[_B64], str):
        raise BadInput(f'{what} must be text or {{"b64": "..."}}, got {type(value).__name__}')
    try:
        return base64.b64decode(value[_B64], validate=True)
    except (binascii.Error, ValueError) as exc:
        raise BadInput(f"{what}: what b64 has is not base64") from exc


def _said(string: bytes) -> object:
    try:
        return string.decode()
    except UnicodeDecodeError:
        return {_B64: base64.b64encode(string).decode("ascii")}


def _filled(items: Sequence[object], shape: Sequence[int], what: str) -> Array:
    return array_of([_bytes(item, what) for item in items], shape)


def _bytes(item: object, what: str) -> bytes:
    if isinstance(item, str):
        try:
            return item.encode()
        except UnicodeEncodeError as exc:
            raise BadInput(f"{what} has a text with half a surrogate pair, which is no Unicode") from exc
    if isinstance(item, bytes):
        return bytes(item)
    if isinstance(item, dict):
        return from_b64(item, what)
    raise BadInput(f"{what} must be strings, got {type(item).__name__}")


def _flattened(value: object, flat: list[object], what: str, depth: int) -> tuple[int, ...]:
    """Append what is in a list of lists, in C order, and give its shape."""
    if not isinstance(value, list | tuple | np.ndarray):
        flat.append(value)
        return ()
    if depth == 64:
        raise BadInput(f"{what}: lists in lists, more than {depth} deep")
    shapes = {_flattened(item, flat, what, depth + 1) for item in value}
    if len(shapes) > 1:
        raise BadInput(f"{what}: lists of different lengths in one list")
    return (len(value), *(shapes.pop() if shapes else ()))
