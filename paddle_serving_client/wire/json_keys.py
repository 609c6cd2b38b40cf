"""Keys that stand twice in one object of a JSON document: readers take the last, or the first, without a word."""

import json
import re
from typing import Any, Final

import numpy as np

from paddle_serving_client.errors import BadPacket
from paddle_serving_client.wire import json_size
from paddle_serving_client.wire.json_size import Text

_ESCAPED_COLON: Final = re.compile(rb"\\u003[aA]")
_NUMBERS: Final = frozenset((int, float, bool, type(None), np.ndarray))
"""Have neither keys nor colons."""


def refuse_twins(text: Text, document: Any) -> None:
    """Refuse a document with two equal keys in one object.

    Each key has a colon, so where there are as many colons as keys, or as keys and colons in strings, none was lost.

    Args:
        text: a whole JSON document.
        document: what was read from it.

    Raises:
        BadPacket: the text names the key.
    """
    colons = text.count(b":") if isinstance(text, bytes) else json_size.count(text, b":")
    if colons == _keys_on_top(document):  # as in nearly every request
        return
    if colons + len(_ESCAPED_COLON.findall(text)) > sum(_keys_and_colons(document)):
        try:
            json.loads(bytes(text), object_pairs_hook=_refuse_twins_in)
        except RecursionError as exc:
            raise BadPacket(
                "the JSON body is nested too deeply to be looked through for keys that stand twice"
            ) from exc


def _keys_on_top(document: Any) -> int:
    """How many keys a document has, and the objects in its lists."""
    if not isinstance(document, dict):
        return 0
    lists = [value for value in document.values() if type(value) is list and value and type(value[0]) is dict]
    return len(document) + sum([len(item) for value in lists for item in value if type(item) is dict])


def _keys_and_colons(value: Any) -> tuple[int, int]:
    """How many keys there are in a value, and how many colons in its strings."""
    keys = colons = 0
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            colons += value.count(":")
        elif isinstance(value, dict):
            keys += len(value)
            colons += sum(key.count(":") for key in value)
            waiting += value.values()
        elif isinstance(value, list) and not _NUMBERS.issuperset(map(type, value)):
            waiting += value
    return keys, colons


def _refuse_twins_in(pairs: list[tuple[str, Any]]) -> None:
    seen = set()
    for key, _ in pairs:
        if key in seen:
            raise BadPacket(f"the key {key[:64]!r} stands twice in one object of the JSON body")
        seen.add(key)
