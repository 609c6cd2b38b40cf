"""What is to be served, as words of the command line: `[NAME=]PATH`, a service of its own each.

A path is a model in any layout, user code that `handler.py` knows, a service file (`.py`), a pipeline of PaddleX or a
file of settings (`.yml`, `.yaml`).
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from paddle_serving_app import handler, layout
from paddle_serving_app.handler import HandlerSpec
from paddle_serving_app.paddlex import pipeline_file
from paddle_serving_client.errors import BadConfig
from paddle_serving_server.engine import repository

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
NAME_RULE = "letters, digits, '.', '_' and '-' only, at most 128 of them, a letter or digit first"
_FOREIGN = re.compile(r"[^A-Za-z0-9._-]+")
_MOST = 128
_NAMELESS = "model"
_SERVICE, _SETTINGS = (".py",), (".yml", ".yaml")
_CODE = (".py", ".mar")
"""Files that are called as their models are, but for the ending."""


@dataclass(frozen=True, slots=True)
class Thing:
    """A path, and the name that was given to it."""

    path: str
    name: str = ""
    """Of its service; empty: it is derived from the path."""


@dataclass(frozen=True, slots=True)
class Things:
    """All of them, by kind, in the order in which they came."""

    models: tuple[Thing, ...] = ()
    handlers: Mapping[str, HandlerSpec] = field(default_factory=dict)
    """Those of `models` that are user code, by path."""
    services: tuple[str, ...] = ()
    settings: str = ""
    """The file of settings; empty: there is none."""


def parse(text: str) -> Thing:
    """Read `[NAME=]PATH`; what is there under the whole text is a path.

    Raises:
        BadConfig: no service can have the name.
    """
    name, equals, path = text.partition("=")
    if not equals or os.path.lexists(text):
        return Thing(text)
    if not NAME.fullmatch(name) or not path:
        raise BadConfig(f"{text}: NAME=PATH is expected, where a name has {NAME_RULE}")
    return Thing(path, name)


def sorted_out(words: Sequence[str]) -> Things:
    """Tell by its ending and by what is there what each word means.

    Raises:
        BadConfig: there is nothing to serve at a path, or a name was given to what has none.
    """
    models: list[Thing] = []
    found: dict[str, HandlerSpec] = {}
    services: list[str] = []
    settings: list[str] = []
    for word in words:
        thing = parse(word)
        if (spec := handler.at(thing.path)) is not None:
            found[thing.path] = spec
            models.append(thing)
            continue
        file_of = services if thing.path.endswith(_SERVICE) else settings if thing.path.endswith(_SETTINGS) else None
        if file_of is None or Path(thing.path).is_dir():
            repository.refuse_other(thing.path, "nothing to serve:")
            models.append(thing)
            continue
        if not Path(thing.path).is_file():
            raise BadConfig(f"nothing to serve: {thing.path}: there is no such file or folder")
        if thing.name:
            raise BadConfig(f"{word}: a file of services or of settings says the names itself; give only {thing.path}")
        if file_of is settings and pipeline_file.claims(Path(thing.path)):
            pipeline_file.read(Path(thing.path))  # what is missing is said before anything is started
            file_of = services
        file_of.append(thing.path)
    if len(settings) > 1:
        raise BadConfig(f"one file of settings is taken, got {', '.join(settings)}")
    return Things(tuple(models), found, tuple(services), "".join(settings))


def name_of(path: str) -> str:
    """The name of a model's service where none was given: what people call the model, as a service may be called."""
    known = Path(path).stem if path.endswith(_CODE) else layout.name_of(path)
    found = _FOREIGN.sub("_", known).lstrip("._-")[:_MOST]
    return found or _NAMELESS
