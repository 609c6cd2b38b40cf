"""`/registry`: which models are served, in which versions and how, while the server runs.

    GET /registry                       everything that is registered, with states and reasons
    GET /registry/NAME                  one of them
    PUT /registry/NAME                  register {"path": ..., ...}, and load it; what answers under the name goes on
                                        until that does
    DELETE /registry/NAME               unload and forget it
    POST /registry/NAME/load, /unload, /reload, /scale, /configure, /default, /labels

An answer comes when the model has come to rest: 200, or 409 where something was refused, with the reason. `?wait=false`
answers 202 at once; `?timeout=SECONDS` answers 504 after that, while the work goes on.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import orjson

from paddle_serving_app.backend import ModelOptions
from paddle_serving_client.errors import BadConfig, BadInput, Conflict, ErrNo, ServingError
from paddle_serving_server.config.listening import SERVER, Role
from paddle_serving_server.config.values import ServedModel
from paddle_serving_server.config.versions import VersionPolicy
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.protocols.http import body
from paddle_serving_server.protocols.http import refusal as refusals
from paddle_serving_server.protocols.http.message import HttpResponse
from paddle_serving_server.protocols.http.route import Exchange, Route
from paddle_serving_server.services.registry import Outcome, Registry

logger = logging.getLogger(__name__)

_MAX_BODY_BYTES: Final = 1 << 20
_SETTINGS: Final[Mapping[str, tuple[str, type | tuple[type, ...]]]] = {
    "path": ("folder", str),
    "rows": ("max_rows", int),
    "wait_ms": ("max_wait_ms", (int, float)),
    "instances": ("instances", int),
    "versions": ("versions", (str, dict, list)),
    "paths": ("paths", dict),
    "default": ("default_version", str),
    "labels": ("labels", dict),
}
"""What a body may say of a model, beside `_OPTIONS`: the field of `ServedModel`, and its type."""
_OPTIONS: Final[Mapping[str, tuple[str, type]]] = {
    "backend": ("backend", str),
    "threads": ("threads", int),
    "gpu": ("gpu_id", int),
    "precision": ("precision", str),
    "golden": ("golden", str),
}
_background: Final[set[asyncio.Task[object]]] = set()


async def _index(exchange: Exchange) -> HttpResponse:
    return _json(200, {"models": [status.as_json() for status in exchange.catalogue.registry.index()]})


async def _show(exchange: Exchange) -> HttpResponse:
    return _json(200, exchange.catalogue.registry.status(exchange.names["name"]).as_json())


async def _register(exchange: Exchange) -> HttpResponse:
    name, values = exchange.names["name"], _values(exchange)
    loads = values.pop("load", True)
    if not isinstance(loads, bool):
        raise BadInput(f"load is true or false, got {loads!r}")
    changes = _changes(values, ModelOptions())
    if not changes.get("folder") and not changes.get("paths"):
        raise BadInput('the body must say where the model is: {"path": "/models/uci"}')
    if "folder" not in changes:
        changes["folder"] = changes["paths"][0][1]
    model = ServedModel(name=name, **changes)
    return await _answered(exchange, lambda registry, s: registry.register(model, loads, replaces=True, timeout_s=s))


async def _unregister(exchange: Exchange) -> HttpResponse:
    name, registry = exchange.names["name"], exchange.catalogue.registry

    async def gone(timeout_s: float) -> HttpResponse:
        await registry.unregister(name, timeout_s)
        return _json(200, {"name": name, "state": "gone"})

    return await _now_or_later(exchange, gone)


async def _load(exchange: Exchange) -> HttpResponse:
    return await _answered(exchange, lambda registry, s: registry.load(exchange.names["name"], s))


async def _unload(exchange: Exchange) -> HttpResponse:
    return await _answered(exchange, lambda registry, s: registry.unload(exchange.names["name"], s))


async def _reload(exchange: Exchange) -> HttpResponse:
    allows = _word(exchange, "allow_signature_change", "false") in ("true", "1")
    return await _answered(exchange, lambda registry, s: registry.reload(exchange.names["name"], allows, s))


async def _scale(exchange: Exchange) -> HttpResponse:
    count = _only(exchange, "instances", int)
    return await _answered(exchange, lambda registry, s: registry.scale(exchange.names["name"], count, s))


async def _configure(exchange: Exchange) -> HttpResponse:
    status = exchange.catalogue.registry.status(exchange.names["name"])
    options = ModelOptions() if status.model is None else status.model.options
    changes = _changes(_values(exchange), options)
    return await _answered(exchange, lambda registry, s: registry.configure(status.name, s, **changes))


async def _default(exchange: Exchange) -> HttpResponse:
    version = _only(exchange, "version", str)
    return await _answered(exchange, lambda registry, s: registry.set_default(exchange.names["name"], version, s))


async def _labels(exchange: Exchange) -> HttpResponse:
    labels = dict(_pairs("labels", _values(exchange)))
    return await _answered(exchange, lambda registry, s: registry.label(exchange.names["name"], labels, s))


# -- what comes


def _values(exchange: Exchange) -> dict[str, Any]:
    raw = body.plain(exchange.request, _MAX_BODY_BYTES) or b"{}"
    try:
        values = orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        raise BadInput(f"expected JSON: {exc}") from None
    if not isinstance(values, dict):
        raise BadInput(f"expected an object, as {{...}}, got {type(values).__name__}")
    return values


def _only(exchange: Exchange, key: str, kind: type) -> Any:
    values = _values(exchange)
    if set(values) != {key} or not isinstance(values[key], kind) or isinstance(values[key], bool):
        raise BadInput(f'expected {{"{key}": {"a number" if kind is int else "a text"}}}, got {str(values)[:64]}')
    return values[key]


def _changes(values: Mapping[str, Any], options: ModelOptions) -> dict[str, Any]:
    """What a body says, as fields of `ServedModel`."""
    changes: dict[str, Any] = {}
    chosen: dict[str, Any] = {}
    for key, value in values.items():
        field, kind = _SETTINGS.get(key) or _OPTIONS.get(key) or ("", object)
        if not field:
            raise BadInput(f"unknown setting {key[:64]!r}; there are {', '.join([*_SETTINGS, *_OPTIONS])}")
        if not isinstance(value, kind) or isinstance(value, bool):
            raise BadInput(f"setting {key!r} cannot be {str(value)[:64]!r}")
        if key in _OPTIONS:
            chosen[field] = value
        elif field in ("paths", "labels"):
            changes[field] = _pairs(key, value)
        else:
            changes[field] = VersionPolicy.parse(value) if field == "versions" else value
    return {**changes, "options": replace(options, **chosen)} if chosen else changes


def _pairs(key: str, values: Any) -> tuple[tuple[str, str], ...]:
    for name, value in values.items():
        if not isinstance(value, str):
            raise BadInput(f"{key}: {name[:64]!r} must be a text, got {str(value)[:64]}")
    return tuple(values.items())


def _word(exchange: Exchange, key: str, otherwise: str) -> str:
    return exchange.request.query.get(key, [otherwise])[-1].lower()


def _timeout_s(exchange: Exchange) -> float:
    word = _word(exchange, "timeout", "inf")
    try:
        seconds = float(word)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise BadInput(f"timeout must be a number of seconds above 0, got {word[:32]!r}")
    return seconds


# -- what goes


async def _answered(exchange: Exchange, verb: Callable[[Registry, float], Awaitable[Outcome]]) -> HttpResponse:
    async def outcome(timeout_s: float) -> HttpResponse:
        return _outcome(await verb(exchange.catalogue.registry, timeout_s))

    return await _now_or_later(exchange, outcome)


async def _now_or_later(exchange: Exchange, work: Callable[[float], Awaitable[HttpResponse]]) -> HttpResponse:
    timeout_s = _timeout_s(exchange)
    if _word(exchange, "wait", "true") not in ("false", "0"):
        return await work(timeout_s)
    task = asyncio.ensure_future(_unheard(work(math.inf)))
    _background.add(task)
    task.add_done_callback(_background.discard)
    return _json(202, {"name": exchange.names["name"], "state": "asked", "see": f"/registry/{exchange.names['name']}"})


async def _unheard(work: Awaitable[HttpResponse]) -> None:
    """Nobody waits: what was wrong is in the log, and in the index."""
    try:
        await work
    except ServingError as exc:
        logger.error("a change that nobody waits for: %s", exc)


def _outcome(outcome: Outcome) -> HttpResponse:
    found = {**outcome.status.as_json(), **({"models": list(outcome.reports)} if outcome.reports else {})}
    reasons = [str(report["reason"]) for report in outcome.reports if report["state"] == "refused"]
    refused = "; ".join([*filter(None, [outcome.refusal]), *reasons])
    if not refused:
        return _json(200, found)
    return _json(409, {"err_no": int(ErrNo.INIT), "err_msg": refused, **found})


def _json(status: int, values: object) -> HttpResponse:
    return HttpResponse(status, orjson.dumps(values))


def refusal(error: ServingError, call: Call) -> HttpResponse:
    """As usual; what is wrong with a model or its settings is no fault of the server."""
    answer = refusals.response(error)
    if isinstance(error, BadConfig) and not isinstance(error, Conflict):
        return answer._replace(status=400)
    return answer


API = SERVER
_VERBS: Final = (
    ("load", _load, "load the versions that a model's policy chooses"),
    ("unload", _unload, "let a model give its last answers, and end; it stays registered"),
    ("reload", _reload, "take what a model's folders hold now"),
    ("scale", _scale, 'have {"instances": N} engine processes'),
    ("configure", _configure, "change settings of a model while it answers"),
    ("default", _default, 'say which {"version": ...} answers who asks for none'),
    ("labels", _labels, "give versions other names: {label: version}"),
)
ROUTES = (
    Route(method="GET", template="/registry", answer=_index, about="what is registered", role=Role.MANAGEMENT),
    Route(method="GET", template="/registry/{name}", answer=_show, about="one model", role=Role.MANAGEMENT),
    Route(
        method="PUT",
        template="/registry/{name}",
        answer=_register,
        about='serve a model: {"path": ...}',
        role=Role.MANAGEMENT,
    ),
    Route(method="DELETE", template="/registry/{name}", answer=_unregister, about="forget it", role=Role.MANAGEMENT),
    *(
        Route(method="POST", template=f"/registry/{{name}}/{verb}", answer=answer, about=about, role=Role.MANAGEMENT)
        for verb, answer, about in _VERBS
    ),
)
