"""TorchServe's management API, where a server takes its place: `/models`, and what is done with one of them.

POST   /models?url=ARCHIVE&...            register; with workers, the answer comes when they are there
GET    /models?limit=100&next_page_token= list
GET    /models/NAME[/VERSION|/all]        describe
PUT    /models/NAME[/VERSION]?min_worker= scale
PUT    /models/NAME/VERSION/set-default
DELETE /models/NAME[/VERSION]             unregister
"""

import asyncio
import logging
from typing import Any, Final

from paddle_serving_app.mar.settings import ModelSettings
from paddle_serving_client.errors import ServingError
from paddle_serving_server.config.listening import Role
from paddle_serving_server.dataplane import torchserve_models
from paddle_serving_server.dataplane.torchserve_models import ALL, Refused
from paddle_serving_server.protocols.http import torchserve_words as words
from paddle_serving_server.protocols.http.message import HttpResponse
from paddle_serving_server.protocols.http.route import Exchange, Handler, Route

logger = logging.getLogger(__name__)

_PAGE: Final = 100
_MOST_WORKERS: Final = 256
_background: Final[set[asyncio.Task[object]]] = set()


async def _register(exchange: Exchange) -> HttpResponse:
    catalogue = exchange.catalogue
    if not torchserve_models.rules_of(catalogue).has_model_api:
        raise Refused(405, "MethodNotAllowedException", "Model API disabled: start with --enable-model-api")
    settings = ModelSettings(
        min_workers=_number(exchange, "initial_workers", None, 0, _MOST_WORKERS),
        batch_size=_number(exchange, "batch_size", None, 1, 65536),
        max_batch_delay_ms=_number(exchange, "max_batch_delay", None, 0, 60_000),
        response_timeout_s=_number(exchange, "response_timeout", None, 1, 86_400),
        startup_timeout_s=_number(exchange, "startup_timeout", None, 1, 86_400),
    )
    if handler := _word(exchange, "handler"):
        raise Refused(400, "BadRequestException", f"handler {handler[:64]!r}: an archive has its own; leave it out")
    name, version, workers = await torchserve_models.register(
        catalogue, _word(exchange, "url"), _word(exchange, "model_name"), settings
    )
    more = "" if workers else ". Use scale workers API to add workers for the model."
    return words.status(f'Model "{name}" Version: {version} registered with {workers} initial workers{more}')


async def _scale(exchange: Exchange) -> HttpResponse:
    catalogue, name, version = exchange.catalogue, exchange.names["name"], exchange.names.get("version", "")
    torchserve_models.found(catalogue, name, version)
    least = _number(exchange, "min_worker", 1, 0, _MOST_WORKERS) or 0
    most = _number(exchange, "max_worker", least, 0, _MOST_WORKERS) or 0
    if most < least:
        raise Refused(400, "BadRequestException", "max_worker cannot be less than min_worker.")
    work = torchserve_models.scale(catalogue, name, version, least, most)
    if _word(exchange, "synchronous").lower() != "true":
        task = asyncio.ensure_future(_unheard(work))
        _background.add(task)
        task.add_done_callback(_background.discard)
        return words.status("Processing worker updates...", 202)
    await work
    more = f", version: {version}" if version else ""
    return words.status(f"Workers scaled to {least} for model: {name}{more}")


async def _unheard(work: Any) -> None:
    """Nobody waits: what was wrong is in the log."""
    try:
        await work
    except ServingError as exc:
        logger.error("%s", exc)


async def _list(exchange: Exchange) -> HttpResponse:
    models = torchserve_models.listed(exchange.catalogue)
    limit = _number(exchange, "limit", _PAGE, 1, 4096) or _PAGE
    begin = _number(exchange, "next_page_token", 0, 0, 1 << 31) or 0
    page = models[begin : begin + limit]
    more = {"nextPageToken": str(begin + limit)} if begin + limit < len(models) else {}
    return words.answer(200, {**more, "models": page})


async def _describe(exchange: Exchange) -> HttpResponse:
    names = exchange.names
    found = torchserve_models.described(exchange.catalogue, names["name"], names.get("version", ""))
    if _word(exchange, "customized").lower() == "true":
        found = [{**one, "customizedMetadata": {}} for one in found]
    return words.answer(200, found)


async def _unregister(exchange: Exchange) -> HttpResponse:
    if not torchserve_models.rules_of(exchange.catalogue).has_model_api:
        raise Refused(405, "MethodNotAllowedException", "Model API disabled: start with --enable-model-api")
    name = exchange.names["name"]
    await torchserve_models.unregister(exchange.catalogue, name, exchange.names.get("version", ""))
    return words.status(f'Model "{name}" unregistered')


async def _set_default(exchange: Exchange) -> HttpResponse:
    name, version = exchange.names["name"], exchange.names["version"]
    await torchserve_models.set_default(exchange.catalogue, name, version)
    return words.status(f'Default version successfully updated for model "{name}" to "{version}"')


async def _workflows(exchange: Exchange) -> HttpResponse:
    return words.answer(200, {"workflows": []})


async def _workflow(exchange: Exchange) -> HttpResponse:
    raise Refused(404, "WorkflowNotFoundException", f"Workflow not found: {exchange.names['name'][:128]}")


def _word(exchange: Exchange, key: str) -> str:
    return exchange.request.query.get(key, [""])[-1] if exchange.request.query_string else ""


def _number(exchange: Exchange, key: str, otherwise: int | None, least: int, most: int) -> int | None:
    """A number of the query; what is none counts as if it were not there, as in TorchServe.

    Raises:
        Refused: it is out of range.
    """
    word = _word(exchange, key)
    if not word.lstrip("-").isdecimal() or len(word) > 18:
        return otherwise
    if not least <= int(word) <= most:
        raise Refused(400, "BadRequestException", f"{key} must be from {least} to {most}, got {word}")
    return int(word)


_ROUTES: Final[tuple[tuple[str, str, Handler, str], ...]] = (
    ("POST", "/models", _register, "register an archive of the store"),
    ("GET", "/models", _list, "the models there are"),
    ("GET", "/models/{name}", _describe, "one model"),
    ("GET", "/models/{name}/{version}", _describe, f"one version, or {ALL}"),
    ("PUT", "/models/{name}", _scale, "how many workers a model has"),
    ("PUT", "/models/{name}/{version}", _scale, "how many workers a version has"),
    ("PUT", "/models/{name}/{version}/set-default", _set_default, "what answers who asks for no version"),
    ("DELETE", "/models/{name}", _unregister, "remove a model"),
    ("DELETE", "/models/{name}/{version}", _unregister, "remove a version"),
    ("GET", "/workflows", _workflows, "the workflows there are"),
    ("GET", "/workflows/{name}", _workflow, "one workflow"),
)
API = "torchserve"
refusal, forbidden = words.refusal, words.forbidden
not_found, not_allowed = words.not_found, words.not_allowed
ROUTES = tuple(
    Route(
        method=method,
        template=template,
        answer=answer,
        about=about,
        role=Role.MANAGEMENT,
        exists=words.is_torchserve,
    )
    for method, template, answer, about in _ROUTES
)
