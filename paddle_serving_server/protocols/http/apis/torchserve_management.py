"""TorchServe's management API, where a server takes its place: `/models`, and what is done with one of them.

POST   /models?url=ARCHIVE&...            register; with workers, the answer comes when they are there
POST   /models, with an archive           the same, without a place to fetch it from
GET    /models?limit=100&next_page_token= list
GET    /models/NAME[/VERSION|/all]        describe
PUT    /models/NAME[/VERSION]?min_worker= scale; batch_size, max_batch_delay and response_timeout change, too
PUT    /models/NAME/VERSION/set-default
DELETE /models/NAME[/VERSION]             unregister
GET    /token?type=management|inference   another token in the place of the one there is
"""

from typing import Final

from paddle_serving_app.mar.settings import ModelSettings
from paddle_serving_server.config.listening import Role
from paddle_serving_server.config.torchserve import key_file
from paddle_serving_server.dataplane import torchserve_about, torchserve_models
from paddle_serving_server.dataplane.torchserve_about import ALL
from paddle_serving_server.dataplane.torchserve_models import Change, Registration
from paddle_serving_server.dataplane.torchserve_refused import Refused
from paddle_serving_server.protocols.http import body
from paddle_serving_server.protocols.http import torchserve_words as words
from paddle_serving_server.protocols.http.form import read_form
from paddle_serving_server.protocols.http.message import HttpResponse
from paddle_serving_server.protocols.http.route import Exchange, Handler, Names, Route
from paddle_serving_server.services.catalogue import Catalogue

_PAGE: Final = 100


async def _register(exchange: Exchange) -> HttpResponse:
    asked = Registration(
        url=_word(exchange, "url"),
        content=_archive(exchange),
        name=_word(exchange, "model_name"),
        handler=_word(exchange, "handler"),
        settings=_settings(exchange, _number(exchange, "initial_workers", None, 0, torchserve_models.MOST_WORKERS)),
    )
    return words.status(await torchserve_models.register(exchange.catalogue, asked))


def _archive(exchange: Exchange) -> bytes | memoryview:
    """What the caller sent, as it is or as the file of a form."""
    request = exchange.request
    raw = body.plain(request, exchange.plane.limits.max_body_bytes)
    if request.content_type == "multipart/form-data":
        return next(iter(read_form(request.headers["content-type"], bytes(raw)).files), b"")
    return raw


async def _change(exchange: Exchange) -> HttpResponse:
    catalogue, name, version = exchange.catalogue, exchange.names["name"], exchange.names.get("version", "")
    settings = _settings(exchange, None)
    usual = None if settings != ModelSettings() else 1
    asked = Change(
        least=_number(exchange, "min_worker", usual, 0, torchserve_models.MOST_WORKERS),
        most=_number(exchange, "max_worker", None, 0, torchserve_models.MOST_WORKERS),
        settings=settings,
    )
    waits = _word(exchange, "synchronous").lower() == "true"
    code, text = await torchserve_models.change(catalogue, name, version, asked, waits)
    return words.status(text, code)


def _settings(exchange: Exchange, workers: int | None) -> ModelSettings:
    return ModelSettings(
        min_workers=workers,
        batch_size=_number(exchange, "batch_size", None, 1, torchserve_models.MOST_ROWS),
        max_batch_delay_ms=_number(exchange, "max_batch_delay", None, 0, torchserve_models.LONGEST_DELAY_MS),
        response_timeout_s=_number(exchange, "response_timeout", None, 1, torchserve_models.LONGEST_TIMEOUT_S),
        startup_timeout_s=_number(exchange, "startup_timeout", None, 1, torchserve_models.LONGEST_TIMEOUT_S),
    )


async def _list(exchange: Exchange) -> HttpResponse:
    limit = _number(exchange, "limit", _PAGE, 1, 4096) or _PAGE
    begin = _number(exchange, "next_page_token", 0, 0, 1 << 31) or 0
    return words.answer(200, torchserve_about.page(exchange.catalogue, begin, limit))


async def _describe(exchange: Exchange) -> HttpResponse:
    names, is_customized = exchange.names, _word(exchange, "customized").lower() == "true"
    version = names.get("version", "")
    return words.answer(200, torchserve_about.described(exchange.catalogue, names["name"], version, is_customized))


