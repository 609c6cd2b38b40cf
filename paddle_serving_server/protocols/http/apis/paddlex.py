"""`POST /ocr`, `/object-detection` and the others: operations of PaddleX's pipelines, with its envelope."""

from collections.abc import Mapping
from typing import Any

import orjson

from paddle_serving_client.errors import ServingError
from paddle_serving_client.message import Request
from paddle_serving_client.wire import paddlex as wire
from paddle_serving_server.counting import timing
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.protocols.http import body, encoding
from paddle_serving_server.protocols.http.message import HttpRequest, HttpResponse
from paddle_serving_server.protocols.http.refusal import response
from paddle_serving_server.protocols.http.route import Exchange, Names, Route
from paddle_serving_server.services.catalogue import Catalogue


async def _answer(exchange: Exchange) -> HttpResponse:
    plane, call, request, name = exchange.plane, exchange.call, exchange.request, exchange.names["name"]
    plane.catalogue.find(name, "").check_room(call.deadline, len(request.body))
    raw = await body.beside_the_loop(request, _raw, request, plane.limits.max_body_bytes)
    asked = Request(model=name, instances=({},), raw=raw, deadline=call.deadline, body_bytes=len(request.body))
    answered = await plane.infer(call, asked)
    call.stages = answered.stages
    assert isinstance(answered.result, bytes)
    headers = {timing.HEADER: timing.text(call.stages)}
    return await encoding.compressed(
        request, HttpResponse(answered.status, answered.result, "application/json", headers)
    )


def _raw(request: HttpRequest, max_bytes: int) -> bytes:
    return bytes(body.plain(request, max_bytes))


def _is_operation(catalogue: Catalogue, names: Names) -> bool:
    """Only services of pipelines have such a path."""
    name = names["name"]
    return name in catalogue and getattr(catalogue[name], "operation", "") == name


def _counted_for(catalogue: Catalogue, names: Names) -> str:
    return names["name"]


def _described(catalogue: Catalogue, names: Names) -> Mapping[str, Any]:
    schema = {"type": "object", "properties": {"logId": {"type": "string"}}}
    return {
        "summary": catalogue[names["name"]].title,
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {"200": {"description": "the answer, in PaddleX's envelope"}},
    }


def refusal(error: ServingError, call: Call) -> HttpResponse:
    """An error in the envelope of PaddleX."""
    usual = response(error)
    said = wire.failure(wire.log_id_of({}), usual.status, str(error))
    return HttpResponse(usual.status, orjson.dumps(said), headers=usual.headers)


API = "paddlex"
ROUTES = (
    Route(
        method="POST",
        template="/{name}",
        answer=_answer,
        about="an operation of a PaddleX pipeline",
        exists=_is_operation,
        counted_for=_counted_for,
        describe=_described,
    ),
)
