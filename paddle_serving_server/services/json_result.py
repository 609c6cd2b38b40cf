"""What a service answers, as JSON: whatever numpy and Python have for numbers, texts, lists and objects.

The usual is written at once. What the writer does not take as it is (arrays that are transposed, big-endian or of
text, keys that are numbers) is turned into what it takes; what JSON cannot say is refused, and the text says where.
NaN and infinite numbers become null.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import orjson

from paddle_serving_client import byte_strings, dtype
from paddle_serving_client.errors import BackendFailed

_OPTIONS: Final = orjson.OPT_SERIALIZE_NUMPY
_MAX_DEPTH: Final = 200
_NAMED_CHARACTERS: Final = 40


def dumps(result: object) -> bytes:
    """A result as the body of an answer: `{"result": ...}`.

    Raises:
        BackendFailed: something in it cannot be said; the text has the place and its type, never its value.
    """
    return b'{"result":' + dumps_value(result) + b"}"


def dumps_value(result: object) -> bytes:
    """A result, or a part of one, by itself.

    Raises:
        BackendFailed: as `dumps`.
    """
    try:
        return orjson.dumps(result, option=_OPTIONS)
    except TypeError:  # slower, but it takes more, and knows places
        return orjson.dumps(_plain(result, "result", 0), option=_OPTIONS)


def _plain(value: Any, where: str, depth: int) -> Any:
    """A value in types that the writer takes."""
    if depth > _MAX_DEPTH:
        raise BackendFailed(f"{where.partition('[')[0]} is nested deeper than {_MAX_DEPTH}, or holds itself")
    if isinstance(value, np.ndarray | np.generic):
        return _plain_array(value, where, depth)
    if isinstance(value, Mapping):
        plain: dict[str, Any] = {}
        for key, item in value.items():
            name = _key(key, where)
            if name in plain:
                raise BackendFailed(f"{where} has two keys that are {name[:_NAMED_CHARACTERS]!r} in JSON")
            plain[name] = _plain(item, f"{where}[{key if type(key) is int else name[:_NAMED_CHARACTERS]!r}]", depth + 1)
        return plain
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{k}]", depth + 1) for k, item in enumerate(value)]
    try:
        orjson.dumps(value, option=_OPTIONS)
    except TypeError as exc:
        raise BackendFailed(f"{where} is {_described(value)}") from exc
    return value


def _plain_array(value: Any, where: str, depth: int) -> Any:
    kind = value.dtype.kind
    if kind in "biuf" and isinstance(value, np.ndarray) and value.ndim:
        wide = np.float64 if value.dtype.itemsize > 8 else value.dtype.newbyteorder("=")  # longdouble
        return np.ascontiguousarray(value, wide)
    if kind in "biuf":
        scalar = value[()]
        return scalar if scalar.dtype.itemsize <= 8 else float(scalar)
    if kind == "O" and value.size and byte_strings.is_whole(value):  # as models give them
        return byte_strings.as_json(value)
    if value.dtype == dtype.BFLOAT16:
        return _plain_array(value.astype(np.float32), where, depth)
    if kind in "OUM":
        return _plain(value.tolist() if kind != "M" else np.datetime_as_string(value).tolist(), where, depth + 1)
    raise BackendFailed(f"{where} is of numpy's type {value.dtype}, which has no form in JSON")


def _key(key: object, where: str) -> str:
    """A key as Python's own `json` writes it."""
    if isinstance(key, np.generic):
        key = key.item()
    if isinstance(key, str):
        return _text(key, f"a key of {where}")
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, int | float):
        return str(key)
    raise BackendFailed(f"a key of {where} is a {type(key).__name__}; keys are texts or numbers")


def _text(text: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise BackendFailed(f"{where} is {_described(text)}") from exc
    return str(text)


def _described(value: object) -> str:
    if isinstance(value, str):
        return "a text with half a surrogate pair, which is no Unicode"
    if isinstance(value, bytes | bytearray | memoryview):
        return "bytes; make a text of them, such as base64"
    if isinstance(value, int):
        return "an integer of more than 64 bits; make a text of it"
    if isinstance(value, set | frozenset):
        return f"a {type(value).__name__}, which has no order; make a list of it"
    return f"a {type(value).__module__}.{type(value).__qualname__}".replace("a builtins.", "a ")
