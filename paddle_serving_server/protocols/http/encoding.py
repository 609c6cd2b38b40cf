"""Content-Encoding of answers."""

import asyncio
import gzip

from paddle_serving_server.protocols.http.message import HttpRequest, HttpResponse, weight

MIN_GZIP_BYTES = 512
"""Smaller answers are sent as they are."""


def is_worth_it(request: HttpRequest, response: HttpResponse) -> bool:
    """Whether an answer is large enough for gzip, and the caller takes that."""
    if len(response.body) < MIN_GZIP_BYTES:
        return False
    return weight(request.headers.get("accept-encoding", ""), "gzip", "x-gzip") > 0


async def compressed(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """As gzip, where the caller takes that and it is worth it."""
    if not is_worth_it(request, response):
        return response
    packed = await asyncio.to_thread(gzip.compress, response.body, 1)
    headers = {**response.headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return response._replace(body=packed, headers=headers)
