"""What can be asked at an address of a server in TorchServe's place, as OpenAPI: `OPTIONS /` and `/api-description`."""

import re
from typing import Any, Final

from paddle_serving_app.torchserve.context import SERVER_VERSION
from paddle_serving_server.config.listening import Role
from paddle_serving_server.protocols.http import apis
from paddle_serving_server.protocols.http import torchserve_words as words
from paddle_serving_server.protocols.http.message import HttpResponse
from paddle_serving_server.protocols.http.route import Exchange, Route
from paddle_serving_server.protocols.http.table import Table

_OPENAPI: Final = "3.0.1"
_NAME: Final = re.compile(r"\{(\w+)\}")
_NAMES: Final = {"name": "model_name", "version": "model_version"}
_JSON: Final = {"application/json": {"schema": {"type": "object"}}}
_FAILED: Final = {
    "400": "what is asked is wrong",
    "404": "there is no such model or version",
    "500": "it cannot be done",
    "503": "no worker can answer now",
}


async def _describe(exchange: Exchange) -> HttpResponse:
    if Role.MANAGEMENT not in exchange.at.roles:
        words.refuse_without_token(exchange.catalogue, exchange.request)
    return words.answer(200, _document(exchange))


def _document(exchange: Exchange) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for api, route in Table(apis.every(), exchange.at).routes:
        if api.API != API or not route.is_listed or not route.exists(exchange.catalogue, {}):
            continue
        path = _NAME.sub(lambda found: f"{{{_NAMES.get(found[1], found[1])}}}", route.template)
        paths.setdefault(path, {})[route.method.lower()] = _operation(exchange, path, route)
    about = "The models of this server, in the terms of TorchServe"
    info = {"title": "TorchServe APIs", "description": about, "version": SERVER_VERSION}
    return {"openapi": _OPENAPI, "info": info, "paths": paths}


def _operation(exchange: Exchange, path: str, route: Route) -> dict[str, Any]:
    own = route.describe(exchange.catalogue, {})
    failed = {code: {"description": text, "content": _JSON} for code, text in _FAILED.items()}
    takes_body = route.method in ("POST", "PUT") and route.role is Role.INFERENCE
    body = {"requestBody": {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}}
    return {
        "description": route.about,
        "operationId": own.get("operationId", route.about),
        "parameters": [*(words.parameter(name, "path") for name in _NAME.findall(path)), *own.get("parameters", ())],
        **(body if takes_body else {}),
        "responses": {"200": {"description": "the answer", "content": _JSON}, **failed},
    }


API = "torchserve"
refusal, forbidden = words.refusal, words.forbidden
not_found, not_allowed = words.not_found, words.not_allowed
ROUTES = tuple(
    Route(
        method=method,
        template=template,
        answer=_describe,
        about="what can be asked here, as OpenAPI",
        role=role,
        exists=words.is_torchserve,
        describe=words.operation(identity),
    )
    for role in (Role.INFERENCE, Role.MANAGEMENT)
    for method, template, identity in (
        ("OPTIONS", "/", "apiDescription"),
        ("GET", "/api-description", "api-description"),
    )
)
