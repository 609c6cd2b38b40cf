"""HTTP/1.1: what is found under which path is in `apis`."""

import asyncio
from collections.abc import Callable

from paddle_serving_server.config.listening import SERVER, Listening
from paddle_serving_server.connection.flow import Flow
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.protocols.http.apis import every, prediction
from paddle_serving_server.protocols.http.message import HttpRequest, HttpResponse
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


def callers() -> set[str]:
    """The families of callers that speak HTTP."""
    return {api.API for api in every()} - {SERVER}


def streams(plane: DataPlane, at: Listening) -> Callable[[asyncio.Transport, Flow], HttpStream]:
    """What serves HTTP on a connection."""
    router = Router(plane, at)
    take = SmallPredictions(plane).take if at.has(prediction.API) else _nothing
    return lambda transport, flow: HttpStream(transport, flow, router.answer, take, plane.limits)


def _nothing(request: HttpRequest, respond: Callable[[HttpResponse | None], None]) -> bool:
    return False
