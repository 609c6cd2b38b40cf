"""JSON from callers: what every request that is JSON must be, whoever takes it apart."""

from typing import Any

from paddle_serving_client.errors import BadPacket, TooLarge
from paddle_serving_client.wire import json_keys, json_numbers, json_size, json_text
from paddle_serving_client.wire.json_size import MAX_NUMBERS, MAX_OBJECTS, Text


def loads(text: Text, as_arrays: bool = True) -> Any:
    """Read a document that a caller sent.

    Args:
        text: the document.
        as_arrays: whether long lists of numbers may be arrays.

    Raises:
        BadPacket: not JSON (NaN and Infinity are not), nested deeper than the parser goes (1024), or with a key that
            stands twice in one object.
        TooLarge: more values, arrays or objects than are taken.
    """
    json_size.refuse_large(text, MAX_NUMBERS if as_arrays else MAX_OBJECTS)
    try:
        document = json_numbers.loads(text, MAX_OBJECTS) if as_arrays else json_text.loads(text)
    except TooLarge:
        raise
    except ValueError as exc:
        raise BadPacket(f"the body is not JSON: {exc}") from exc
    json_keys.refuse_twins(text, document)
    return document
