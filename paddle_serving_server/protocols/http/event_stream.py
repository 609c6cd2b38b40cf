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
    plane: DataPlane,
    call: Call,
    parts: Parts,
    kind: str,
    write: Callable[[Response], bytes],
    write_error: Callable[[ServingError], bytes] | None = None,
) -> HttpResponse:
    """The answer whose body is these parts.

    The first one is waited for: what goes wrong until then is said by the status. An error behind it is a part itself.

    Args:
        plane, call: of the request.
        parts: of the response.
        kind: from `wanted`.
        write: makes JSON, on one line, of a part.
        write_error: likewise, of an error behind the first part, which is a part like the others then; None: it is as
            everywhere here, and an event of its own kind.

    Raises:
        ServingError: there is not even a first part.
    """
    made = plane.parts(call, parts, write)
    first = await anext(made, None)
    written = _written(first, made, kind.startswith(EVENTS), write_error)
    return HttpResponse(200, content_type=kind, headers=_HEADERS, parts=written)


def event(part: bytes) -> bytes:
    """One part as a server-sent event."""
    return b"data: " + part + b"\n\n"


async def _written(
    first: bytes | None,
    made: AsyncGenerator[bytes, None],
    is_event: bool,
    write_error: Callable[[ServingError], bytes] | None,
) -> AsyncGenerator[bytes, None]:
    framed = event if is_event else _line
    try:
        if first is not None:
            yield framed(first)
        async for part in made:
            yield framed(part)
    except ServingError as exc:
        if write_error is not None:
            yield framed(write_error(exc))
        else:
            yield (b"event: error\n" if is_event else b"") + framed(refusal.response(exc).body)
    finally:
        await made.aclose()


def _line(part: bytes) -> bytes:
    return part + b"\n"
