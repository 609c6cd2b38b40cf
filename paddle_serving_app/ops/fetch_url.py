"""Pictures from the web, fetched by a server on behalf of strangers, who might turn it on its own network.

So: http and https only; a name is resolved once and the connection goes to the very address that was checked;
addresses that are not public are refused unless the operator listed the host; every redirect is checked again; and
one deadline and one size cover everything. Proxy settings of the environment play no part, since a proxy would
resolve the name again.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from paddle_serving_app.ops.arrays import ImageU8
from paddle_serving_app.ops.decode import decode
from paddle_serving_client.errors import BadInput, DeadlineExceeded, TooLarge

MAX_URL_CHARS = 4096
MAX_REDIRECTS = 2
_CHUNK_BYTES = 64 << 10
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class URL2Image:
    """Fetch a picture over http or https and decode it to BGR (H, W, 3) uint8.

    Args:
        hosts: the host names that may be asked, in lower case (ASCII form); a listed host may be on a private network.
            None: every host whose addresses are all public.
        timeout_s: for everything together: resolving, redirects, connecting, reading.
        max_bytes: of the answer's body.

    Raises:
        BadInput: the URL is not one that is fetched, the host is refused, the answer is not a picture or not whole.
        TooLarge: the body is over `max_bytes`, or the picture over a limit of `decode`.
        DeadlineExceeded: not done in `timeout_s`.

    Source: PaddlePaddle/Serving, paddle_serving_app/reader/image_reader.py `URL2Image`, which opened any URL, files
        and private addresses included.
    """

    def __init__(self, hosts: Sequence[str] | None = None, timeout_s: float = 10.0, max_bytes: int = 16 << 20) -> None:
        self.hosts = None if hosts is None else frozenset(host.lower() for host in hosts)
        self.timeout_s = timeout_s
        self.max_bytes = max_bytes

    def __call__(self, img_url: str) -> ImageU8:
        return decode(self.body(img_url))

    def body(self, img_url: str) -> bytes:
        """What lies there, not decoded; raises as a call, but for what is said of pictures."""
        if not isinstance(img_url, str):
            raise BadInput(f"a URL is text, got {type(img_url).__name__}")
        deadline = time.monotonic() + self.timeout_s
        url = img_url
        for _ in range(MAX_REDIRECTS + 1):
            location, body = self._ask(_Target.of(url, self.hosts, deadline), deadline)
            if location is None:
                return body
            url = urljoin(url, location)
        raise BadInput(f"the URL was redirected more than {MAX_REDIRECTS} times")

    def __repr__(self) -> str:
        return f"URL2Image(hosts={None if self.hosts is None else sorted(self.hosts)})"

    def _ask(self, target: "_Target", deadline: float) -> tuple[str | None, bytes]:
        """One GET: (where it redirects to, or None, and the body)."""
        try:
            with _connected(target, deadline) as connection:
                path = quote(target.parts.path or "/", safe="/%:@!$&'()*+,;=~")
                query = quote(target.parts.query, safe="/%:@!$&'()*+,;=~?")
                connection.request(
                    "GET",
                    path + (f"?{query}" if query else ""),
                    headers={"Accept": "image/*", "Accept-Encoding": "identity", "Connection": "close"},
                )
                with connection.getresponse() as response:
                    if response.status in (301, 302, 303, 307, 308) and (location := response.getheader("Location")):
                        return location, b""
                    body = self._body_of(response)
                if time.monotonic() >= deadline:
                    raise TimeoutError  # the end that was read is the one that the timer made
                return None, body
        except (OSError, http.client.HTTPException, UnicodeError) as exc:
            if time.monotonic() >= deadline:
                raise DeadlineExceeded(f"the picture could not be fetched within {self.timeout_s:g} s") from exc
            # What exactly failed stays out of the answer: it would tell a stranger which ports are open here.
            raise BadInput("the picture could not be fetched from its URL") from exc

    def _body_of(self, response: http.client.HTTPResponse) -> bytes:
        if response.status != 200:
            raise BadInput(f"the URL answered with status {response.status} instead of a picture")
        if response.getheader("Content-Encoding", "identity").lower() != "identity":
            raise BadInput("the URL answered with compressed content, which is not read")
        too_large = TooLarge(f"the picture at the URL has more than {self.max_bytes:,} bytes")
        if (response.length or 0) > self.max_bytes:
            raise too_large
        body = bytearray()
        while chunk := response.read(_CHUNK_BYTES):
            body += chunk
            if len(body) > self.max_bytes:
                raise too_large
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
        return bytes(body)


@dataclass(frozen=True, slots=True)
class _Target:
    """A URL that was checked, and the address that its host had at that moment."""

    parts: SplitResult
    host: str
    port: int
    address: str

    @classmethod
    def of(cls, url: str, hosts: frozenset[str] | None, deadline: float) -> "_Target":
        if len(url) > MAX_URL_CHARS:
            raise BadInput(f"the URL has {len(url):,} characters; at most {MAX_URL_CHARS:,} are read")
        try:
            parts = urlsplit(url.strip())
            port = parts.port
            host = (parts.hostname or "").rstrip(".").encode("idna").decode("ascii")
        except ValueError as exc:
            raise BadInput("the URL cannot be understood") from exc
        if parts.scheme not in ("http", "https"):
            raise BadInput("the URL must start with http:// or https://")
        if not host or parts.username is not None or parts.password is not None:
            raise BadInput("the URL must name a host, and no user")
        if hosts is not None and host not in hosts:
            raise BadInput("the host of the URL is not among those that may be asked")
        port = port or (443 if parts.scheme == "https" else 80)
        addresses = _resolved(host, port, deadline)
        if hosts is None and not all(is_public(address) for address in addresses):
            raise BadInput("the host of the URL is not on the public internet")
        return cls(parts, host, port, addresses[0])


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, and does not carry another address inside it."""
    try:
        ip: _Address = ipaddress.ip_address(address)
    except ValueError:  # with a zone, such as fe80::1%eth0
        return False
    if isinstance(ip, ipaddress.IPv6Address) and (ip.ipv4_mapped or ip.sixtofour or ip.teredo or ip in _NAT64):
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _resolved(host: str, port: int, deadline: float) -> list[str]:
    """The addresses of a name. In a thread, because the system's resolver knows no deadline."""
    pool = ThreadPoolExecutor(1, "resolve")
    try:
        found = pool.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        return [str(entry[4][0]) for entry in found.result(max(deadline - time.monotonic(), 0))]
    except FutureTimeout as exc:
        raise DeadlineExceeded("the host of the URL could not be found in time") from exc
    except (OSError, UnicodeError) as exc:
        raise BadInput("the host of the URL cannot be found") from exc
    finally:
        pool.shutdown(wait=False)


@contextlib.contextmanager
def _connected(target: _Target, deadline: float) -> Iterator[http.client.HTTPConnection]:
    """A connection to the checked address. At the deadline its socket is shut, whatever it is doing."""
    remaining = max(deadline - time.monotonic(), 0.001)
    sock = socket.create_connection((target.address, target.port), remaining)
    if target.parts.scheme == "https":
        # It takes the socket over, also when it raises.
        sock = ssl.create_default_context().wrap_socket(
            sock, server_hostname=target.host, do_handshake_on_connect=False
        )
    # A read gives up after `remaining` without a byte; the timer ends those that get one byte at a time.
    watch = threading.Timer(max(deadline - time.monotonic(), 0), _shut, [sock])
    watch.daemon = True
    watch.start()
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.sock = sock
    try:
        if isinstance(sock, ssl.SSLSocket):
            sock.do_handshake()
        yield connection
    finally:
        watch.cancel()
        connection.close()
        sock.close()


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not SSLSocket's, which is not safe from another thread
