"""An answer in parts over HTTP: as server-sent events, or as lines of JSON."""

from collections.abc import AsyncGenerator, Callable
from typing import Final

from paddle_serving_client.errors import ServingError
from paddle_serving_client.message import Parts, Response
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.protocols.http import refusal
from paddle_serving_server.protocols.http.message import HttpRequest, HttpResponse, weight

EVENTS: Final = "text/event-stream"
LINES: Final = ("application/x-ndjson", "application/jsonl")
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Proxies are not to keep parts back."""


def wanted(request: HttpRequest) -> str:
    """How a request wants the parts of an answer; empty: all at once."""
    accepted = request.headers.get("accept", "")
    if weight(accepted, EVENTS) > 0:
        return EVENTS
    return next((kind for kind in LINES if weight(accepted, kind) > 0), "")


async def answer(
    plane: DataPlane, call: Call, parts: Parts, kind: str, write: Callable[[Response], bytes]
) -> HttpResponse:
    """The answer whose body is these parts.

    The first one is waited for: what goes wrong until then is said by the status. An error behind it is a part itself.

    Args:
        plane, call: of the request.
        parts: of the response.
        kind: from `wanted`.
        write: makes JSON, on one line, of a part.

    Raises:
        ServingError: there is not even a first part.
    """
    made = plane.parts(call, parts, write)
    first = await anext(made, None)
    return HttpResponse(200, content_type=kind, headers=_HEADERS, parts=_written(first, made, kind == EVENTS))


async def _written(
    first: bytes | None, made: AsyncGenerator[bytes, None], is_event: bool
) -> AsyncGenerator[bytes, None]:
    before, after = (b"data: ", b"\n\n") if is_event else (b"", b"\n")
    try:
        if first is not None:
            yield before + first + after
        async for part in made:
            yield before + part + after
    except ServingError as exc:
        yield (b"event: error\n" if is_event else b"") + before + refusal.response(exc).body + after
    finally:
        await made.aclose()
