"""HTTP/1.1: what is found under which path is in `apis`."""

import asyncio
from collections.abc import Callable

from paddle_serving_server.connection.flow import Flow
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.protocols.http.router import Router
from paddle_serving_server.protocols.http.small_predictions import SmallPredictions
from paddle_serving_server.protocols.http.stream import HttpStream

_METHODS = (b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"TRACE ", b"CONNECT ")


def claims(head: bytes) -> bool | None:
    """Whether these first bytes begin an HTTP/1 request; empty lines may come before it (RFC 9112, 2.2)."""
    if head[:1] in (b"\r", b"\n") and (line := head.lstrip(b"\r\n")):
        return any(method.startswith(line[: len(method)]) for method in _METHODS)
    if head[:1] in (b"\r", b"\n"):
        return None
    if any(head.startswith(method[:8]) for method in _METHODS):
        return True
    return None if any(method.startswith(head) for method in _METHODS) else False


def streams(plane: DataPlane) -> Callable[[asyncio.Transport, Flow], HttpStream]:
    """What serves HTTP on a connection."""
    router, small = Router(plane), SmallPredictions(plane)
    return lambda transport, flow: HttpStream(transport, flow, router.answer, small.take, plane.limits)
