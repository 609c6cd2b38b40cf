"""A handler: a user's code that takes a list of requests and gives a list of results of the same length.

It runs in engine processes, in their main thread, one batch at a time; another kind of user code is one more module in
`handlers/`. What a value may be, in a request and in a result: None, a boolean, a number, text, bytes, an array, and
lists and mappings of these.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from paddle_serving_app import handlers
from paddle_serving_app.signature import Signature
from paddle_serving_client import plugins
from paddle_serving_client.message import Array, Measured

NO_SIGNATURE: Final = Signature((), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerSpec:
    """Which user code a model is: equal specs are one deployment."""

    kind: str
    """The module that loads it."""
    path: str
    """Its file or folder."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What that module needs to know of it; JSON."""
    package: str = handlers.__name__
    """Where that module is."""
    title: str = ""
    """What people call it; empty: by its file."""
    timeout_s: float = 0.0
    """Longest time for one batch, in seconds; a process that takes longer is replaced. 0: that of its requests."""


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What people are told of a service, so that they can try it."""

    kind: str = "json"
    """What a visitor is asked for: "numbers" (a form), "image" (a picture) or "json"."""
    title: str = ""
    """One line."""
    example: Mapping[str, object] | None = None
    """An instance that works."""
    file_input: str = "image"
    """The name under which a file arrives in an instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerRequest:
    """One request of a batch."""

    tensors: Mapping[str, Array] | None = None
    """By name, where the caller sent tensors. They belong to the handler, which may write to them."""
    instances: Sequence[Mapping[str, Any]] | None = None
    """The list under "feed", where the caller sent JSON, a form or a file."""
    raw: bytes | None = None
    """The body as it came, where its API hands on bodies."""
    fetch: Sequence[str] = ()
    """Names of the outputs wanted; empty: all."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    id: str = ""
    """As the caller said it."""
    deadline: float = float("inf")
    """On the clock of `time.monotonic`, in seconds."""
    is_cancelled: Callable[[], bool] = _never
    """Whether nobody waits for the answer any more; for any thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerResult:
    """A result with more than a value."""

    value: Any = None
    status: int = 200
    """Of an answer over HTTP."""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = ""
    """Of bytes; empty: application/octet-stream."""


class Failure(Exception):
    """There is no result for one request; a handler raises it for all, or gives it in the place of a result.

    Args:
        text: what the caller is told.
        status: of the answer over HTTP; 0: as for a fault of the service.
        is_callers: whether the request cannot be answered as it is, so that sending it again would not help.
    """

    def __init__(self, text: str, status: int = 0, is_callers: bool = False) -> None:
        super().__init__(text)
        self.status = status
        self.is_callers = is_callers


class Spent(Exception):
    """A handler raises it in the place of returning: these are its last results, and another process takes its place.

    Args:
        results: as `Handler.handle` returns them; they reach their callers.
        reason: for the log.
    """

    def __init__(self, results: Sequence[Any], reason: str) -> None:
        super().__init__(reason)
        self.results = results


class Ask(Protocol):
    """Asks another service of the same server."""

    def __call__(self, service: str, version: str = "", **call: Any) -> Any:
        """Wait for its answer: outputs by name as arrays, or the result of its own steps.

        Args:
            service: its name.
            version: a number or a label; empty: the one that answers by default.
            call: `tensors` or `instances`, as in `HandlerRequest`; `fetch`; `timeout_s`.

        Raises:
            ServingError: it has not answered.
        """

    def begin(self, service: str, version: str = "", **call: Any) -> "Future[Any]":
        """As a call, without waiting for the answer."""


@dataclass(frozen=True, slots=True)
class HandlerContext:
    """What a handler is given when it is loaded."""

    name: str
    """Of the model, for people."""
    ask: Ask
    instance: int = 0
    """The number of its process among those of the model."""


class Stream(Protocol):
    """A result in parts that are made elsewhere, in threads of the handler."""

    def take(self) -> tuple[bool, Any]:
        """Whether there is a part now, and the part; raises StopIteration behind the last, `Failure` for an error."""

    def on_part(self, wake: Any) -> None:
        """Call this, in any thread, whenever there is more to take."""

    def close(self) -> None:
        """Nobody wants more."""


class Handler(Protocol):
    """User code, loaded; what a kind does not say of it is as here."""

    signature: Signature = NO_SIGNATURE
    """What it takes and gives as tensors; `NO_SIGNATURE` where it does not say."""
    max_requests: int = 0
    """Largest batch; 0: what the deployment says, else 16."""
    is_decoupled: bool = False
    """Whether each result is a `Stream`, of any number of answers."""
    about: About = About()

    def handle(self, requests: Sequence[HandlerRequest]) -> Sequence[Any]:
        """Answer a batch: a value, a `HandlerResult`, a `Failure`, an iterator of parts or a `Stream` for each.

        `Spent` says that they are the last. What else it raises is the answer to all, and its text stays in the log.
        """

    def close(self) -> None:
        """The process is going to end."""


class Measuring(Protocol):
    """A handler that counts."""

    def measured(self) -> Sequence[Measured]:
        """What it has counted since this was asked last; it is asked behind every batch."""


class Busy(Protocol):
    """A handler that goes on with a batch when `handle` has returned."""

    def busy_since(self) -> float | None:
        """When it has shown last that it goes on, on the clock of `time.monotonic`; None: it takes the next batch."""


class Kind(Protocol):
    """What a module of `handlers/` offers."""

    def claims(self, path: Path) -> HandlerSpec | None:
        """The handler that is at a path, found without running it; None: there is none of this kind."""

    def load(self, spec: HandlerSpec, context: HandlerContext) -> Handler:
        """Load it.

        Raises:
            BadModel: it cannot be loaded; with file and line where that is known.
        """


def load(spec: HandlerSpec, context: HandlerContext) -> Handler:
    """Load user code of any kind.

    Raises:
        BadConfig: there is no such kind. BadModel: see `Kind.load`.
    """
    handler: Handler = plugins.load(importlib.import_module(spec.package), spec.kind).load(spec, context)
    return handler


def at(path: str | Path) -> HandlerSpec | None:
    """The handler at a path, of whatever kind; None: what is there is none, or something else as well."""
    for name in plugins.names(handlers):
        if (spec := plugins.load(handlers, name).claims(Path(path))) is not None:
            found: HandlerSpec = spec
            return found
    return None


def parts_of(result: Any) -> Iterator[Any] | Stream | None:
    """The parts of a result that comes in parts."""
    if isinstance(result, Iterator):
        return result
    if hasattr(result, "on_part"):
        stream: Stream = result
        return stream
    return None
