"""JSON from callers: what every request that is JSON must be, whoever takes it apart."""

from typing import Any, Final

from paddle_serving_client.errors import BadPacket, TooLarge
from paddle_serving_client.wire import json_keys, json_numbers, json_size, json_text
from paddle_serving_client.wire.json_size import MAX_CONTAINERS, MAX_NUMBERS, MAX_OBJECTS, Text

_SPECIAL: Final = (b"NaN", b"Infinity")


def loads(text: Text, as_arrays: bool = True, may_be_special: bool = False) -> Any:
    """Read a document that a caller sent.

    Args:
        text: the document.
        as_arrays: whether long lists of numbers may be arrays.
        may_be_special: whether NaN, Infinity and -Infinity are numbers, as some protocols have it; JSON has not.

    Raises:
        BadPacket: not JSON, nested deeper than the parser goes (1024), or with a key that
            stands twice in one object.
        TooLarge: more values, arrays or objects than are taken.
    """
    _refuse_large(text, as_arrays)
    try:
        document = json_numbers.loads(text, MAX_OBJECTS) if as_arrays else json_text.loads(text)
    except TooLarge:
        raise
    except ValueError as exc:
        if not (may_be_special and any(word in bytes(text) for word in _SPECIAL)):
            raise BadPacket(f"the body is not JSON: {exc}") from exc
        document = _special(text)
    json_keys.refuse_twins(text, document)
    return document


def _refuse_large(text: Text, as_arrays: bool) -> None:
    """One regular array may have as many arrays in it as numbers: a picture of 512 x 512 with the channels last."""
    try:
        json_size.refuse_large(text, MAX_NUMBERS if as_arrays else MAX_OBJECTS)
    except TooLarge:
        if not as_arrays:
            raise
        json_size.refuse_large(text, MAX_NUMBERS, max_containers=len(text))
        if json_size.count(text, b"{") > MAX_CONTAINERS or json_numbers.regular_shape(text) is None:
            raise


def _special(text: Text) -> Any:
    """A document with numbers that are none in JSON; all of its values become objects."""
    json_size.refuse_large(text, MAX_OBJECTS)
    try:
        return json_text.loads_special(text)
    except ValueError as exc:
        raise BadPacket(f"the body is not JSON: {exc}") from exc
