"""JSON as text: by orjson where it is installed, as on every server, by the standard library where it is not.

Both write numpy arrays, and neither reads or writes NaN and Infinity as bare words, which JSON does not have.
"""

import json
from typing import Any

import numpy as np

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


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
