"""Values out of JSON and YAML that somebody else wrote, checked as they are taken: the message says where and what."""

import math
from collections.abc import Mapping
from typing import Any

from paddle_serving_client.errors import BadConfig

_MAX_TEXT = 4096
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def mapping(value: object, where: str) -> Mapping[str, Any]:
    """A mapping with texts as keys; None is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise BadConfig(f"{where}: must be a mapping of names to values, got {shown(value)}")
    return value


def text(values: Mapping[str, Any], key: str, where: str, default: str = "") -> str:
    """A text; numbers, which versions are often written as, become one."""
    value = values.get(key)
    if value is None:
        return default
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > _MAX_TEXT or "\0" in value:
        raise BadConfig(f"{where}: {key} must be a text, got {shown(value)}")
    return value


def whole(values: Mapping[str, Any], key: str, where: str, least: int = 0) -> int | None:
    """A whole number, also where it is written as a text; None where it is not there."""
    value = values.get(key)
    if value is None:
        return None
    if isinstance(value, str) and value.strip().removeprefix("-").isdecimal() and len(value) <= 18:
        value = int(value)
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < least or value >= 1 << 62:
        raise BadConfig(f"{where}: {key} must be a whole number of at least {least}, got {shown(value)}")
    return value


def truth(values: Mapping[str, Any], key: str, where: str, default: bool = False) -> bool:
    """A truth value, also where it is written as a text."""
    value = values.get(key)
    if value is None:
        return default
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in (*_TRUE, *_FALSE):
        return value.strip().lower() in _TRUE
    raise BadConfig(f"{where}: {key} must be true or false, got {shown(value)}")


def shown(value: object) -> str:
    """A value, short enough for a message."""
    return repr(value)[:64]
