"""TorchServe's inference API, where a server takes its place: `/ping`, `/predictions/NAME[/VERSION]`, `/explanations`.

A body is one request for a handler: as it is under `body`, JSON and text decoded; the parts of a form under the names
that the form gives them; what stands behind the question mark under its names, too. An answer whose handler sends it in
parts goes out in chunks.
"""

import json
import uuid
from collections.abc import AsyncGenerator
from typing import Any, Final

from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Parts, Request, Response
from paddle_serving_server.dataplane import torchserve_about, torchserve_calls, torchserve_models
from paddle_serving_server.dataplane.torchserve_refused import Refused
from paddle_serving_server.protocols.http import body
from paddle_serving_server.protocols.http import torchserve_words as words
from paddle_serving_server.protocols.http.answer_head import sendable
from paddle_serving_server.protocols.http.form import read_form
from paddle_serving_server.protocols.http.message import Body, HttpRequest, HttpResponse
from paddle_serving_server.protocols.http.route import Exchange, Handler, Names, Route
from paddle_serving_server.services.catalogue import Catalogue

_TEXTS: Final = ("text/", "application/xml")
_METHODS: Final = ("POST", "PUT", "GET", "DELETE")


async def _ping(exchange: Exchange) -> HttpResponse:
    words.refuse_without_token(exchange.catalogue, exchange.request)
    health = torchserve_about.health(exchange.catalogue)
    return words.status(health, 200 if health == torchserve_about.HEALTHY else 500)


async def _predict(exchange: Exchange) -> HttpResponse:
    return await _answered(exchange, exchange.names["name"], exchange.names.get("version", ""))


async def _explain(exchange: Exchange) -> HttpResponse:
    return await _answered(exchange, exchange.names["name"], exchange.names.get("version", ""), explains=True)


async def _invoke(exchange: Exchange) -> HttpResponse:
    """The one model of a server, where there is one only."""
    listed = torchserve_about.listed(exchange.catalogue)
    if len(listed) != 1:
        names = ", ".join(model["modelName"] for model in listed) or "none"
        raise Refused(404, "ModelNotFoundException", f"one model is expected here, there are: {names}")
    exchange.call.service = listed[0]["modelName"]
    return await _answered(exchange, listed[0]["modelName"], "")


async def _workflow(exchange: Exchange) -> HttpResponse:
    words.refuse_without_token(exchange.catalogue, exchange.request)
    raise words.no_workflow(exchange.names["name"])


async def _answered(exchange: Exchange, name: str, version: str, explains: bool = False) -> HttpResponse:
    plane, call, request = exchange.plane, exchange.call, exchange.request
    words.refuse_without_token(plane.catalogue, request)
    torchserve_calls.give_time(plane, call, name, version)
    rules = torchserve_models.rules_of(plane.catalogue)
    raw = await body.beside_the_loop(request, body.plain, request, plane.limits.max_body_bytes)
    instance = await body.beside_the_loop(request, _instance, request, raw, rules.decodes_input)
    asked = Request(
        model=name,
        version=version,
        instances=[instance],
        parameters={"explain": True} if explains else {},
        headers=dict(request.headers),
        id=str(uuid.uuid4()),
        deadline=call.deadline,
    )
    response = await torchserve_calls.infer(plane, call, asked)
    if response.parts is not None:
        return await _streamed(exchange, name, response.parts, asked.id)
    return _written(name, response, asked.id)


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
    written, kind = torchserve_calls.as_bytes(response)
    headers = _headers(name, response, identity)
    return HttpResponse(response.status, written, sendable(name, response.content_type) or kind, headers)


def _headers(name: str, response: Response, identity: str) -> dict[str, str]:
    own = {sendable(name, key): sendable(name, text) for key, text in response.headers.items()}
    return {**own, words.REQUEST_ID: identity}


async def _streamed(exchange: Exchange, name: str, parts: Parts, identity: str) -> HttpResponse:
    """An answer in chunks; the first says status, headers and content type."""
    seen: list[Response] = []

    def write(part: Response) -> bytes:
        if not seen:
            seen.append(part)
        return torchserve_calls.as_bytes(part)[0]

    made = exchange.plane.parts(exchange.call, parts, write)
    first = await anext(made, b"")
    about = seen[0] if seen else Response(result="")
    kind = sendable(name, about.content_type) or torchserve_calls.as_bytes(about)[1]
    return HttpResponse(
        about.status, content_type=kind, headers=_headers(name, about, identity), parts=_joined(first, made)
    )


async def _joined(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    try:
        yield first
        async for part in rest:
            yield part
    finally:
        await rest.aclose()


# -- routes


def _name(catalogue: Catalogue, names: Names) -> str:
    return names.get("name", "")


def _routes(template: str, operation: str, handler: Handler, about: str) -> tuple[Route, ...]:
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
            describe=words.operation(operation),
        )
        for method in _METHODS
    )


API = "torchserve"
refusal, not_found, not_allowed = words.refusal, words.not_found, words.not_allowed
ROUTES = (
    *_routes("/predictions/{name}", "predictions", _predict, "a prediction, as TorchServe has it"),
    *_routes("/predictions/{name}/{version}", "version_predictions", _predict, "a prediction of one version"),
    *_routes("/explanations/{name}", "explanations", _explain, "why a model answers so"),
    *_routes("/explanations/{name}/{version}", "version_explanations", _explain, "why a version answers so"),
    *_routes("/v1/models/{name}:predict", "predictions", _predict, "a prediction, under KServe's older path"),
    *_routes("/v1/models/{name}:explain", "explanations", _explain, "why a model answers so, under that path"),
    *_routes("/models/{name}/invoke", "invoke", _predict, "a prediction, as SageMaker asks for it"),
    *_routes("/invocations", "invocations", _invoke, "a prediction of the one model"),
    *_routes("/wfpredict/{name}", "workflow_predictions", _workflow, "a prediction of a workflow"),
    *(
        Route(
            method=method, template="/ping", answer=_ping, about="whether every model has its workers",
            exists=words.is_torchserve, is_listed=method == "GET", describe=words.operation("ping"),
        )
        for method in ("GET", "POST")
    ),
)  # fmt: skip