async def _unregister(exchange: Exchange) -> HttpResponse:
    name, version = exchange.names["name"], exchange.names.get("version", "")
    return words.status(await torchserve_models.unregister(exchange.catalogue, name, version))


async def _set_default(exchange: Exchange) -> HttpResponse:
    name, version = exchange.names["name"], exchange.names["version"]
    return words.status(await torchserve_models.set_default(exchange.catalogue, name, version))


async def _token(exchange: Exchange) -> HttpResponse:
    rules = torchserve_models.rules_of(exchange.catalogue)
    words.refuse_without_token(exchange.catalogue, exchange.request, key_file.API)
    if (kind := _word(exchange, "type")) not in key_file.EXPIRING:
        text = f"type must be {' or '.join(key_file.EXPIRING)}, got {kind[:64]!r}"
        raise Refused(400, "BadRequestException", text)
    try:
        key_file.at(rules.key_file).renew(kind, rules.token_minutes)
    except OSError as exc:
        raise Refused(500, "InternalServerException", f"the tokens cannot be written: {exc.strerror}") from exc
    return words.status(f"the new token is in {key_file.NAME}")


async def _workflows(exchange: Exchange) -> HttpResponse:
    return words.answer(200, {"workflows": []})


async def _workflow(exchange: Exchange) -> HttpResponse:
    raise words.no_workflow(exchange.names["name"])


async def _register_workflow(exchange: Exchange) -> HttpResponse:
    text = f"Workflow not found in workflow store: {_word(exchange, 'url')[:256]}"
    raise Refused(404, "WorkflowNotFoundException", text)


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


def _has_tokens(catalogue: Catalogue, names: Names) -> bool:
    return catalogue.config.torchserve is not None and bool(catalogue.config.torchserve.key_file)


_MODEL: Final = "/models/{name}"
_VERSION: Final = "/models/{name}/{version}"
_SIZES: Final = ("batch_size", "max_batch_delay", "response_timeout", "startup_timeout")
_SCALED: Final = ("min_worker", "max_worker", "number_gpu", "synchronous", "timeout", *_SIZES)
_REGISTERED: Final = (
    "url", "model_name", "handler", "runtime", *_SIZES, "initial_workers", "synchronous", "s3_sse_kms",
)  # fmt: skip
_ROUTES: Final[tuple[tuple[str, str, str, Handler, str, tuple[str, ...]], ...]] = (
    ("POST", "/models", "registerModel", _register, "register an archive", _REGISTERED),
    ("GET", "/models", "listModels", _list, "the models there are", ("limit", "next_page_token")),
    ("GET", _MODEL, "describeModel", _describe, "one model", ()),
    ("GET", _VERSION, "version_describeModel", _describe, f"one version, or {ALL}", ()),
    ("PUT", _MODEL, "setAutoScale", _change, "how many workers a model has", _SCALED),
    ("PUT", _VERSION, "version_setAutoScale", _change, "how many workers a version has", _SCALED),
    ("PUT", f"{_VERSION}/set-default", "setDefault", _set_default, "what answers who asks for no version", ()),
    ("DELETE", _MODEL, "unregisterModel", _unregister, "remove a model", ("synchronous", "timeout")),
    ("DELETE", _VERSION, "version_unregisterModel", _unregister, "remove a version", ("synchronous", "timeout")),
    ("GET", "/workflows", "listWorkflows", _workflows, "the workflows there are", ()),
    ("POST", "/workflows", "registerWorkflow", _register_workflow, "register a workflow", ("url",)),
    ("GET", "/workflows/{name}", "describeWorkflow", _workflow, "one workflow", ()),
)
API = "torchserve"
refusal, forbidden = words.refusal, words.forbidden
not_found, not_allowed = words.not_found, words.not_allowed
ROUTES = (
    *(
        Route(
            method=method,
            template=template,
            answer=answer,
            about=about,
            role=Role.MANAGEMENT,
            exists=words.is_torchserve,
            describe=words.operation(identity, *query),
        )
        for method, template, identity, answer, about, query in _ROUTES
    ),
    Route(
        method="GET",
        template="/token",
        answer=_token,
        about="another token, for who has that of the API",
        role=Role.MANAGEMENT,
        exists=_has_tokens,
        describe=words.operation("token", "type"),
        guards_itself=True,
    ),
)
