"""Values on their way between a front and the processes of its ops: a tag, a length, the bytes. Never code.

None, booleans, numbers, texts, bytes, lists, tuples, dicts and arrays of numbers or text travel; nothing else does.
"""

import math
import struct
from typing import Any, Final

import numpy as np

from paddle_serving_client.errors import BackendFailed, BadPacket

_MAX_DEPTH: Final = 64
_SIZE: Final = struct.Struct("<Q")
_FLOAT: Final = struct.Struct("<d")
_ARRAY_KINDS: Final = "biufcSUMm"


def encode(value: object) -> bytes:
    """A value as bytes.

    Raises:
        BackendFailed: a value of a type that does not travel; the text says where it is.
    """
    parts: list[bytes] = []
    _write(value, parts, "the data", 0)
    return b"".join(parts)


def decode(data: bytes | bytearray | memoryview) -> Any:
    """The value again; arrays are copies that may be written to.

    Raises:
        BadPacket: not what `encode` writes.
    """
    try:
        value, end = _read(memoryview(data), 0, 0)
    except (struct.error, ValueError, TypeError, IndexError, KeyError) as exc:
        raise BadPacket(f"a damaged value: {exc}") from exc
    if end != len(data):
        raise BadPacket("a damaged value: bytes are left")
    return value


def _write(value: object, parts: list[bytes], where: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise BackendFailed(f"{where}: nested deeper than {_MAX_DEPTH}")
    if value is None or isinstance(value, bool):
        parts.append({None: b"N", True: b"T", False: b"F"}[value])
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
            _write(item, parts, f"{where}[{k}]", depth + 1)
    elif isinstance(value, dict):
        parts += (b"M", _SIZE.pack(len(value)))
        for key, item in value.items():
            _write(key, parts, f"a key of {where}", depth + 1)
            _write(item, parts, f"{where}[{str(key)[:40]!r}]", depth + 1)
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


def _read(data: memoryview, at: int, depth: int) -> tuple[Any, int]:
    if depth > _MAX_DEPTH:
        raise ValueError("too deep")
    tag, at = bytes(data[at : at + 1]), at + 1
    if tag in b"NTF" and tag:
        return {b"N": None, b"T": True, b"F": False}[tag], at
    if tag == b"D":
        return _FLOAT.unpack(data[at : at + 8])[0], at + 8
    if tag in (b"A", b"G"):
        return _read_array(data, at, tag == b"G")
    (size,) = _SIZE.unpack(data[at : at + 8])
    at += 8
    if tag in (b"L", b"P"):
        items = []
        for _ in range(size):
            item, at = _read(data, at, depth + 1)
            items.append(item)
        return (items if tag == b"L" else tuple(items)), at
    if tag == b"M":
        pairs: dict[Any, Any] = {}
        for _ in range(size):
            key, at = _read(data, at, depth + 1)
            pairs[key], at = _read(data, at, depth + 1)
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


def _taken(data: memoryview, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise ValueError("cut")
    return bytes(data[at : at + size])
