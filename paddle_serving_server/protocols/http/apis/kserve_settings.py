"""`/v2/trace/setting` and `/v2/logging`: settings that clients of Triton read, and change where they may."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from paddle_serving_client.errors import BadPacket
from paddle_serving_client.wire import kserve_json
from paddle_serving_server.config.listening import Role
from paddle_serving_server.dataplane import kserve_models, kserve_settings
from paddle_serving_server.protocols.http import body, kserve_words
from paddle_serving_server.protocols.http.kserve_words import PREFIX
from paddle_serving_server.protocols.http.message import HttpResponse
from paddle_serving_server.protocols.http.route import Exchange, Route

_MAX_BYTES: Final = 64 << 10


async def _trace(exchange: Exchange) -> HttpResponse:
    return _said(kserve_settings.trace(exchange.catalogue, _model(exchange)))


async def _change_trace(exchange: Exchange) -> HttpResponse:
    model = _model(exchange)
    kserve_settings.change_trace(exchange.catalogue, _wanted(exchange), model)
    return _said(kserve_settings.trace(exchange.catalogue, model))


async def _log(exchange: Exchange) -> HttpResponse:
    return _said(kserve_settings.log())


async def _change_log(exchange: Exchange) -> HttpResponse:
    kserve_settings.change_log(exchange.catalogue, _wanted(exchange))
    return _said(kserve_settings.log())


def _model(exchange: Exchange) -> str:
    """Whose settings are meant; empty: those of the server."""
    name = exchange.names.get("name", "")
    return kserve_models.find(exchange.catalogue, name, in_parts=True).name if name else ""


def _wanted(exchange: Exchange) -> Mapping[str, Any]:
    got = kserve_json.loads(body.plain(exchange.request, _MAX_BYTES))
    if not isinstance(got, dict):
        raise BadPacket("attempt to access JSON non-object as object")
    return got


def _said(settings: Mapping[str, Any]) -> HttpResponse:
    return HttpResponse(200, orjson.dumps(settings))


API = kserve_words.API
refusal, is_open, forbidden = kserve_words.refusal, kserve_words.is_open, kserve_words.forbidden
_PATHS: Final = (
    (f"{PREFIX}/trace/setting", _trace, _change_trace, "settings of traces"),
    (f"{PREFIX}/models/{{name}}/trace/setting", _trace, _change_trace, "settings of traces of a model"),
    (f"{PREFIX}/logging", _log, _change_log, "settings of the log"),
)
ROUTES: Final = (
    *(Route(method="GET", template=path, answer=read, about=about) for path, read, _, about in _PATHS),
    *(
        Route(method="POST", template=path, answer=change, about=f"change {about}", role=Role.MANAGEMENT)
        for path, _, change, about in _PATHS
    ),
)
