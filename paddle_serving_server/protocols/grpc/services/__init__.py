"""The gRPC services there are: one module each, found by being here.

A module says `API`, the family of callers that it is for, `NAMES`, the full names its service answers to, and its
methods by name: in `METHODS` the unary ones, in `STREAMS`, where it has any, those that stream. A handler raises a
`ServingError` for what cannot be answered, and sets the call's `service` where the call is one of those that are
counted. A module whose callers find errors in the reply itself says `refusal`, from the error to such a reply.
"""

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias, cast

from paddle_serving_client import plugins
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane

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


class Service(Protocol):
    """A module of this folder."""

    API: str
    NAMES: tuple[str, ...]
    METHODS: Mapping[str, Method]


def every() -> list[Service]:
    """All services."""
    here = sys.modules[__name__]
    return [cast(Service, plugins.load(here, name)) for name in plugins.names(here)]


def streams(service: Service) -> Mapping[str, Streaming]:
    """The methods of a service that stream."""
    found: Mapping[str, Streaming] = getattr(service, "STREAMS", {})
    return found
