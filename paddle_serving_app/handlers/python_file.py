"""A Python file with a function `handle(requests)`, or a class `Handler` with such a method.

    def handle(requests):                       # a list of handler.HandlerRequest
        return [{"y": 2 * request.tensors["x"]} for request in requests]

A class is made once, with the `HandlerContext` if it takes one; `close` is called at the end, if there is one. The
modules beside the file can be imported.
"""

import ast
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from paddle_serving_app import fault_place
from paddle_serving_app.handler import About, Handler, HandlerContext, HandlerRequest, HandlerSpec
from paddle_serving_client.errors import BadModel

_KIND: Final = "python_file"
_FUNCTION, _CLASS = "handle", "Handler"
_KINDS: Final = ("json", "image")
_NOTHING_SAID: Final = About()
_MAX_BYTES: Final = 1 << 20


def claims(path: Path) -> HandlerSpec | None:
    """A file NAME.py with such a function or class at its top level."""
    if path.suffix != ".py" or not path.is_file() or path.stat().st_size > _MAX_BYTES:
        return None
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == _FUNCTION:
            return HandlerSpec(kind=_KIND, path=str(path))
        if isinstance(node, ast.ClassDef) and node.name == _CLASS and _has_handle(node):
            return HandlerSpec(kind=_KIND, path=str(path))
    return None


def load(spec: HandlerSpec, context: HandlerContext) -> "PythonFile":
    """See `handler.Kind.load`."""
    path = Path(spec.path).resolve()
    sys.path.insert(0, str(path.parent))
    try:
        module = _imported(path)
        made = getattr(module, _CLASS, None)
        if made is None:
            return PythonFile(module.handle)
        takes_context = len(inspect.signature(made).parameters) > 0
        instance = made(context) if takes_context else made()
        most = getattr(instance, "max_requests", 0)
        return PythonFile(instance.handle, getattr(instance, "close", None), most, _about(instance))
    except Exception as exc:
        raise BadModel(f"{spec.path}: {fault_place.told(exc, [path.parent])}") from exc
    except SystemExit as exc:
        raise BadModel(f"{spec.path}: it ended by sys.exit({exc.code!r})") from exc


class PythonFile(Handler):
    """See `handler.Handler`."""

    def __init__(
        self,
        handle: Callable[[Sequence[HandlerRequest]], Sequence[Any]],
        close: Callable[[], object] | None = None,
        max_requests: int = 0,
        about: About = _NOTHING_SAID,
    ) -> None:
        self._handle = handle
        self._close = close
        self.max_requests = max_requests
        self.about = about

    def handle(self, requests: Sequence[HandlerRequest]) -> Sequence[Any]:
        """See `handler.Handler.handle`."""
        return self._handle(requests)

    def close(self) -> None:
        """See `handler.Handler.close`."""
        if self._close is not None:
            self._close()


def _about(owner: object) -> About:
    """What a class says of itself, by the names that `WebService` has for it."""
    given = {field.name: getattr(owner, field.name) for field in fields(About) if hasattr(owner, field.name)}
    about = About(**given)
    if about.kind not in _KINDS or not isinstance(about.title, str) or not isinstance(about.file_input, str):
        raise TypeError(f"kind is one of {', '.join(_KINDS)}, title and file_input are texts; got {given!r:.200}")
    if about.example is not None:
        try:
            json.dumps(dict(about.example), allow_nan=False)
        except (TypeError, ValueError) as exc:
            raise TypeError(f"example is an instance as JSON has it, got {about.example!r:.200}") from exc
    return about


def _imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _has_handle(node: ast.ClassDef) -> bool:
    return any(isinstance(part, ast.FunctionDef) and part.name == _FUNCTION for part in node.body)
