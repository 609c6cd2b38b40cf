"""Whose requests are answered: those of the page itself, under its own names."""

import ipaddress
import socket
from collections.abc import Set
from urllib.parse import urlsplit

from flask import request

from paddle_serving_client.errors import BadInput


class CrossSite(BadInput):
    """Another site's page made the browser send this."""


def own_names() -> set[str]:
    """Names that this machine has for itself."""
    return {"localhost", socket.gethostname().lower(), socket.getfqdn().lower()}


def refuse_other_names(names: Set[str]) -> None:
    """A site may have its own name resolve to this machine, and what it then reads here would count as its own."""
    try:
        host = (urlsplit(f"//{request.host}").hostname or "").rstrip(".")
    except ValueError:
        host = ""
    if host in names or host.endswith(".localhost") or _is_address(host):
        return
    raise CrossSite(f"this page is not called {host[:64]!r}; --allow_host says which names it has")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def refuse_other_sites() -> None:
    """Browsers say where a POST comes from: `Sec-Fetch-Site`, or `Origin` where the page itself is plain HTTP."""
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None and site not in ("same-origin", "none"):
        raise CrossSite("this page takes requests from itself only")
    if site is None and origin is not None and urlsplit(origin).netloc != request.host:
        raise CrossSite("this page takes requests from itself only")
