"""JSON as text: by orjson where it is installed, as on every server, by the standard library where it is not.

Both write numpy arrays. NaN and Infinity as bare words, which JSON does not have, are neither read nor written, but by
`dumps_numbers` and `loads_special`, for callers whose protocol has them.
"""

import json
from typing import Any, Final

import numpy as np

from paddle_serving_client.message import Array

_SINGLE: Final = np.dtype(np.float32)
_WORDS: Final = {"nan": b"NaN", "inf": b"Infinity", "-inf": b"-Infinity"}

try:
    import orjson
except ImportError:
    _has_orjson = False
else:
    _has_orjson = True


def loads(text: bytes | bytearray | memoryview) -> Any:
    """Read a document. Raises ValueError."""
    if _has_orjson:
        return orjson.loads(text)
    try:
        return json.loads(bytes(text), parse_constant=_refuse)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc


def dumps(value: object) -> bytes:
    """Write a document. Raises TypeError or ValueError for what JSON cannot say."""
    if _has_orjson:
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    return json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def loads_special(text: bytes | bytearray | memoryview) -> Any:
    """Read a document where NaN, Infinity and -Infinity are numbers. Raises ValueError."""
    try:
        return json.loads(bytes(text))
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc


def dumps_numbers(array: Array) -> bytes:
    """Write numbers or truth values, with as few digits as give the same value back; NaN and Infinity as bare words."""
    if array.dtype.kind == "f" and array.dtype.itemsize < _SINGLE.itemsize:
        array = array.astype(_SINGLE)
    if not _has_orjson:
        return json.dumps(array.tolist(), separators=(",", ":")).encode()
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(array.shape)
    text = orjson.dumps(plain if array.ndim else plain[()], option=orjson.OPT_SERIALIZE_NUMPY)
    if array.dtype.kind != "f" or np.isfinite(plain).all():
        return text
    flat = plain.ravel()
    words = [_WORDS[str(value)] for value in flat[~np.isfinite(flat)].tolist()]  # each of them is null in the text
    pieces = text.split(b"null")
    return b"".join([piece for pair in zip(pieces, words, strict=False) for piece in pair] + pieces[-1:])


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
