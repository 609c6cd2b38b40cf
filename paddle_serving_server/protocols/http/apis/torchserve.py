"""TorchServe's inference API, where a server takes its place: `/ping`, `/predictions/NAME[/VERSION]`, `/explanations`.

A body is one request for a handler: as it is under `body`, JSON and text decoded; the parts of a form under the names
that the form gives them; what stands behind the question mark under its names, too.
"""

import json
import uuid
from typing import Any, Final

from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Request, Response
from paddle_serving_server.dataplane import torchserve_models
from paddle_serving_server.protocols.http import body
from paddle_serving_server.protocols.http import torchserve_words as words
from paddle_serving_server.protocols.http.answer_head import sendable
from paddle_serving_server.protocols.http.form import read_form
from paddle_serving_server.protocols.http.message import Body, HttpRequest, HttpResponse
from paddle_serving_server.protocols.http.route import Exchange, Handler, Names, Route
from paddle_serving_server.services.catalogue import Catalogue

_MODEL: Final = "/predictions/{name}"
_TEXTS: Final = ("text/", "application/xml")
_METHODS: Final = ("POST", "PUT", "GET", "DELETE")


async def _ping(exchange: Exchange) -> HttpResponse:
    """Healthy: every model that is to have workers has them."""
    catalogue = exchange.catalogue
    for entry in catalogue.registry.index():
        model = entry.model
        if model is None:
            continue
        wanted = [version for version, own in model.own if own.is_loaded]
        if any(version not in catalogue.versions(model.name) for version in wanted):
            return words.status("Unhealthy", 500)
    return words.status("Healthy")


async def _predict(exchange: Exchange) -> HttpResponse:
    return await _answered(exchange, exchange.names["name"], exchange.names.get("version", ""))


async def _explain(exchange: Exchange) -> HttpResponse:
    return await _answered(exchange, exchange.names["name"], exchange.names.get("version", ""), explains=True)


async def _invoke(exchange: Exchange) -> HttpResponse:
    """The one model of a server, where there is one only."""
    listed = torchserve_models.listed(exchange.catalogue)
    if len(listed) != 1:
        names = ", ".join(model["modelName"] for model in listed) or "none"
        raise torchserve_models.Refused(
            404, "ModelNotFoundException", f"one model is expected here, there are: {names}"
        )
    exchange.call.service = listed[0]["modelName"]
    return await _answered(exchange, listed[0]["modelName"], "")


async def _answered(exchange: Exchange, name: str, version: str, explains: bool = False) -> HttpResponse:
    plane, call, request = exchange.plane, exchange.call, exchange.request
    words.refuse_without_token(plane.catalogue, request)
    torchserve_models.refuse_without_workers(plane.catalogue, name, version)
    rules = torchserve_models.rules_of(plane.catalogue)
    raw = await body.beside_the_loop(request, body.plain, request, plane.limits.max_body_bytes)
    instance = await body.beside_the_loop(request, _instance, request, raw, rules.decodes_input)
    identity = str(uuid.uuid4())
    asked = Request(
        model=name,
        version=version,
        instances=[instance],
        parameters={"explain": True} if explains else {},
        headers=dict(request.headers),
        id=identity,
        deadline=call.deadline,
    )
    response = await plane.infer(call, asked)
    return _written(name, response, identity)


def _instance(request: HttpRequest, raw: Body, decodes: bool) -> dict[str, Any]:
    """What a handler gets for one request.

    Raises:
        BadInput: a body that should be JSON is none. BadPacket: a form is damaged.
    """
    found: dict[str, Any] = {name: values[-1] for name, values in request.query.items()} if request.query_string else {}
    kind = request.content_type
    if kind == "multipart/form-data":
        return {**found, **read_form(request.headers["content-type"], bytes(raw)).parts}
    if not raw and found:
        return found
    found["body"] = _decoded(kind, raw) if decodes else bytes(raw)
    return found


def _decoded(kind: str, raw: Body) -> Any:
    if kind in body.JSON:
        try:
            return json.loads(bytes(raw))
        except (ValueError, RecursionError) as exc:
            raise BadInput(f"the body is no JSON: {str(exc)[:128]}") from exc
    if kind.startswith(_TEXTS):
        return bytes(raw).decode("utf-8", "replace")
    return bytes(raw)


def _written(name: str, response: Response, identity: str) -> HttpResponse:
    """A result as the handler gave it: text and bytes as they are, everything else as JSON."""
    value = response.result
    own = {sendable(name, key): sendable(name, text) for key, text in response.headers.items()}
    headers, kind = {**own, words.REQUEST_ID: identity}, sendable(name, response.content_type)
    if isinstance(value, str):
        return HttpResponse(response.status, value.encode(), kind or "text/plain", headers)
    if isinstance(value, bytes):
        return HttpResponse(response.status, value, kind or "application/octet-stream", headers)
    written = json.dumps(value, indent=2, ensure_ascii=False).encode()
    return HttpResponse(response.status, written, kind or "application/json", headers)


# -- routes


def _name(catalogue: Catalogue, names: Names) -> str:
    return names.get("name", "")


def _routes(template: str, handler: Handler, about: str) -> tuple[Route, ...]:
    """The same for every method: what is asked is in the path and the body."""
    return tuple(
        Route(
            method=method,
            template=template,
            answer=handler,
            about=about,
            exists=words.is_torchserve,
            counted_for=_name,
            is_listed=method == "POST",
        )
        for method in _METHODS
    )


API = "torchserve"
refusal, not_found, not_allowed = words.refusal, words.not_found, words.not_allowed
ROUTES = (
    *_routes(_MODEL, _predict, "a prediction, as TorchServe has it"),
    *_routes(_MODEL + "/{version}", _predict, "a prediction of one version"),
    *_routes("/explanations/{name}", _explain, "why a model answers so"),
    *_routes("/explanations/{name}/{version}", _explain, "why a version answers so"),
    *_routes("/models/{name}/invoke", _predict, "a prediction, as SageMaker asks for it"),
    *_routes("/invocations", _invoke, "a prediction of the one model"),
    *(
        Route(
            method=method, template="/ping", answer=_ping, about="whether every model has its workers",
            exists=words.is_torchserve, is_listed=method == "GET",
        )
        for method in ("GET", "POST")
    ),
)  # fmt: skip
