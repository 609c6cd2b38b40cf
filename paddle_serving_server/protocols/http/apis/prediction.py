"""`POST /NAME/prediction`: instances or tensors for a service."""

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from paddle_serving_client import errors
from paddle_serving_client.message import Array, Parts, Request, Response, Stage
from paddle_serving_server.counting import timing
from paddle_serving_server.engine.feed import as_json, outputs_of
from paddle_serving_server.protocols.http import (
    body,
    encoding,
    event_stream,
    examples,
    openapi,
    tensor_body,
    tensor_form,
    variant_headers,
)
from paddle_serving_server.protocols.http.answer_head import sendable
from paddle_serving_server.protocols.http.form import read_form
from paddle_serving_server.protocols.http.message import Body, HttpRequest, HttpResponse
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
    if service.takes_tensors and (found := _tensors(request, raw, service)) is not None:
        tensors, wanted = found
        return Request(
            model=service.name,
            tensors=tensors,
            fetch=tuple(wanted),
            deadline=deadline,
            variant=tag,
            variant_key=key,
        )
    feed, fetch = body.instances(request, raw, service.about.file_input, service.takes_tensors)
    return Request(
        model=service.name,
        instances=feed,
        fetch=tuple(fetch),
        deadline=deadline,
        variant=tag,
        variant_key=key,
        body_bytes=len(request.body),
    )


def _tensors(request: HttpRequest, raw: Body, service: Service) -> tuple[dict[str, Array], list[str]] | None:
    """Tensors as they are sent in binary, and the outputs wanted; None where instances came."""
    if tensor_body.is_tensor(request):
        return tensor_body.read(request, raw, service.signature), body.fetched(request)
    if request.content_type != tensor_form.MEDIA_TYPE:
        return None
    form = read_form(request.headers["content-type"], bytes(raw))
    if not tensor_form.is_tensors(form, service.signature):
        return None
    wanted = [name for name in form.fields.get(tensor_form.FETCH, "").split(",") if name.strip()]
    return tensor_form.read(form, service.signature), wanted or body.fetched(request)


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
    table = table_of(service)
    result = openapi.outputs_schema(service.signature.outputs) if service.takes_tensors else {}
    answer = {"type": "object", "properties": {"result": result}, "required": ["result"]}
    return {
        "summary": service.about.title or (table.title if table else "") or f"a prediction of {service.name}",
        "requestBody": {"required": True, "content": _content(service)},
        "responses": {"200": {"description": "the answer", "content": {"application/json": {"schema": answer}}}},
    }


def _content(service: Service) -> dict[str, Any]:
    """What may be sent, by media type, what suits best first; with an example, or where there is one."""
    inputs, table, about = service.signature.inputs, table_of(service), service.about
    instance: Mapping[str, Any] = {"type": "object"}
    if table is not None:
        instance = table.schema()
    elif service.takes_tensors:
        instance = openapi.instance_schema(inputs)
    as_json = {"application/json": {"schema": _feed_schema(instance)}}
    if about.kind == "image":
        content = {"multipart/form-data": {"schema": _form_schema([about.file_input])}, "image/*": {"schema": _BINARY}}
        content |= as_json
    elif service.takes_tensors and inputs:
        content = {**as_json, "multipart/form-data": {"schema": _form_schema([i.alias for i in inputs])}}
        content |= {tensor_body.NPY: {"schema": _BINARY}} if len(inputs) == 1 else {}
    else:
        content = {**as_json, tensor_body.RAW: {"schema": _BINARY}} if service.takes_files else {**as_json}
    return examples.beside(content, service)


def _form_schema(names: Sequence[str]) -> Mapping[str, Any]:
    return {"type": "object", "properties": {name: _BINARY for name in names}, "required": list(names)}


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
