"""Fields of a JSON message that stands for one of protobuf: each of its kind, or refused by name."""

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from paddle_serving_client.errors import BadPacket
from paddle_serving_client.wire.tensors import MAX_NAME_BYTES, refuse_over

MAX_VALUES = 20_000_000
"""Values in an answer."""

Object: TypeAlias = Mapping[str, Any]
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,20}")


def as_object(got: object, name: str) -> Object:
    if not isinstance(got, dict):
        raise BadPacket(f"{name} must be an object, got {kind_of(got)}")
    return got


def array(got: Object, name: str, limit: int = MAX_VALUES) -> list[Any]:
    """A field that is a list; one that is not there is empty. Raises BadPacket, TooLarge."""
    value = got.get(name)
    if value is None:
        return []
    if isinstance(value, np.ndarray):  # numbers, where few or other things are expected
        value = value.tolist()
    if not isinstance(value, list):
        raise BadPacket(f"{name} must be an array, got {kind_of(value)}")
    refuse_over(name, len(value), limit)
    return value


def text(value: object, name: str) -> str:
    """A short text. Raises BadPacket, TooLarge."""
    if not isinstance(value, str):
        raise BadPacket(f"{name} must be text, got {kind_of(value)}")
    refuse_over(f"characters of {name}", len(value), MAX_NAME_BYTES)
    return value


def flag(got: Object, name: str) -> bool:
    """A field that is true or false; false where it is not there. Raises BadPacket."""
    value = got.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadPacket(f"{name} must be true or false, got {kind_of(value)}")
    return bool(value)


def number(got: Object, name: str, least: int, most: int) -> int:
    """A field that is a whole number; 0 where it is not there. Raises BadPacket."""
    value = got.get(name)
    if value is None:
        return 0
    found = whole(value)
    if found is None or not least <= found <= most:
        raise BadPacket(f"{name} must be a whole number from {least} to {most}, got {kind_of(value)}")
    return found


def whole(value: object) -> int | None:
    """A number, or text that is one; a float is none, for orjson makes floats of integers that are too long."""
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def kind_of(value: object) -> str:
    """What a value is, for a message; short, whatever the caller sent."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return f"{value!r}"
    if isinstance(value, str):
        return f"the text {value[:32]!r}"
    return "an array" if isinstance(value, list) else "an object"


def filled(**fields: object) -> dict[str, object]:
    """The fields that are not at their default."""
    return {name: value for name, value in fields.items() if isinstance(value, np.ndarray) or value}
