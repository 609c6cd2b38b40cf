"""Calls to one HTTP server: connections that are kept, proxies, TLS, a deadline for the whole call. What is carried is
unknown here.
"""

import contextlib
import http.client
import ipaddress
import logging
import math
import os
import socket
import ssl
import time
import weakref
from base64 import b64encode
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from paddle_serving_client.brpc_connection import CONNECT_TIMEOUT_S, reason_of
from paddle_serving_client.errors import BadConfig, BadPacket, DeadlineExceeded, ServingError, TooLarge, Unreachable
from paddle_serving_client.wire import brpc
from paddle_serving_client.wire.brpc import Compression

logger = logging.getLogger(__name__)

MAX_REPLY_BYTES = 512 << 20
_MAX_REPLY_RATIO = 2000
_READ_BYTES = 1 << 20
_CLOCK_SLACK_S = 0.01
_DEFAULT_PORTS = {"http": 80, "https": 443}


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
class HttpReply:
    """A whole answer, its body as it was before compression."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes | memoryview


class HttpChannel:
    """One server behind `post`. For use from many threads, and after a fork from the child too."""

    def __init__(self, address: HttpAddress, verify: bool | str = True, max_reply_bytes: int = MAX_REPLY_BYTES) -> None:
        """Open nothing yet.

        Args:
            address: the server.
            verify: with https, whether its certificate is checked, or a file of certificates to check it against.
            max_reply_bytes: the largest body that is read, compressed or not.

        Raises:
            BadConfig: the file of certificates cannot be used, or a proxy of the environment is of no use here.
        """
        self.address = address
        self._max_reply_bytes = max_reply_bytes
        self._tls = _tls_context(verify) if address.scheme == "https" else None
        self._proxy = _proxy_of(address)
        self._start()

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str], timeout_s: float = math.inf, retries: int = 0
    ) -> HttpReply:
        """Send a request and wait for its answer, whatever its status.

        Args:
            path: beginning with a slash.
            body: as it is sent.
            headers: besides Host and Content-Length.
            timeout_s: for everything, all attempts together.
            retries: how often to try again when no connection can be made or it breaks before the answer.

        Raises:
            Unreachable: no connection, or none that lasted until the answer.
            DeadlineExceeded: no answer in time.
            BadPacket: the answer is not HTTP.
            TooLarge: the answer is over `max_reply_bytes`.
        """
        if self._pid != os.getpid():
            self._start()  # Connections shared with the parent process would mix up the answers.
        deadline = time.monotonic() + timeout_s
        while True:
            connection = self._idle_connection()
            is_kept = connection is not None
            try:
                return self._exchange(connection or self._connect(deadline), path, body, headers, deadline)
            except (OSError, http.client.HTTPException) as exc:
                error = self._error(exc, deadline, timeout_s)
                # A kept one may have been closed by the server while nobody looked: that is no failure of this call.
                if not (is_kept or retries > 0) or not _is_worth_a_retry(exc, error):
                    raise error from exc
                logger.info("attempt failed: %s", error)
            retries -= not is_kept

    def close(self) -> None:
        """Close what is idle now, and what is in use when it is done."""
        self._is_closed = True
        _close_all(self._idle)

    def _start(self) -> None:
        self._pid = os.getpid()
        self._is_closed = False
        self._idle: deque[http.client.HTTPConnection] = deque()
        weakref.finalize(self, _close_all, self._idle)  # A channel that is never closed leaves nothing open.

    def _idle_connection(self) -> http.client.HTTPConnection | None:
        with contextlib.suppress(IndexError):
            return self._idle.pop()
        return None

    def _connect(self, deadline: float) -> http.client.HTTPConnection:
        """Connect, to the proxy if there is one.

        Raises:
            OSError: as `socket.create_connection` does.
        """
        target = self._proxy.address if self._proxy else self.address
        timeout_s = max(0.001, min(CONNECT_TIMEOUT_S, deadline - time.monotonic()))
        connection: http.client.HTTPConnection
        if self._tls:
            connection = http.client.HTTPSConnection(target.host, target.port, timeout=timeout_s, context=self._tls)
            if self._proxy:
                connection.set_tunnel(self.address.host, self.address.port, self._proxy.headers)
        else:
            connection = http.client.HTTPConnection(target.host, target.port, timeout=timeout_s)
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        deadline: float,
    ) -> HttpReply:
        sock = connection.sock
        try:
            _set_timeout(sock, deadline)
            if self._proxy and not self._tls:
                path = f"{self.address}{path}"
                headers = {**headers, **self._proxy.headers, "Host": self.address.netloc}
            connection.request("POST", path, body, dict(headers))
            _set_timeout(sock, deadline)
            response = connection.getresponse()
            raw = self._read(response, sock, deadline)
            reply = HttpReply(response.status, response.headers, self._plain(response, raw))
        except BaseException:
            connection.close()
            raise
        if response.will_close or self._is_closed:
            connection.close()
        else:
            self._idle.append(connection)
        return reply

    def _error(self, exc: Exception, deadline: float, timeout_s: float) -> ServingError:
        """What a failed attempt is, in our words."""
        lost = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)
        if isinstance(exc, TimeoutError) and time.monotonic() > deadline - _CLOCK_SLACK_S:
            return DeadlineExceeded(f"{self.address}: no answer within {timeout_s * 1000:.0f} ms")
        if isinstance(exc, lost):
            return Unreachable(f"{self.address} closed the connection without an answer")
        if isinstance(exc, ssl.SSLError):
            why = exc.verify_message if isinstance(exc, ssl.SSLCertVerificationError) else exc.reason or str(exc)
            return Unreachable(f"{self.address}: no TLS connection: {why}")
        if isinstance(exc, OSError):
            return Unreachable(f"{self.address}: {reason_of(exc)}")
        if isinstance(exc, http.client.IncompleteRead):
            return Unreachable(f"{self.address} closed the connection in the middle of the answer")
        return BadPacket(f"{self.address} does not answer as an HTTP server: {exc or type(exc).__name__}")

    def _read(self, response: http.client.HTTPResponse, sock: socket.socket, deadline: float) -> bytes:
        self._refuse_over(response.length or 0)
        pieces, size = [], 0
        while not response.isclosed():  # At the end of the answer, and with it the socket where nothing follows.
            _set_timeout(sock, deadline)
            piece = response.read(_READ_BYTES)
            if not piece:
                break
            pieces.append(piece)
            size += len(piece)
            self._refuse_over(size)
        if response.length:  # `read` of so many bytes does not say that the end came too early.
            raise http.client.IncompleteRead(b"", response.length)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _refuse_over(self, size: int) -> None:
        if size > self._max_reply_bytes:
            raise TooLarge(f"{self.address}: the answer is over {self._max_reply_bytes} bytes; see set_max_body_size")

    def _plain(self, response: http.client.HTTPResponse, raw: bytes) -> bytes | memoryview:
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        if encoding == "identity":
            return raw
        if encoding not in ("gzip", "x-gzip"):
            raise BadPacket(f"{self.address} answered with Content-Encoding {encoding!r}; gzip can be read")
        return brpc.decompress(Compression.GZIP, raw, self._max_reply_bytes, _MAX_REPLY_RATIO)


@dataclass(frozen=True, slots=True)
class _Proxy:
    address: HttpAddress
    headers: dict[str, str]


def _proxy_of(address: HttpAddress) -> _Proxy | None:
    """The proxy that the environment, or the system, names for a server; never one for this machine."""
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
        return _Proxy(proxy, {})
    return _Proxy(proxy, {"Proxy-Authorization": f"Basic {b64encode(unquote(credentials).encode()).decode()}"})


def _tls_context(verify: bool | str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    except OSError as exc:
        raise BadConfig(f"verify={verify!r} is not a file of certificates: {exc}") from exc
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _close_all(connections: deque[http.client.HTTPConnection]) -> None:
    with contextlib.suppress(IndexError):
        while True:
            connections.pop().close()


def _set_timeout(sock: socket.socket, deadline: float) -> None:
    """Wait no longer than until the deadline. Raises TimeoutError when it has passed."""
    if deadline == math.inf:
        sock.settimeout(None)
        return
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    sock.settimeout(min(left, 1e6))


def _is_worth_a_retry(exc: Exception, error: ServingError) -> bool:
    return isinstance(error, Unreachable) and (not isinstance(exc, ssl.SSLError) or isinstance(exc, ssl.SSLEOFError))
