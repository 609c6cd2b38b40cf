"""One request on its way through a service's own steps: its stages, and the models as it asks them."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from paddle_serving_client.message import Stage
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Engine

_Result = TypeVar("_Result")


class Passage:
    """One request's. Every model answers it with one version, whatever the steps ask and however long they take."""

    def __init__(self, context: Context, engines: Mapping[str, Engine]) -> None:
        """Begin; the versions are held until `context` ends."""
        self.context = context
        self.engines = {name: engine.held(context) for name, engine in engines.items()}
        self.stages: list[Stage] = []
        """Those that have ended, each without the stages inside it, so that they add up."""
        self.inside: list[Stage] = []
        """Of models that the steps have asked."""
        self._inside_ms = 0.0
        """What the stages inside the one that runs now have taken."""

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is in the block."""
        before, self._inside_ms = self._inside_ms, 0.0
        started = time.monotonic()
        try:
            yield
        finally:
            ended = time.monotonic()
            ms = (ended - started) * 1000
            self.stages.append(Stage(name, ms - self._inside_ms, started, ended))
            self._inside_ms = before + ms

    def run(self, step: Callable[[], _Result]) -> _Result:
        """Run a step in this thread, which finds the request by `in_this_thread` meanwhile."""
        _here.passage = self
        try:
            return step()
        finally:
            _here.passage = None


class _Here(threading.local):
    passage: Passage | None = None


_here = _Here()


def in_this_thread() -> Passage | None:
    """The request whose step runs in this thread: user code calls methods of its service without naming it."""
    return _here.passage
