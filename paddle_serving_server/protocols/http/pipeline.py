"""`POST /NAME/anyword` of a pipeline, as grpc-gateway gave it: status 200 with `err_no` for nearly every error."""

import time
from collections.abc import Sequence
from typing import Final

from paddle_serving_client.errors import BadPacket, TooLarge
from paddle_serving_client.wire import pipeline_json
from paddle_serving_server.config.values import Limits
from paddle_serving_server.counting import timing
from paddle_serving_server.protocols.http import body
from paddle_serving_server.protocols.http.message import HttpRequest, HttpResponse
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.pipeline_service import infer

_TEXT: Final = "text/plain; charset=utf-8"
_INVALID_ARGUMENT: Final = 3
"""The gRPC code of a request that is no request."""
_HEADERS: Final = {"Grpc-Metadata-Content-Type": "application/grpc"}


def is_for_a_pipeline(catalogue: Catalogue, parts: Sequence[str]) -> bool:
    """Whether a path leads to a pipeline; where there is nothing else, a wrong name does too."""
    return len(parts) == 2 and (catalogue.is_pipeline(parts[0]) or catalogue.has_only_pipelines)


async def answer(catalogue: Catalogue, limits: Limits, request: HttpRequest, name: str, method: str) -> HttpResponse:
    """Answer a call of a pipeline.

    Raises:
        ServingError: the body's Content-Encoding cannot be undone; everything else is in the answer.
    """
    if request.method != "POST":
        return HttpResponse(405, b"Method Not Allowed\n", _TEXT, {"Allow": "POST"})
    deadline = (request.arrived or time.monotonic()) + limits.request_s
    raw = await body.beside_the_loop(request, body.plain, request, limits.max_body_bytes)
    try:
        call = await body.beside_the_loop(request, pipeline_json.request_from_json, raw)
    except (BadPacket, TooLarge) as exc:
        return HttpResponse(400, pipeline_json.refusal_to_json(_INVALID_ARGUMENT, str(exc)))
    response = await infer(catalogue, call.named(name, method), deadline, "http")
    stages, _ = timing.noted()
    headers = _HEADERS if response.err_no else {**_HEADERS, timing.HEADER: timing.text(stages)}
    return HttpResponse(200, pipeline_json.response_to_json(response), headers=headers)


def not_found(paths: Sequence[str]) -> HttpResponse:
    """What another path gets where there are only pipelines."""
    return HttpResponse(404, f"Not Found; there are: {', '.join(paths)}\n".encode(), _TEXT)
