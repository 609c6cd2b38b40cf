"""Content-Encoding of answers."""

import asyncio
import gzip
import zlib

from paddle_serving_server.protocols.http.message import HttpRequest, HttpResponse, weight

MIN_GZIP_BYTES = 512
"""Smaller answers are sent as they are."""


def is_worth_it(request: HttpRequest, response: HttpResponse) -> bool:
    """Whether an answer is large enough to be compressed, and the caller takes that."""
    return len(response.body) >= MIN_GZIP_BYTES and bool(_taken(request))


async def compressed(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """As gzip or deflate, where the caller takes that and it is worth it."""
    if not is_worth_it(request, response):
        return response
    kind = _taken(request)
    packed = await asyncio.to_thread(gzip.compress if kind == "gzip" else zlib.compress, response.body, 1)
    headers = {**response.headers, "Content-Encoding": kind, "Vary": "Accept-Encoding"}
    return response._replace(body=packed, headers=headers)


def _taken(request: HttpRequest) -> str:
    """What the caller takes: gzip, deflate where that is all he takes, or nothing."""
    accepted = request.headers.get("accept-encoding", "")
    if not accepted:
        return ""
    if weight(accepted, "gzip", "x-gzip") > 0:
        return "gzip"
    return "deflate" if weight(accepted, "deflate") > 0 else ""
