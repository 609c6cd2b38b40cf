"""Where an HTTP server is, and what is on the way to it: proxies, TLS."""

import ipaddress
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from paddle_serving_client.errors import BadConfig

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class HttpAddress:
    """Where a server listens, and whether it speaks TLS."""

    host: str
    port: int
    scheme: str = "http"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"

    @property
    def netloc(self) -> str:
        """`host:port`, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_this_machine(self) -> bool:
        """Whether it is a loopback address, which no proxy can reach."""
        if self.host == "localhost":
            return True
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return address.is_loopback or address.is_unspecified

    @classmethod
    def parse(cls, url: str) -> "HttpAddress":
        """From `host:port`, `http://host:port` or `https://host[:port]`; an IPv6 address is in brackets.

        Raises:
            BadConfig: it is not that.
        """
        parts, port = _split(url)
        if parts is None or (port is None and "://" not in url) or parts.scheme not in _DEFAULT_PORTS:
            raise BadConfig(
                "url not right, it should be like 127.0.0.1:9393 or http://127.0.0.1:9393, or with the name of a host"
                f" instead of the address; got {url!r}"
            )
        return cls(parts.hostname or "", port or _DEFAULT_PORTS[parts.scheme], parts.scheme)


def _split(url: str) -> tuple[SplitResult | None, int | None]:
    """The parts of a URL that has a host, perhaps a port, and nothing more."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError:
        return None, None
    is_text = url.isprintable() and " " not in url
    has_more = parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc
    return (parts, port) if is_text and parts.hostname and not has_more and port != 0 else (None, None)


@dataclass(frozen=True, slots=True)
class Proxy:
    """Who is asked in the place of a server."""

    address: HttpAddress
    headers: Mapping[str, str]
    """With which it lets a request through."""


def proxy_of(address: HttpAddress) -> Proxy | None:
    """The proxy that the environment, or the system, names for a server; never one for this machine.

    Raises:
        BadConfig: it is of no use here.
    """
    if address.is_this_machine:
        return None
    from urllib.request import getproxies, proxy_bypass  # Imports much, and most servers are near.

    url = getproxies().get(address.scheme)
    if not url or proxy_bypass(address.netloc):
        return None
    login, at, rest = url.rpartition("@")
    scheme, _, credentials = login.rpartition("://")
    try:
        proxy = HttpAddress.parse(f"{scheme or 'http'}://{rest}" if at else url)
    except BadConfig:
        proxy = HttpAddress("", 0, "")
    if proxy.scheme != "http":
        raise BadConfig(f"the proxy for {address.scheme} must be http://host:port, got {url.replace(login, '...')!r}")
    if not at:
        return Proxy(proxy, {})
    return Proxy(proxy, {"Proxy-Authorization": f"Basic {b64encode(unquote(credentials).encode()).decode()}"})


def tls_context(verify: bool | str) -> ssl.SSLContext:
    """How the certificate of a server is checked: against those of the system, those of a file, or not at all.

    Raises:
        BadConfig: the file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    except OSError as exc:
        raise BadConfig(f"verify={verify!r} is not a file of certificates: {exc}") from exc
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
