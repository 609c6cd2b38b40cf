"""`POST /NAME/anyword` of a pipeline, as grpc-gateway gave it: status 200 with `err_no` for nearly every error."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from paddle_serving_client.errors import BadPacket, ServingError, TooLarge
from paddle_serving_client.wire import pipeline_json
from paddle_serving_server.counting import timing
from paddle_serving_server.dataplane import pipeline_calls
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.protocols.http import body, encoding, examples
from paddle_serving_server.protocols.http import refusal as errors
from paddle_serving_server.protocols.http.message import HttpResponse
from paddle_serving_server.protocols.http.route import Exchange, Names, Route
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.pipeline_service import PipelineService

_STRING: Final[Mapping[str, Any]] = {"type": "string"}
_TEXT: Final = "text/plain; charset=utf-8"
_INVALID_ARGUMENT: Final = 3
"""The gRPC code of a request that is no request."""
_HEADERS: Final = {"Grpc-Metadata-Content-Type": "application/grpc"}


async def _answer(exchange: Exchange) -> HttpResponse:
    call, request = exchange.call, exchange.request
    raw = await body.beside_the_loop(request, body.plain, request, exchange.plane.limits.max_body_bytes)
    try:
        wire = await body.beside_the_loop(request, pipeline_json.request_from_json, raw)
    except (BadPacket, TooLarge) as exc:
        said = pipeline_json.refusal_to_json(_INVALID_ARGUMENT, str(exc))
        return await encoding.compressed(request, HttpResponse(400, said))
    named = wire.named(exchange.names["name"], exchange.names["method"])
    response = await pipeline_calls.infer(exchange.plane, call, named)
    headers = _HEADERS if response.err_no else {**_HEADERS, timing.HEADER: timing.text(call.stages)}
    answer = HttpResponse(200, pipeline_json.response_to_json(response), headers=headers)
    return await encoding.compressed(request, answer)


def refusal(error: ServingError, call: Call) -> HttpResponse:
    """See the package."""
    if not call.service:  # it never came to a pipeline
        return errors.response(error)
    return HttpResponse(200, pipeline_json.response_to_json(pipeline_calls.refusal(error)), headers=_HEADERS)


def not_allowed(methods: Sequence[str]) -> HttpResponse:
    """See the package."""
    return HttpResponse(405, b"Method Not Allowed\n", _TEXT, {"Allow": ", ".join(methods)})


def not_found(catalogue: Catalogue, paths: Sequence[str]) -> HttpResponse | None:
    """See the package: where there are only pipelines."""
    if not catalogue.has_only_pipelines:
        return None
    return HttpResponse(404, f"Not Found; there are: {', '.join(paths)}\n".encode(), _TEXT)


def _is_pipeline(catalogue: Catalogue, names: Names) -> bool:
    """Whether a path leads to a pipeline; where there is nothing else, a wrong name does too."""
    return catalogue.is_pipeline(names["name"]) or catalogue.has_only_pipelines


def _described(catalogue: Catalogue, names: Names) -> Mapping[str, Any]:
    """Texts by their keys, and arrays: which of them are pictures, and a call."""
    service = catalogue[names["name"]] if names.get("name") in catalogue else None
    if not isinstance(service, PipelineService):
        return {}
    picture = {**_STRING, "contentEncoding": "base64", "contentMediaType": "image/*"}
    key = examples.picture_key(service)
    first = {"prefixItems": [picture]} if key else {}
    texts = {"key": {"type": "array", "items": _STRING}, "value": {"type": "array", "items": _STRING, **first}}
    tensors = {"type": "array", "items": {"type": "object"}}
    schema = {"type": "object", "properties": {**texts, "tensors": tensors, "logid": {"type": "integer"}}}
    answer = {"type": "object", "properties": {"err_no": {"type": "integer"}, "err_msg": _STRING, **texts}}
    method = {"name": "method", "in": "path", "required": True, "schema": {**_STRING, "default": "prediction"}}
    return {
        "summary": service.title or f"texts and arrays for the pipeline {service.name}",
        "parameters": [method],
        "requestBody": {
            "required": True,
            "content": examples.beside({"application/json": {"schema": schema}}, service),
        },
        "responses": {"200": {"description": "the answer", "content": {"application/json": {"schema": answer}}}},
    }


API = "paddle"
ROUTES = (
    Route(
        method="POST",
        template="/{name}/{method}",
        answer=_answer,
        about="texts and arrays for a pipeline; any method name does",
        exists=_is_pipeline,
        describe=_described,
    ),
)
