"""The protocols that are spoken at the addresses of a server."""

import asyncio
from collections.abc import Callable, Sequence, Set
from typing import Protocol, TypeAlias

from paddle_serving_client import plugins
from paddle_serving_client.errors import BadConfig
from paddle_serving_server import protocols
from paddle_serving_server.config.listening import Listening
from paddle_serving_server.connection.flow import Flow
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.front.accepted import Stream

OpenStream: TypeAlias = Callable[[asyncio.Transport, Flow], Stream]


class ProtocolModule(Protocol):
    """A plug-in of `protocols`."""

    __name__: str

    def callers(self) -> set[str]:
        """The families of callers that it knows."""

    def claims(self, head: bytes) -> bool | None:
        """Whether these first bytes are its own; None: more are needed."""

    def streams(self, plane: DataPlane, at: Listening) -> OpenStream | None:
        """What serves it at an address; None: nothing is answered there."""


Speaker: TypeAlias = tuple[ProtocolModule, OpenStream]


def at_each(addresses: Sequence[Listening], plane: DataPlane) -> list[list[Speaker]]:
    """What is spoken at each address.

    Raises:
        BadConfig: an address is for callers that nobody knows here.
    """
    modules: list[ProtocolModule] = [plugins.load(protocols, name) for name in plugins.names(protocols)]
    _check_apis(addresses, {api for module in modules for api in module.callers()})
    return [
        [(module, found) for module in modules if (found := module.streams(plane, at)) is not None] for at in addresses
    ]


def _check_apis(addresses: Sequence[Listening], known: Set[str]) -> None:
    for address in addresses:
        if unknown := [api for api in address.apis if api not in known]:
            there = ", ".join(sorted(known))
            raise BadConfig(f"--listen {address}: there are no callers called {unknown[0]!r}; there are {there}")
