"""`POST /services/NAME/reload` and its like: what changes a running server, and who may ask for it.

The port is open to everybody who may ask for predictions; these are not. They are answered to the addresses of
`--manage_from`, which is this machine unless it says otherwise, and not to what a browser or a proxy sends: a page
that somebody on this machine looks at must not be able to ask, nor the world through a proxy beside the server.
"""

import ipaddress
import logging
from collections.abc import Awaitable, Callable, Sequence

import orjson

from paddle_serving_client.errors import ErrNo, NoService
from paddle_serving_server.protocols.http import variants
from paddle_serving_server.protocols.http.message import HttpRequest, HttpResponse
from paddle_serving_server.services.catalogue import Catalogue

logger = logging.getLogger(__name__)

_PREFIX = "services"
_SENT_BY_PROXIES = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""Headers."""
_SENT_BY_OTHERS = ("origin", "sec-fetch-site", *_SENT_BY_PROXIES)
"""Those of browsers, and of proxies."""


def is_asked_for(parts: Sequence[str]) -> bool:
    """Whether a path, split at its slashes, is about managing a service."""
    return len(parts) == 3 and parts[0] == _PREFIX and parts[2] in _ACTIONS


def paths(services: Sequence[str]) -> list[str]:
    """What there is, for people who look for something else."""
    return [f"POST /{_PREFIX}/{name}/{action}" for name in services for action in _ACTIONS]


async def answer(catalogue: Catalogue, request: HttpRequest, name: str, action: str) -> HttpResponse:
    """Do what was asked for, if he may ask.

    Raises:
        NoService: there is no service of that name.
    """
    if (said := refused(catalogue, request)) is not None:
        return said
    return await _ACTIONS[action](catalogue, request, catalogue[name].name)


def refused(catalogue: Catalogue, request: HttpRequest) -> HttpResponse | None:
    """The answer to who may not ask; None where he may."""
    if request.method != "POST":
        text = f"{request.method} is not answered here, POST is"
        return _said(405, {"err_no": int(ErrNo.NOT_IMPLEMENTED), "err_msg": text}, {"Allow": "POST"})
    return _forbidden(catalogue, request, _SENT_BY_OTHERS)


def refused_to_look(catalogue: Catalogue, request: HttpRequest) -> HttpResponse | None:
    """The answer to who may not see what is not for everybody; None where he may."""
    return _forbidden(catalogue, request, _SENT_BY_PROXIES)


async def _reload(catalogue: Catalogue, request: HttpRequest, name: str) -> HttpResponse:
    """Load the models of a service anew; the answer comes when they are live, or were refused."""
    if catalogue.reload is None:
        raise NoService(f"service {name!r} cannot be reloaded in this server")
    allows_change = request.query.get("allow_signature_change", ["false"])[-1].lower() in ("true", "1")
    models = await catalogue.reload(name, allows_change)
    refused = [str(model["reason"]) for model in models if model["state"] == "refused"]
    if refused:
        said = {"err_no": int(ErrNo.INIT), "err_msg": "; ".join(refused), "service": name, "models": models}
        return _said(409, said)
    return _said(200, {"service": name, "models": models})


_ACTIONS: dict[str, Callable[[Catalogue, HttpRequest, str], Awaitable[HttpResponse]]] = {
    "reload": _reload,
    "variants": variants.answer,
}


def _forbidden(catalogue: Catalogue, request: HttpRequest, headers: Sequence[str]) -> HttpResponse | None:
    """The answer to a caller who may not ask, or whose request has one of these headers; None where he may."""
    if (reason := _refusal(request, catalogue.config.manage_from, headers)) is None:
        return None
    logger.warning("refused %s %s from %s: %s", request.method, request.path, request.peer, reason)
    return _said(403, {"err_no": int(ErrNo.CONFIG), "err_msg": reason})


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


def _said(status: int, body: object, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(status, orjson.dumps(body), headers=headers or {})
