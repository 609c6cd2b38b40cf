"""`GET /static/...`: the scripts, styles, sentences and samples of the page that browsers get at `/`."""

import asyncio
import hashlib
import mimetypes
from pathlib import Path
from typing import Final

from paddle_serving_client.errors import BadConfig
from paddle_serving_server.config.listening import SERVER
from paddle_serving_server.protocols.http import encoding
from paddle_serving_server.protocols.http.message import HttpResponse
from paddle_serving_server.protocols.http.refusal import usual
from paddle_serving_server.protocols.http.route import Exchange, Names, Route
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.showing import page

_KINDS: Final = {".js": "text/javascript; charset=utf-8", ".json": "application/json", ".svg": "image/svg+xml"}
"""What machines have in their tables of types differs."""


async def _file(exchange: Exchange) -> HttpResponse:
    file = page.files()[_name(exchange.names)]
    body = await asyncio.to_thread(file.read_bytes)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {**page.HEADERS, "Cache-Control": "no-cache", "ETag": tag}
    if exchange.request.headers.get("if-none-match") == tag:
        return HttpResponse(304, headers=headers)
    answer = HttpResponse(200, body, _kind(file), headers)
    return answer if file.suffix == ".jpg" else await encoding.compressed(exchange.request, answer)


def _kind(file: Path) -> str:
    return _KINDS.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"


def _is_there(catalogue: Catalogue, names: Names) -> bool:
    """A name is looked up among the files there are, and never made into a path."""
    try:
        return _name(names) in page.files()
    except BadConfig:
        return False


def _name(names: Names) -> str:
    return "/".join(names[part] for part in ("folder", "file") if part in names)


API = SERVER
refusal = usual
ROUTES = tuple(
    Route(
        method="GET",
        template=template,
        answer=_file,
        about="a file of the page",
        exists=_is_there,
        is_listed=False,
        while_starting=True,
    )
    for template in ("/static/{file}", "/static/{folder}/{file}")
)
