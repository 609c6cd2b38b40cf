"""Values on their way between a front and user code in another process: a tag, a length, the bytes. Never code.

None, booleans, numbers, texts, bytes, lists, tuples, dicts and arrays of numbers, texts or byte strings travel; nothing
else does. Large arrays may travel beside the rest, in shared memory, as the tensors of a model do.
"""

import math
import struct
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from paddle_serving_client import dtype
from paddle_serving_client.errors import BackendFailed, BadPacket
from paddle_serving_client.message import Array

_MAX_DEPTH: Final = 64
_SIZE: Final = struct.Struct("<Q")
_FLOAT: Final = struct.Struct("<d")
_ARRAY_KINDS: Final = "biufcSUMm"
_BESIDE_BYTES: Final = 512
"""Arrays from this size on travel beside the rest."""
_MOST_BESIDE: Final = 200


def encode(value: object) -> bytes:
    """A value as bytes.

    Raises:
        BackendFailed: a value of a type that does not travel; the text says where it is.
    """
    parts: list[bytes] = []
    _write(value, parts, "the data", 0, None)
    return b"".join(parts)


def to_arrays(value: object) -> tuple[Array, ...]:
    """A value as arrays: the bytes of all but its large arrays, and these.

    Raises:
        BackendFailed: as `encode`.
    """
    parts: list[bytes] = []
    beside: list[Array] = []
    _write(value, parts, "the data", 0, beside)
    return (np.frombuffer(b"".join(parts), np.uint8), *beside)


def of_arrays(arrays: Sequence[Array]) -> Any:
    """The value again, of copies.

    Raises:
        BadPacket: not what `to_arrays` writes.
    """
    if not arrays or arrays[0].dtype != np.uint8:
        raise BadPacket("a damaged value: nothing begins it")
    return decode(arrays[0].tobytes(), arrays[1:])


def decode(data: bytes | bytearray | memoryview, beside: Sequence[Array] = ()) -> Any:
    """The value again; arrays are copies that may be written to.

    Raises:
        BadPacket: not what `encode` writes.
    """
    try:
        value, end = _read(memoryview(data), 0, 0, beside)
    except (struct.error, ValueError, TypeError, IndexError, KeyError) as exc:
        raise BadPacket(f"a damaged value: {exc}") from exc
    if end != len(data):
        raise BadPacket("a damaged value: bytes are left")
    return value


def _write(value: object, parts: list[bytes], where: str, depth: int, beside: list[Array] | None) -> None:
    if depth > _MAX_DEPTH:
        raise BackendFailed(f"{where}: nested deeper than {_MAX_DEPTH}")
    if value is None or isinstance(value, bool):
        parts.append({None: b"N", True: b"T", False: b"F"}[value])
    elif isinstance(value, np.ndarray) and beside is not None and _goes_beside(value, beside):
        parts += (b"R", _SIZE.pack(len(beside)))
        beside.append(np.ascontiguousarray(value) if value.ndim else value)
    elif isinstance(value, np.ndarray) and value.dtype.hasobject and value.dtype.kind == "O":
        parts.append(b"O")
        _write(list(value.shape), parts, where, depth + 1, beside)
        _write([_text_of(item, where) for item in value.ravel()], parts, where, depth + 1, beside)
    elif isinstance(value, np.ndarray | np.generic) and value.dtype.kind in _ARRAY_KINDS:
        _write_array(np.asarray(value), parts, b"A" if isinstance(value, np.ndarray) else b"G")
    elif isinstance(value, int):
        _write_bytes(b"I", str(int(value)).encode(), parts)
    elif isinstance(value, float):
        parts += (b"D", _FLOAT.pack(value))
    elif isinstance(value, str):
        _write_bytes(b"S", str(value).encode("utf-8", "surrogatepass"), parts)
    elif isinstance(value, bytes | bytearray | memoryview):
        _write_bytes(b"B", bytes(value), parts)
    elif isinstance(value, list | tuple):
        parts += (b"L" if isinstance(value, list) else b"P", _SIZE.pack(len(value)))
        for k, item in enumerate(value):
            _write(item, parts, f"{where}[{k}]", depth + 1, beside)
    elif isinstance(value, dict):
        parts += (b"M", _SIZE.pack(len(value)))
        for key, item in value.items():
            _write(key, parts, f"a key of {where}", depth + 1, beside)
            _write(item, parts, f"{where}[{str(key)[:40]!r}]", depth + 1, beside)
    else:
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        kind += f" of {value.dtype}" if isinstance(value, np.ndarray) else ""
        raise BackendFailed(f"{where} is a {kind}, which cannot go to another process; turn it into arrays or texts")


