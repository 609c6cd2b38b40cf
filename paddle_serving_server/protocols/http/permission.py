"""Who may ask for what changes a running server, or see what is not for everybody.

The port is open to everybody who may ask for predictions; these are not. They are answered to the addresses of
`--manage_from`, which is this machine unless it says otherwise, and not to what a proxy sends, or a browser that asks
for a change: a page that somebody on this machine looks at must not be able to ask, nor the world through a proxy
beside the server.
"""

import hmac
import ipaddress
import logging
from collections.abc import Sequence
from typing import Final

import orjson

from paddle_serving_client.errors import ErrNo
from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.protocols.http.message import HttpRequest, HttpResponse

logger = logging.getLogger(__name__)

_SENT_BY_PROXIES: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""Headers."""
_SENT_BY_OTHERS: Final = ("origin", "sec-fetch-site", *_SENT_BY_PROXIES)
"""Those of browsers, and of proxies."""


def refused(config: ServerConfig, request: HttpRequest) -> HttpResponse | None:
    """The answer to who may not ask; None where he may."""
    if config.manage_token:
        return _without_token(config, request)
    only_looks = request.method in ("GET", "HEAD")
    reason = _refusal(request, config.manage_from, _SENT_BY_PROXIES if only_looks else _SENT_BY_OTHERS)
    if reason is None:
        return None
    return _forbidden(request, reason)


def _without_token(config: ServerConfig, request: HttpRequest) -> HttpResponse | None:
    """What a page or a proxy sends has no token that it was not given, so that nothing else is asked of it."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), config.manage_token.encode()):
        logger.warning("refused %s %s from %s: no token, or another", request.method, request.path, request.peer)
        text = "send the token of --manage_token_file: Authorization: Bearer TOKEN"
        said = orjson.dumps({"err_no": int(ErrNo.CONFIG), "err_msg": text})
        return HttpResponse(401, said, headers={"WWW-Authenticate": "Bearer"})
    reason = _refusal(request, config.manage_from, ())
    return None if reason is None else _forbidden(request, reason)


def _forbidden(request: HttpRequest, reason: str) -> HttpResponse:
    logger.warning("refused %s %s from %s: %s", request.method, request.path, request.peer, reason)
    return HttpResponse(403, orjson.dumps({"err_no": int(ErrNo.CONFIG), "err_msg": reason}))


def _refusal(request: HttpRequest, networks: Sequence[str], headers: Sequence[str]) -> str | None:
    if sent := next((header for header in headers if header in request.headers), None):
        return f"not to be asked by a browser or through a proxy (header {sent!r})"
    try:
        address = ipaddress.ip_address(request.peer)
    except ValueError:
        return "the caller's address is not known"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(address in ipaddress.ip_network(network, strict=False) for network in networks):
        return None
    return f"{address} may not ask; --manage_from says who may"
