"""The gRPC services there are: one module each, found by being here.

A module says `API`, the family of callers that it is for, `NAMES`, the full names its service answers to, and its
methods by name: in `METHODS` the unary ones, in `STREAMS`, where it has any, those that stream. A handler raises a
`ServingError` for what cannot be answered, and sets the call's `service` where the call is one of those that are
counted. `SMALL` has, of unary methods whose small calls are like each other, what finds these. A module whose callers
find errors in the reply itself says `refusal`, from the error to such a reply; one whose callers expect statuses and
texts of their own says `status_of`, from the error to both, or None, and `forbidden`, from a `managing.Refusal`.
`MANAGEMENT` has the names of the unary methods that change the server: they are answered to who may manage it, where
that is asked for; or to everybody, where `is_open` says so, from the config of the server. What is not in every server
says `exists`, of its catalogue.
"""

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, cast

from paddle_serving_client import plugins
from paddle_serving_client.message import Array
from paddle_serving_server.config.listening import Listening, Role
from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.engine.interface import Reply
from paddle_serving_server.engine.lane import Caller
from paddle_serving_server.services.catalogue import Catalogue

Message: TypeAlias = bytes | memoryview
"""As it was before it was compressed and framed."""
Method: TypeAlias = Callable[[DataPlane, Call, Message], Awaitable[bytes]]
"""Answers the message of a unary call."""


@dataclass(frozen=True, slots=True)
class ServerStreaming:
    """A method that answers one message with any number of them."""

    answer: Callable[[DataPlane, Call, Message], AsyncGenerator[bytes, None]]
    """It is asked for the next answer when the peer has taken the one before, and closed when nobody waits."""
    is_endless: bool = False
    """Whether it never ends by itself, so that a server that stops ends it."""


@dataclass(frozen=True, slots=True)
class Bidirectional:
    """A method with any number of messages each way."""

    answer: Callable[[DataPlane, Call, AsyncIterator[Message]], AsyncGenerator[bytes, None]]
    """As in `ServerStreaming`. A message is let come when there is room for it: who takes none slows the peer down."""


Streaming: TypeAlias = ServerStreaming | Bidirectional


class SmallCall(Protocol):
    """A message that is like an earlier one, for a lane."""

    def submit(self, message: memoryview, caller: Caller, deadline: float) -> None:
        """See `lane.Kind.submit`."""

    def response(self, outputs: Sequence[Array], reply: Reply) -> bytes:
        """The reply's message."""


class SmallCalls(Protocol):
    """Those of one method, as long as the server lives."""

    def find(self, message: memoryview) -> tuple[str, SmallCall] | None:
        """What a message is, and whose call, if that takes a lane now; see `DataPlane.try_now`."""


class Service(Protocol):
    """A module of this folder."""

    API: str
    NAMES: tuple[str, ...]
    METHODS: Mapping[str, Method]


def every() -> list[Service]:
    """All services."""
    here = sys.modules[__name__]
    return [cast(Service, plugins.load(here, name)) for name in plugins.names(here)]


def here(catalogue: Catalogue, at: Listening) -> list[Service]:
    """Those of which a method is answered at an address."""
    return [service for service in present(catalogue) if any(at.has(service.API, role) for role in _roles(service))]


def present(catalogue: Catalogue) -> list[Service]:
    """Those that a server has, whatever is answered where."""
    return [service for service in every() if getattr(service, "exists", _always)(catalogue)]


def _always(catalogue: Catalogue) -> bool:
    return True


def _roles(service: Service) -> set[Role]:
    roles = {Role.MANAGEMENT if method in management(service) else Role.INFERENCE for method in service.METHODS}
    return roles | ({Role.INFERENCE} if streams(service) else set())


def small_calls(service: Service) -> Mapping[str, Callable[[DataPlane], SmallCalls]]:
    """The methods of a service whose small calls take the lane where it is open."""
    found: Mapping[str, Callable[[DataPlane], SmallCalls]] = getattr(service, "SMALL", {})
    return found


def management(service: Service) -> Collection[str]:
    """The methods of a service that change the server."""
    found: Collection[str] = getattr(service, "MANAGEMENT", ())
    return found


def is_open(service: Service, config: ServerConfig) -> bool:
    """Whether these are answered to everybody who may ask for anything."""
    found: Callable[[ServerConfig], bool] | None = getattr(service, "is_open", None)
    return found is not None and found(config)


def streams(service: Service) -> Mapping[str, Streaming]:
    """The methods of a service that stream."""
    found: Mapping[str, Streaming] = getattr(service, "STREAMS", {})
    return found
