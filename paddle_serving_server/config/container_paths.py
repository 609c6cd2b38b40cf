"""Paths of a container, which people's settings are full of, and where they are here: `--map /THERE=HERE`."""

import os
from collections.abc import Sequence
from typing import TypeAlias

from paddle_serving_client.errors import BadConfig

Maps: TypeAlias = Sequence[tuple[str, str]]
"""Absolute paths there, and where they are here."""


def parse(text: str) -> tuple[str, str]:
    """The value of a `--map`.

    Raises:
        BadConfig: it is not of that form.
    """
    there, equals, place = text.partition("=")
    if not equals or not there.startswith("/") or not place:
        raise BadConfig(f"--map: /PATH/THERE=FOLDER is expected, got {text[:128]!r}")
    return there, place


def here(path: str, maps: Maps) -> str:
    """A path as it is called on this machine: the longest of the mapped ones that it begins with counts."""
    for there, place in sorted(maps, key=lambda item: -len(item[0])):
        if path == there:
            return place
        if path.startswith(f"{there.rstrip('/')}/"):
            return os.path.join(place, path[len(there) :].lstrip("/"))
    return path