def _write_bytes(tag: bytes, data: bytes, parts: list[bytes]) -> None:
    parts += (tag, _SIZE.pack(len(data)), data)


def _write_array(array: np.ndarray[Any, Any], parts: list[bytes], tag: bytes) -> None:
    head = f"{array.dtype.str};{','.join(map(str, array.shape))}".encode()
    _write_bytes(tag, head, parts)
    parts += (_SIZE.pack(array.nbytes), np.ascontiguousarray(array).tobytes())


def _read(data: memoryview, at: int, depth: int, beside: Sequence[Array]) -> tuple[Any, int]:
    if depth > _MAX_DEPTH:
        raise ValueError("too deep")
    tag, at = bytes(data[at : at + 1]), at + 1
    if tag in b"NTF" and tag:
        return {b"N": None, b"T": True, b"F": False}[tag], at
    if tag == b"D":
        return _FLOAT.unpack(data[at : at + 8])[0], at + 8
    if tag == b"R":
        (number,) = _SIZE.unpack(data[at : at + 8])
        return beside[number].copy(), at + 8
    if tag == b"O":
        return _read_objects(data, at, depth, beside)
    if tag in (b"A", b"G"):
        return _read_array(data, at, tag == b"G")
    (size,) = _SIZE.unpack(data[at : at + 8])
    at += 8
    if tag in (b"L", b"P"):
        items = []
        for _ in range(size):
            item, at = _read(data, at, depth + 1, beside)
            items.append(item)
        return (items if tag == b"L" else tuple(items)), at
    if tag == b"M":
        pairs: dict[Any, Any] = {}
        for _ in range(size):
            key, at = _read(data, at, depth + 1, beside)
            pairs[key], at = _read(data, at, depth + 1, beside)
        return pairs, at
    raw = _taken(data, at, size)
    if tag == b"I":
        return int(raw), at + size
    if tag == b"S":
        return raw.decode("utf-8", "surrogatepass"), at + size
    if tag == b"B":
        return raw, at + size
    raise ValueError("an unknown tag")


def _read_array(data: memoryview, at: int, is_scalar: bool) -> tuple[Any, int]:
    (size,) = _SIZE.unpack(data[at : at + 8])
    head = _taken(data, at + 8, size).decode("ascii")
    at += 8 + size
    name, _, dimensions = head.partition(";")
    dtype = np.dtype(name)
    shape = tuple(int(n) for n in dimensions.split(",") if n)
    (nbytes,) = _SIZE.unpack(data[at : at + 8])
    at += 8
    if dtype.kind not in _ARRAY_KINDS or min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != nbytes:
        raise ValueError("an array that cannot be")
    array = np.frombuffer(_taken(data, at, nbytes), dtype).reshape(shape).copy()
    return (array[()] if is_scalar else array), at + nbytes


def _read_objects(data: memoryview, at: int, depth: int, beside: Sequence[Array]) -> tuple[Any, int]:
    shape, at = _read(data, at, depth + 1, beside)
    items, at = _read(data, at, depth + 1, beside)
    array = np.empty(len(items), object)
    array[:] = items
    return array.reshape(shape), at


def _goes_beside(array: Array, beside: list[Array]) -> bool:
    if not array.dtype.isnative or array.dtype.hasobject or len(beside) >= _MOST_BESIDE:
        return False
    if dtype.code_of(array.dtype) == dtype.UNKNOWN:
        return False
    return array.nbytes >= _BESIDE_BYTES or array.dtype.kind not in _ARRAY_KINDS


def _text_of(item: object, where: str) -> bytes | str:
    if isinstance(item, bytes | str):
        return item
    raise BackendFailed(f"{where}: an array of objects has texts or byte strings, got {type(item).__name__}")


def _taken(data: memoryview, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise ValueError("cut")
    return bytes(data[at : at + size])
