"""The gRPC services there are: one module each, found by being here.

A module says `NAMES`, the full names its service answers to, and `METHODS`: by name, an asynchronous function from
(catalogue, message, deadline) to the reply's message, which raises a `ServingError` for what cannot be answered.
"""

import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeAlias, cast

from paddle_serving_client import plugins
from paddle_serving_server.services.catalogue import Catalogue

Method: TypeAlias = Callable[[Catalogue, bytes | memoryview, float], Awaitable[bytes]]
"""Answers the message of a call; the deadline is on the clock of `time.monotonic`."""


class Service(Protocol):
    """A module of this folder."""

    NAMES: tuple[str, ...]
    METHODS: Mapping[str, Method]


def every() -> list[Service]:
    """All services."""
    here = sys.modules[__name__]
    return [cast(Service, plugins.load(here, name)) for name in plugins.names(here)]
