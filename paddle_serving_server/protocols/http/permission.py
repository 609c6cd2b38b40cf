"""What is answered to who asks for a change, or for what is not for everybody, and may not: see `managing.py`."""

import logging
from collections.abc import Callable
from typing import TypeAlias

import orjson

from paddle_serving_client.errors import ErrNo
from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.dataplane import managing
from paddle_serving_server.protocols.http.message import HttpRequest, HttpResponse

Forbidden: TypeAlias = Callable[[managing.Refusal], HttpResponse]

logger = logging.getLogger(__name__)


def refused(config: ServerConfig, request: HttpRequest, forbidden: Forbidden | None = None) -> HttpResponse | None:
    """The answer to who may not ask; None where he may.

    Args:
        config: of the server.
        request: what is asked.
        forbidden: says it in the words of an API.
    """
    headers = request.headers
    only_looks = request.method in ("GET", "HEAD")
    found = managing.refusal(config, request.peer, headers.get("authorization", ""), headers, only_looks)
    if found is None:
        return None
    logger.warning("refused %s %s from %s: %s", request.method, request.path, request.peer, found.text)
    if forbidden is not None:
        return forbidden(found)
    said = orjson.dumps({"err_no": int(ErrNo.CONFIG), "err_msg": found.text})
    if found.lacks_token:
        return HttpResponse(401, said, headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(403, said)
