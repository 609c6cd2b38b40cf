"""`GET /openapi.json`: what can be asked of this server, for programs; `GET /docs`: the same for people, to try it."""

import base64
import functools
import hashlib
import re
from importlib import resources
from typing import Final

import orjson

from paddle_serving_server import showing
from paddle_serving_server.config.listening import SERVER
from paddle_serving_server.protocols.http import apis, encoding, openapi
from paddle_serving_server.protocols.http.message import HttpResponse
from paddle_serving_server.protocols.http.refusal import usual
from paddle_serving_server.protocols.http.route import Exchange, Route
from paddle_serving_server.protocols.http.table import Table

_PAGE: Final = "api.html"


async def _document(exchange: Exchange) -> HttpResponse:
    said = openapi.document(Table(apis.every(), exchange.at), exchange.catalogue)
    answer = HttpResponse(200, orjson.dumps(said), headers={"Cache-Control": "no-store"})
    return await encoding.compressed(exchange.request, answer)


async def _docs(exchange: Exchange) -> HttpResponse:
    page, policy = _page()
    headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return await encoding.compressed(exchange.request, HttpResponse(200, page, "text/html; charset=utf-8", headers))


@functools.cache
def _page() -> tuple[bytes, str]:
    """The page, and what it may do: run its own script and style, and ask this server."""
    text = resources.files(showing).joinpath(_PAGE).read_text(encoding="utf-8")
    parts = {tag: re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL) for tag in ("script", "style")}
    allowed = [f"{tag}-src 'sha256-{_digest(part)}'" for tag, (part,) in parts.items()]
    policy = ["default-src 'none'", *allowed, "connect-src 'self'", "base-uri 'none'"]
    return text.encode(), "; ".join(policy)


def _digest(part: str) -> str:
    return base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()


API = SERVER
refusal = usual
ROUTES = (
    Route(method="GET", template="/openapi.json", answer=_document, about="what can be asked, as OpenAPI 3.1"),
    Route(method="GET", template="/docs", answer=_docs, about="what can be asked, to read and to try"),
)
