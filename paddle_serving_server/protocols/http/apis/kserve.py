"""`/v2`: KServe v2, the Open Inference Protocol, as Triton answers it over HTTP. Errors are `{"error": text}`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from paddle_serving_client import errors
from paddle_serving_client.wire import kserve, kserve_about, kserve_json
from paddle_serving_client.wire.kserve import InferRequest
from paddle_serving_client.wire.kserve_json import HEADER_LENGTH
from paddle_serving_server.config.listening import Role
from paddle_serving_server.counting import timing
from paddle_serving_server.dataplane import kserve_calls, kserve_models, kserve_repository, kserve_statistics
from paddle_serving_server.dataplane.kserve_uploads import LoadAsked
from paddle_serving_server.protocols.http import body, encoding, examples, variant_headers
from paddle_serving_server.protocols.http import kserve_words as words
from paddle_serving_server.protocols.http.kserve_words import of_models
from paddle_serving_server.protocols.http.message import HttpRequest, HttpResponse
from paddle_serving_server.protocols.http.route import Exchange, Handler, Names, Route
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.service import Service

_BINARY: Final = "application/octet-stream"
_MAX_QUESTION_BYTES: Final = 64 << 10


# -- inference


async def _infer(exchange: Exchange) -> HttpResponse:
    plane, call, request = exchange.plane, exchange.call, exchange.request
    service = _model(exchange)
    asked = await body.beside_the_loop(request, _read, request, service, plane.limits.max_body_bytes)
    response = await kserve_calls.infer(plane, call, service, asked, variant_headers.wanted(request))
    told = kserve_json.encode_response(response)
    headers = variant_headers.answered(call)
    if request.headers.get(timing.ASK) == "1":
        headers[timing.HEADER] = timing.text(call.stages)
    kind = "application/json"
    if told.header_length is not None:
        headers["Inference-Header-Content-Length"] = str(told.header_length)
        kind = _BINARY
    return await encoding.compressed(request, HttpResponse(200, told.body, kind, headers))


def _read(request: HttpRequest, service: Service, max_bytes: int) -> InferRequest:
    try:
        raw = body.plain(request, max_bytes)
    except errors.BadPacket as exc:
        raise errors.BadInput(str(exc)) from exc
    length = kserve_json.header_length(request.headers.get(HEADER_LENGTH), len(raw))
    if length == 0 or not raw:
        return kserve_calls.raw_request(service, memoryview(raw))
    return kserve_json.decode_request(raw, length, service.name)


# -- questions


def _question(ask: Callable[[Exchange], Any]) -> Handler:
    async def answer(exchange: Exchange) -> HttpResponse:
        said = orjson.dumps(ask(exchange), option=orjson.OPT_SERIALIZE_NUMPY)
        return await encoding.compressed(exchange.request, HttpResponse(200, said))

    return answer


def _model(exchange: Exchange) -> Service:
    return kserve_models.find(exchange.catalogue, exchange.names["name"], exchange.names.get("version", ""))


def _server(exchange: Exchange) -> Mapping[str, Any]:
    return kserve_about.server_json(kserve_models.server(exchange.catalogue))


def _models(exchange: Exchange) -> Mapping[str, Any]:
    return {"models": kserve_models.names(exchange.catalogue)}


def _metadata(exchange: Exchange) -> Mapping[str, Any]:
    about = kserve_models.about(_model(exchange))
    versions = kserve_models.versions(exchange.catalogue, about.name, exchange.names.get("version", ""))
    return kserve_about.metadata_json(about, versions)


def _config(exchange: Exchange) -> Mapping[str, Any]:
    return kserve_about.config_json(kserve_models.about(_model(exchange)))


def _statistics(exchange: Exchange) -> Mapping[str, Any]:
    names = exchange.names
    found = kserve_statistics.statistics(exchange.catalogue, names.get("name", ""), names.get("version", ""))
    return kserve_about.statistics_json(found)


# -- the repository


async def _index(exchange: Exchange) -> HttpResponse:
    said = kserve_json.loads(body.plain(exchange.request, _MAX_QUESTION_BYTES))
    found = await kserve_repository.index(exchange.catalogue, kserve_json.flag(said, "ready"))
    return await encoding.compressed(exchange.request, HttpResponse(200, orjson.dumps(kserve_about.index_json(found))))


async def _load(exchange: Exchange) -> HttpResponse:
    request, limit = exchange.request, exchange.plane.limits.max_body_bytes
    asked = await body.beside_the_loop(request, _load_asked, request, limit)
    await kserve_repository.load(exchange.catalogue, exchange.names["name"], asked)
    return HttpResponse(200)


async def _unload(exchange: Exchange) -> HttpResponse:
    said = kserve_json.parameters(body.plain(exchange.request, _MAX_QUESTION_BYTES))
    await kserve_repository.unload(exchange.catalogue, exchange.names["name"], said)
    return HttpResponse(200)


def _load_asked(request: HttpRequest, max_bytes: int) -> LoadAsked:
    return LoadAsked.of(kserve_json.parameters(body.plain(request, max_bytes)), in_base64=True)


# -- health: probes look at the status, clients of KServe at the body


async def _live(exchange: Exchange) -> HttpResponse:
    return HttpResponse(200, b'{"live":true}')


async def _ready(exchange: Exchange) -> HttpResponse:
    if kserve_models.is_server_ready(exchange.catalogue):
        return HttpResponse(200, b'{"ready":true}')
    return HttpResponse(503, b'{"ready":false}', headers={"Retry-After": "1"})


async def _model_ready(exchange: Exchange) -> HttpResponse:
    name, version = exchange.names["name"], exchange.names.get("version", "")
    if kserve_models.is_ready(exchange.catalogue, name, version):
        return HttpResponse(200, orjson.dumps({"name": name, "ready": True}))
    return HttpResponse(400, b'{"error":"Model version not ready"}')


# -- errors, and the table


def unanswered(request: HttpRequest, methods: Sequence[str]) -> HttpResponse:
    """See the package."""
    if methods:
        return HttpResponse(405, b'{"error":"Method Not Allowed"}', headers={"Allow": ", ".join(methods)})
    return HttpResponse(404, b'{"error":"Not Found"}')


def _nothing_more(catalogue: Catalogue, names: Names) -> Mapping[str, Any]:
    return {}


def _described(catalogue: Catalogue, names: Names) -> Mapping[str, Any]:
    """The body of an inference in JSON, with an example that works."""
    inputs = catalogue[names["name"]].signature.inputs
    arrays = examples.small_tensors(inputs)
    content: dict[str, Any] = {"schema": _REQUEST}
    if arrays is not None:
        tensors = [
            {
                "name": i.alias,
                "shape": arrays[i.alias].shape,
                "datatype": kserve.datatype_of(i.elem_type),
                "data": examples.byte_lists(arrays[i.alias]),
            }
            for i in inputs
        ]
        content["example"] = {"inputs": tensors}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


_REQUEST: Final = {
    "type": "object",
    "properties": {"inputs": {"type": "array", "items": {"type": "object"}}},
    "required": ["inputs"],
}


API = words.API
PREFIX = words.PREFIX
refusal, is_open, forbidden = words.refusal, words.is_open, words.forbidden
ROUTES: Final = (
    Route(method="GET", template=words.PREFIX, answer=_question(_server), about="the server and the extensions it has"),
    Route(method="GET", template=f"{words.PREFIX}/health/live", answer=_live, about="it answers", while_starting=True),
    Route(
        method="GET",
        template=f"{words.PREFIX}/health/ready",
        answer=_ready,
        about="whether every model is loaded",
        while_starting=True,
    ),
    Route(method="GET", template=f"{words.PREFIX}/models", answer=_question(_models), about="the models, by name"),
    Route(method="GET", template=f"{words.PREFIX}/models/stats", answer=_question(_statistics), about="their counts"),
    *of_models("GET", "", _question(_metadata), "what a model takes and gives"),
    *of_models("GET", "/ready", _model_ready, "whether a model can answer"),
    *of_models("GET", "/config", _question(_config), "a model's config, as Triton has it"),
    *of_models("GET", "/stats", _question(_statistics), "calls of a model, and how long they took"),
    *of_models("POST", "/infer", _infer, "inference, with tensors in JSON or behind it", described=_described),
    *(
        Route(method="POST", template=f"{words.PREFIX}/repository{of}/index", answer=_index, about="the models")
        for of in ("", "/{repository}")
    ),
    *(
        Route(
            method="POST",
            template=f"{words.PREFIX}/repository/models/{{name}}/{verb}",
            answer=answer,
            about=f"{verb} a model",
            role=Role.MANAGEMENT,
        )
        for verb, answer in (("load", _load), ("unload", _unload))
    ),
)
