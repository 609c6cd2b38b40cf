"""The pages of a server: text for scripts, HTML for browsers, from the same tables; and what is served, as JSON."""

import fnmatch
import functools
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import orjson

from paddle_serving_client import __version__
from paddle_serving_client.errors import BadConfig
from paddle_serving_server.config.listening import SERVER, Role
from paddle_serving_server.protocols.http import drawing, encoding
from paddle_serving_server.protocols.http.message import HttpResponse, weight
from paddle_serving_server.protocols.http.refusal import usual
from paddle_serving_server.protocols.http.route import Exchange, Handler, Names, Route
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.describing import describe
from paddle_serving_server.showing import metrics, page, status, triton_metrics
from paddle_serving_server.showing.machine_load import MachineWatch
from paddle_serving_server.showing.status import Table

_TEXT: Final = "text/plain; charset=utf-8"
_HTML: Final = "text/html; charset=utf-8"
_VARS: Final = "/vars"
_METRICS: Final = ("/metrics", "/brpc_metrics", "/monitoring/prometheus/metrics")
_LIBRARIES: Final = ("paddlepaddle", "paddlepaddle-gpu", "onnxruntime", "onnxruntime-gpu", "openvino", "numpy")
_ABOUT: Final = {
    "/health": "OK, if every model is loaded",
    "/status": "calls, latencies, errors, models, versions",
    "/services": "what is served, as JSON",
    "/vars": "every number; /vars/NAME for one, * and ? stand for any letters",
    "/flags": "settings",
    "/connections": "who is connected",
    "/version": "versions, as JSON",
    "/live": "OK, as long as the process answers",
    "/ready": "as /health",
    "/metrics": "for Prometheus",
}
"""What people may look at."""
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}


def _index(catalogue: Catalogue) -> Sequence[Table]:
    services = [(f"/{name}/prediction", "POST") for name in catalogue.names]
    return [Table("Pages", ("", ""), list(_pages(catalogue).items())), Table("Services", ("", ""), services)]


def _pages(catalogue: Catalogue) -> dict[str, str]:
    return {path: text for path, text in _ABOUT.items() if path not in _METRICS or _has_metrics(catalogue, {})}


def _has_metrics(catalogue: Catalogue, names: Names) -> bool:
    return catalogue.config.enable_prometheus and catalogue.config.torchserve is None


def _has_root(catalogue: Catalogue, names: Names) -> bool:
    """The page asks by paths that a server in TorchServe's place does not have."""
    return catalogue.config.torchserve is None


def _variables(found: dict[str, str]) -> Table:
    return Table("", ("", ""), list(found.items()))


def _page(path: str, draw: Callable[[Catalogue], Sequence[Table]]) -> Handler:
    async def answer(exchange: Exchange) -> HttpResponse:
        return _drawn(exchange, path, draw(exchange.catalogue))

    return answer


def _drawn(exchange: Exchange, path: str, tables: Sequence[Table]) -> HttpResponse:
    headers = {**_HEADERS, "Vary": "Accept"}
    if _is_browser(exchange):
        drawn = drawing.as_html(path, tables, list(_pages(exchange.catalogue)))
        return HttpResponse(200, drawn.encode(), _HTML, headers)
    text = drawing.as_pairs(tables) if path == _VARS else drawing.as_text(tables)
    return HttpResponse(200, text.encode(), _TEXT, headers)


def _is_browser(exchange: Exchange) -> bool:
    return weight(exchange.request.headers.get("accept", ""), "text/html") > 0


async def _some_variables(exchange: Exchange) -> HttpResponse:
    pattern, every = exchange.names["pattern"], status.variables(exchange.catalogue)
    found = {name: value for name, value in every.items() if fnmatch.fnmatchcase(name, pattern)}
    if not found:
        text = f"Fail to find variable {pattern[:128]!r}; /vars lists what there is\n"
        return HttpResponse(404, text.encode(), _TEXT, _HEADERS)
    return _drawn(exchange, _VARS, [_variables(found)])


async def _metrics(exchange: Exchange) -> HttpResponse:
    catalogue = exchange.catalogue
    weights = {service: variants.weights for service, variants in catalogue.variants.items()}
    counted = catalogue.meter.read()
    ours = metrics.exposition(metrics.Collector(counted, weights, catalogue.is_ready))
    its = triton_metrics.exposition(catalogue, counted, _machine().look())
    return HttpResponse(200, ours + its, metrics.CONTENT_TYPE, _HEADERS)


@functools.cache
def _machine() -> MachineWatch:
    return MachineWatch()


async def _services(exchange: Exchange) -> HttpResponse:
    return HttpResponse(200, orjson.dumps(describe(exchange.catalogue), option=orjson.OPT_SERIALIZE_NUMPY))


async def _version(exchange: Exchange) -> HttpResponse:
    libraries = {}
    for name in _LIBRARIES:
        try:
            libraries[name] = version(name)
        except PackageNotFoundError:
            continue
    return HttpResponse(200, orjson.dumps({"paddle_serving_next": __version__, **libraries}))


async def _root(exchange: Exchange) -> HttpResponse:
    """The page to try services on, for a browser, at once; the pages there are, for who else asks, once it is ready."""
    headers = exchange.request.headers
    if _is_browser(exchange):
        language = page.language(headers.get("accept-language", ""), headers.get("cookie", ""))
        try:
            drawn = page.render(language, server=f"http://{headers.get('host', '')[:128]}", route="direct")
        except BadConfig:
            pass  # an installation without the page's files has the list of pages
        else:
            more = {**page.HEADERS, "Cache-Control": "no-cache", "Vary": "Accept, Accept-Language, Cookie"}
            answer = HttpResponse(200, drawn.encode(), _HTML, more)
            return await encoding.compressed(exchange.request, answer)
    if exchange.catalogue.start.is_going:
        raise exchange.catalogue.start.refusal()
    return _drawn(exchange, "/", _index(exchange.catalogue))


_FOR_ALL: Final = {
    "/index": _index,
    "/status": status.status,
    _VARS: lambda catalogue: [_variables(status.variables(catalogue))],
}
_FOR_SOME: Final[dict[str, Callable[[Catalogue], Sequence[Table]]]] = {
    "/flags": lambda catalogue: [status.flags(catalogue.config)],
    "/connections": lambda catalogue: [status.connections(catalogue)],
}
API = SERVER
refusal = usual
ROUTES = (
    Route(
        method="GET",
        template="/",
        answer=_root,
        about="the page to try services on, for browsers; the pages there are, for others",
        exists=_has_root,
        while_starting=True,
    ),
    *(
        Route(method="GET", template=path, answer=_page(path, draw), about=_ABOUT.get(path, "the pages there are"))
        for path, draw in _FOR_ALL.items()
    ),
    *(
        Route(method="GET", template=path, answer=_page(path, draw), about=_ABOUT[path], role=Role.MANAGEMENT)
        for path, draw in _FOR_SOME.items()
    ),
    Route(method="GET", template="/vars/{pattern}", answer=_some_variables, about="the numbers of these names"),
    *(
        Route(
            method="GET",
            template=path,
            answer=_metrics,
            about=_ABOUT["/metrics"],
            role=Role.METRICS,
            exists=_has_metrics,
        )
        for path in _METRICS
    ),
    Route(method="GET", template="/services", answer=_services, about=_ABOUT["/services"]),
    Route(
        method="GET",
        template="/version",
        answer=_version,
        about=_ABOUT["/version"],
        while_starting=True,
    ),
)
