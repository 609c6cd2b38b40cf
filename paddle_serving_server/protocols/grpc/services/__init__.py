"""The gRPC services there are: one module each, found by being here.

A module says `API`, the family of callers that it is for, `NAMES`, the full names its service answers to, and
`METHODS`: by name, an asynchronous function from (plane, call, message) to the reply's message, which raises a
`ServingError` for what cannot be answered. It sets the call's `service` where the call is one of those that are
counted. A module whose callers find errors in the reply itself says `refusal`, from the error to such a reply.
"""

import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeAlias, cast

from paddle_serving_client import plugins
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane

Method: TypeAlias = Callable[[DataPlane, Call, bytes | memoryview], Awaitable[bytes]]
"""Answers the message of a call."""


class Service(Protocol):
    """A module of this folder."""

    API: str
    NAMES: tuple[str, ...]
    METHODS: Mapping[str, Method]


def every() -> list[Service]:
    """All services."""
    here = sys.modules[__name__]
    return [cast(Service, plugins.load(here, name)) for name in plugins.names(here)]
