"""`POST /NAME/prediction`: instances or tensors for a service."""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from paddle_serving_client import errors
from paddle_serving_client.message import Parts, Request, Response, Stage
from paddle_serving_server.counting import timing
from paddle_serving_server.engine.feed import as_json, outputs_of
from paddle_serving_server.protocols.http import body, encoding, event_stream, openapi, tensor_body, variant_headers
from paddle_serving_server.protocols.http.answer_head import sendable
from paddle_serving_server.protocols.http.message import HttpRequest, HttpResponse
from paddle_serving_server.protocols.http.refusal import usual
from paddle_serving_server.protocols.http.route import Exchange, Names, Route
from paddle_serving_server.services import json_result
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.service import Service, table_of
from paddle_serving_server.user_code import faults

_BINARY: Final = {"type": "string", "format": "binary"}


async def _answer(exchange: Exchange) -> HttpResponse:
    plane, call, request, name = exchange.plane, exchange.call, exchange.request, exchange.names["name"]
    version = _version(request)
    service, began = plane.catalogue.find(name, version), time.monotonic()
    service.check_room(call.deadline, len(request.body))
    max_bytes = plane.limits.max_body_bytes
    asked = await body.beside_the_loop(request, _read, request, service, call.deadline, max_bytes)
    asked = replace(asked, version=version) if version else asked
    read = time.monotonic()
    response = await plane.infer(call, asked)
    if response.parts is not None:
        if kind := event_stream.wanted(request):
            return await event_stream.answer(plane, call, response.parts, kind, lambda part: _result(name, part))
        response = await faults.in_time(_collected(response, response.parts), call.deadline)
    answered = time.monotonic()
    if service.takes_tensors and tensor_body.wants_npy(request):
        said, media_type = tensor_body.to_npy(response.tensors), tensor_body.NPY
    elif isinstance(response.result, bytes):
        said, media_type = response.result, sendable(name, response.content_type) or "application/octet-stream"
    else:
        said, media_type = _result(name, response), "application/json"
    ended = time.monotonic()
    call.stages = (
        Stage("read", (read - began) * 1000, began, read),
        *response.stages,
        Stage("write", (ended - answered) * 1000, answered, ended),
    )
    own = {sendable(name, key): sendable(name, value) for key, value in response.headers.items()}
    headers = own | {timing.HEADER: timing.text(call.stages)} | variant_headers.answered(call)
    answer = HttpResponse(response.status, said, media_type, headers)
    return await encoding.compressed(request, answer) if media_type == "application/json" else answer


def _version(request: HttpRequest) -> str:
    """Which version is asked for, by `?version=`; empty: the one that answers by default."""
    return request.query.get("version", [""])[-1] if request.query_string else ""


async def _collected(response: Response, parts: Parts) -> Response:
    """All parts as one result, for who does not ask for a stream."""
    async with contextlib.aclosing(parts):
        return replace(response, result=[part.result async for part in parts], parts=None)


def _read(request: HttpRequest, service: Service, deadline: float, max_bytes: int) -> Request:
    raw = body.plain(request, max_bytes)
    tag, key = variant_headers.wanted(request)
    if service.takes_tensors and tensor_body.is_tensor(request):
        return Request(
            model=service.name,
            tensors=tensor_body.read(request, raw, service.signature),
            fetch=tuple(body.fetched(request)),
            deadline=deadline,
            variant=tag,
            variant_key=key,
        )
    feed, fetch = body.instances(request, raw, service.file_input, service.takes_tensors)
    return Request(
        model=service.name,
        instances=feed,
        fetch=tuple(fetch),
        deadline=deadline,
        variant=tag,
        variant_key=key,
        body_bytes=len(request.body),
    )


def _result(name: str, response: Response) -> bytes:
    result = as_json(outputs_of(response)) if response.result is None and response.tensors else response.result
    try:
        return json_result.dumps(result)
    except errors.BackendFailed as exc:
        raise errors.BackendFailed(f"postprocess of service {name!r} returned what JSON cannot say: {exc}") from exc


def _is_service(catalogue: Catalogue, names: Names) -> bool:
    """Pipelines have paths of their own."""
    return not catalogue.is_pipeline(names["name"]) and not catalogue.has_only_pipelines


def _counted_for(catalogue: Catalogue, names: Names) -> str:
    return names["name"]


def _described(catalogue: Catalogue, names: Names) -> Mapping[str, Any]:
    """The body, in each of its forms, and the answer."""
    service = catalogue[names["name"]]
    inputs, outputs = service.signature.inputs, service.signature.outputs
    table = table_of(service)
    instance: Mapping[str, Any] = {"type": "object"}
    example = service.example
    if table is not None:
        instance, example = table.schema(), example or table.example
    elif service.takes_tensors:
        instance, example = openapi.instance_schema(inputs), example or openapi.example_instance(inputs)
    as_json: dict[str, Any] = {"schema": _feed_schema(instance)}
    if example is not None:
        as_json["example"] = {"feed": [example], "fetch": []}
    content: dict[str, Any] = {"application/json": as_json}
    if service.kind == "image":
        file = {"type": "object", "properties": {service.file_input: _BINARY}, "required": [service.file_input]}
        content = {"multipart/form-data": {"schema": file}, "image/*": {"schema": _BINARY}, **content}
    elif service.takes_tensors and len(inputs) == 1:
        content[tensor_body.NPY] = {"schema": _BINARY}
    result = openapi.outputs_schema(outputs) if service.takes_tensors else {}
    answer = {"type": "object", "properties": {"result": result}, "required": ["result"]}
    return {
        "summary": service.title or (table.title if table else "") or f"a prediction of {service.name}",
        "requestBody": {"required": True, "content": content},
        "responses": {"200": {"description": "the answer", "content": {"application/json": {"schema": answer}}}},
    }


def _feed_schema(instance: Mapping[str, Any]) -> Mapping[str, Any]:
    feed = {"type": "array", "items": instance, "minItems": 1}
    fetch = {"type": "array", "items": {"type": "string"}}
    return {"type": "object", "properties": {"feed": feed, "fetch": fetch}, "required": ["feed"]}


API = "paddle"
refusal = usual
ROUTES = (
    Route(
        method="POST",
        template="/{name}/prediction",
        answer=_answer,
        about="a prediction of a service",
        exists=_is_service,
        counted_for=_counted_for,
        describe=_described,
    ),
)
