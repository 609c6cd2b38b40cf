"""What a path means: one `Route` for each, in the tables of the APIs."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from paddle_serving_server.config.listening import Listening, Role
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.protocols.http.message import HttpRequest, HttpResponse
from paddle_serving_server.services.catalogue import Catalogue

Names: TypeAlias = Mapping[str, str]
"""What stood in the place of each `{name}` of a template, with its %-escapes resolved."""


@dataclass(frozen=True, slots=True, eq=False)
class Exchange:
    """One request, and what is needed to answer it."""

    plane: DataPlane
    call: Call
    request: HttpRequest
    names: Names
    at: Listening
    """Where it came in."""

    @property
    def catalogue(self) -> Catalogue:
        """What is served."""
        return self.plane.catalogue


Handler: TypeAlias = Callable[[Exchange], Awaitable[HttpResponse]]
"""Answers a request, or raises a `ServingError`."""


def _always(catalogue: Catalogue, names: Names) -> bool:
    return True


def _nobody(catalogue: Catalogue, names: Names) -> str:
    return ""


def _nothing_more(catalogue: Catalogue, names: Names) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path."""

    method: str
    """What GET answers, HEAD does too."""
    template: str
    """A path; `{name}` stands for one of its parts, or for what is before a colon in it: /{name}/prediction,
    /v1/models/{name}:predict."""
    answer: Handler
    about: str
    """What it does, in one line."""
    role: Role = Role.INFERENCE
    exists: Callable[[Catalogue, Names], bool] = _always
    """Whether a path that fits is one of this route now."""
    counted_for: Callable[[Catalogue, Names], str] = _nobody
    """The service whose calls these are; empty: they are not counted, or the handler says it."""
    describe: Callable[[Catalogue, Names], Mapping[str, Any]] = _nothing_more
    """What OpenAPI says of it beside `about`: an Operation Object, in parts."""
    is_listed: bool = True
    """Whether people are told of it: of several paths to one thing, one is enough."""
    guards_itself: bool = False
    """Whether its handler finds out who may ask; otherwise what is of management is answered to who may manage."""
    while_starting: bool = False
    """Whether it is answered before the models are loaded."""
