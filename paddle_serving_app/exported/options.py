"""What callers may say beside a picture: thresholds and the like, checked."""

import json
from collections.abc import Mapping
from typing import Any

from paddle_serving_app.exported.settings import number
from paddle_serving_client.errors import BadConfig, BadInput

_MOST_CLASSES = 10_000


def checked(options: Mapping[str, Any], known: tuple[str, ...]) -> dict[str, Any]:
    """Those that are given, without nulls; texts of a form are read as JSON where they are some.

    Raises:
        BadInput: one is not known.
    """
    for name in options:
        if name not in known:
            there = ", ".join(("image", *known))
            raise BadInput(f"unknown field {str(name)[:64]!r} beside the picture; there are {there}")
    return {name: _plain(value) for name, value in options.items() if value is not None}


def threshold(value: object, what: str = "threshold") -> float | dict[int, float]:
    """A number, or one for each class by its number.

    Raises:
        BadInput: it is neither.
    """
    try:
        return thresholds_of(value, what)
    except BadConfig as exc:
        raise BadInput(str(exc)) from exc


def thresholds_of(value: object, what: str) -> float | dict[int, float]:
    """As `threshold`, out of a file.

    Raises:
        BadConfig: it is neither.
    """
    if not isinstance(value, Mapping):
        return number(value, what)
    if len(value) > _MOST_CLASSES:
        raise BadConfig(f"{what} has more than {_MOST_CLASSES} classes")
    return {class_number(key, what): number(least, f"{what} of class {key}") for key, least in value.items()}


def class_number(key: object, what: str) -> int:
    """A class out of the key of a mapping, which JSON writes as a text.

    Raises:
        BadConfig: it is none.
    """
    text = str(key)
    if isinstance(key, bool) or not text.isdecimal() or len(text) > 9:
        raise BadConfig(f"{what} is by the number of a class, got {text[:32]!r}")
    return int(text)


def asked(value: object, what: str, least: float = 0.0, most: float = float("inf")) -> float:
    """A number of a caller.

    Raises:
        BadInput: it is none, or beyond a limit.
    """
    try:
        found = number(value, what, least)
    except BadConfig as exc:
        raise BadInput(str(exc)) from exc
    if found > most:
        raise BadInput(f"{what} is at most {most:g}, got {found:g}")
    return found


def _plain(value: Any) -> Any:
    if not isinstance(value, str) or len(value) > 1 << 16:
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
