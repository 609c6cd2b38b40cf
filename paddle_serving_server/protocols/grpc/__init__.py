"""gRPC over plain HTTP/2: calls of the services in `services/`."""

import asyncio
from collections.abc import Callable

from paddle_serving_server.config.listening import SERVER, Listening
from paddle_serving_server.connection.flow import Flow
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.protocols.grpc import services
from paddle_serving_server.protocols.grpc.methods import Methods
from paddle_serving_server.protocols.grpc.stream import GrpcStream

_PREFACE = b"PRI * HT"
"""The first bytes of HTTP/2's preface; the rest of it is compared by the one who reads the frames."""


def claims(head: bytes) -> bool | None:
    """Whether these first bytes begin an HTTP/2 connection."""
    if len(head) < len(_PREFACE):
        return None if _PREFACE.startswith(head) else False
    return head.startswith(_PREFACE)


def callers() -> set[str]:
    """The families of callers that speak gRPC."""
    return {service.API for service in services.every()} - {SERVER}


def streams(plane: DataPlane, at: Listening) -> Callable[[asyncio.Transport, Flow], GrpcStream] | None:
    """What serves gRPC on a connection; None: no service is answered there."""
    if not services.here(plane.catalogue, at):
        return None
    methods = Methods(plane, at)
    return lambda transport, flow: GrpcStream(transport, flow, methods, plane.limits)
