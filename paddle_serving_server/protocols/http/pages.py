"""The pages of a server: text for scripts, HTML for browsers, drawn from the same tables."""

import fnmatch
import html
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final
from urllib.parse import unquote

from paddle_serving_server.protocols.http import management
from paddle_serving_server.protocols.http.message import HttpRequest, HttpResponse
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.showing import metrics, status
from paddle_serving_server.showing.status import Table

_TEXT: Final = "text/plain; charset=utf-8"
_HTML: Final = "text/html; charset=utf-8"
_VARS: Final = "/vars"
_METRICS: Final = ("/metrics", "/brpc_metrics")
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
_NOT_FOR_ALL: Final = ("/flags", "/connections")
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
_STYLE: Final = """
:root{color-scheme:light dark}body{font:16px/1.45 system-ui,sans-serif;margin:0 auto;padding:1rem;max-width:75rem}
h1{font-size:1.3rem}h2{font-size:1.05rem;margin:1.6rem 0 .4rem}nav{display:flex;flex-wrap:wrap;gap:.2rem .9rem}
.t{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem}
th,td{padding:.25rem .8rem .25rem 0;text-align:left;vertical-align:top;border-bottom:1px solid #8884}
td{font-variant-numeric:tabular-nums}th{font-weight:600;white-space:nowrap}
p{margin:.3rem 0;font-size:.85rem;opacity:.75}
"""


def paths(catalogue: Catalogue) -> list[str]:
    """The pages there are, beside `/vars/NAME`."""
    return ["/", *_TABLES, *(_METRICS if catalogue.config.enable_prometheus else ())]


def answer(catalogue: Catalogue, request: HttpRequest) -> HttpResponse | None:
    """The page under a path; None if there is none."""
    path = request.path
    if path in _NOT_FOR_ALL and (said := management.refused_to_look(catalogue, request)) is not None:
        return said
    if path in _METRICS and catalogue.config.enable_prometheus:
        return _metrics(catalogue)
    if path in _TABLES or path == "/":
        return _drawn(catalogue, request, path, _TABLES.get(path, _index)(catalogue))
    if path.startswith(f"{_VARS}/"):
        return _some_variables(catalogue, request, unquote(path.removeprefix(f"{_VARS}/")))
    return None


def _pages(catalogue: Catalogue) -> dict[str, str]:
    """What people may look at, and what it shows."""
    is_on = catalogue.config.enable_prometheus
    return {path: text for path, text in _ABOUT.items() if is_on or path not in _METRICS}


def _index(catalogue: Catalogue) -> Sequence[Table]:
    pages = list(_pages(catalogue).items())
    services = [(f"/{name}/prediction", "POST") for name in catalogue.names]
    return [Table("Pages", ("", ""), pages), Table("Services", ("", ""), services)]


def _some_variables(catalogue: Catalogue, request: HttpRequest, pattern: str) -> HttpResponse:
    every = status.variables(catalogue)
    found = {name: value for name, value in every.items() if fnmatch.fnmatchcase(name, pattern)}
    if not found:
        text = f"Fail to find variable {pattern[:128]!r}; /vars lists what there is\n"
        return HttpResponse(404, text.encode(), _TEXT, _HEADERS)
    return _drawn(catalogue, request, _VARS, [_variables(found)])


def _metrics(catalogue: Catalogue) -> HttpResponse:
    weights = {service: variants.weights for service, variants in catalogue.variants.items()}
    collector = metrics.Collector(catalogue.meter.read(), weights, catalogue.is_ready)
    return HttpResponse(200, metrics.exposition(collector), metrics.CONTENT_TYPE, _HEADERS)


_TABLES: Final[dict[str, Callable[[Catalogue], Sequence[Table]]]] = {
    "/index": _index,
    "/status": status.status,
    "/flags": lambda catalogue: [status.flags(catalogue.config)],
    "/connections": lambda catalogue: [status.connections(catalogue)],
    _VARS: lambda catalogue: [_variables(status.variables(catalogue))],
}


def _variables(found: dict[str, str]) -> Table:
    return Table("", ("", ""), list(found.items()))


def _drawn(catalogue: Catalogue, request: HttpRequest, path: str, tables: Sequence[Table]) -> HttpResponse:
    if "text/html" in request.headers.get("accept", "").lower():
        return HttpResponse(
            200, as_html(path, tables, _pages(catalogue)).encode(), _HTML, {**_HEADERS, "Vary": "Accept"}
        )
    text = as_pairs(tables) if path == _VARS else as_text(tables)
    return HttpResponse(200, text.encode(), _TEXT, {**_HEADERS, "Vary": "Accept"})


def as_pairs(tables: Sequence[Table]) -> str:
    """Lines of `name : value`, as brpc writes its variables."""
    return "".join(f"{name} : {value}\n" for table in tables for name, value in table.rows)


def as_text(tables: Sequence[Table]) -> str:
    """Tables in columns of letters of one width."""
    return "\n".join("".join(f"{line}\n" for line in _text_of(table)) for table in tables)


def _text_of(table: Table) -> Iterator[str]:
    yield from [table.title] if table.title else []
    head = [table.columns] if any(table.columns) else []
    rows = [*head, *table.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    if not table.rows:
        yield "  none"
    yield from [f"  ({table.note})"] if table.note else []


def as_html(path: str, tables: Sequence[Table], links: Iterable[str] = _ABOUT) -> str:
    """A page that needs nothing else."""
    links = "".join(_link(target, target.strip("/")) for target in links)
    body = "".join(_html_of(table) for table in tables)
    title = html.escape(path.strip("/") or "index")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><nav>{links}</nav><h1>{title}</h1>{body}</body></html>\n"
    )


def _html_of(table: Table) -> str:
    title = f"<h2>{html.escape(table.title)}</h2>" if table.title else ""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in table.columns) if any(table.columns) else ""
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    note = f"<p>{html.escape(table.note)}</p>" if table.note else ""
    none = "" if table.rows else "<p>none</p>"
    return f'{title}<div class="t"><table><tr>{head}</tr>{rows}</table></div>{none}{note}'


def _cell(text: str) -> str:
    return f"<td>{_link(text, text) if text in _ABOUT else html.escape(text)}</td>"


def _link(target: str, text: str) -> str:
    return f'<a href="{html.escape(target)}">{html.escape(text)}</a>'
