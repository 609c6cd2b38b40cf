"""Calls to equal servers over baidu_std: connections, balancing, retries, quarantine. What is carried is unknown here.

A call has one connection to itself; connections are kept and used again. An endpoint that refuses is passed over and
probed: after 0.1 s, then every 3 s. Behaviour: brpc 1.0 as Paddle Serving 0.9 sets it up, except that with nobody
else left a quarantined endpoint is tried at once, so a server that is back is found at once.
"""

import itertools
import logging
import math
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence

from paddle_serving_client.errors import (
    BackendFailed,
    BadConfig,
    BadInput,
    BadPacket,
    Busy,
    DeadlineExceeded,
    ErrNo,
    NoMethod,
    NoService,
    ServingError,
    Stopping,
)
from paddle_serving_client.wire import brpc
from paddle_serving_client.wire.brpc import FrameReader, RpcError

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
CONNECT_TIMEOUT_S = 2.0
FIRST_PROBE_S = 0.1
PROBE_S = 3.0
MAX_REPLY_BYTES = 512 << 20
MAX_REPLY_RATIO = 2000
"""More than gzip can do: a server that was asked is trusted, and a mask is honestly a thousand times smaller packed."""

_READ_BYTES = 1 << 18
_JOIN_BYTES = 1 << 16
"""Up to this size head and payload are joined for one write; beyond, the copy costs more than the second write."""
_READY_POLL_S = 0.1
_LONGEST_WAIT_S = 1e6
"""The operating system knows no longer ones."""

_ERRORS: dict[int, type[ServingError]] = {
    RpcError.NO_SERVICE: NoService,
    RpcError.NO_METHOD: NoMethod,
    RpcError.BAD_REQUEST: BadInput,
    RpcError.TIMED_OUT: DeadlineExceeded,
    RpcError.OVER_CROWDED: Busy,
    RpcError.LIMIT: Busy,
    RpcError.LOGGED_OFF: Stopping,
    RpcError.OP_FAILED: BackendFailed,
}
_HOST_DOWN = 112
_OUT_OF_STREAMS = 1014
_WORTH_A_RETRY = {RpcError.LIMIT, RpcError.OVER_CROWDED, RpcError.FAILED_SOCKET, _OUT_OF_STREAMS, _HOST_DOWN}


class Unreachable(ServingError, ConnectionError):
    """No server could be reached, or it closed the connection without an answer; try again later."""

    err_no = ErrNo.CLOSED


class _Again(Exception):
    """This attempt failed, another may not."""

    def __init__(self, error: ServingError, endpoint_is_down: bool = False) -> None:
        super().__init__(error)
        self.error = error
        self.endpoint_is_down = endpoint_is_down


class _Late(Exception):
    """The deadline of the call passed."""


class BrpcChannel:
    """Equal servers behind one `call`. For use from many threads, and after a fork from the child too."""

    def __init__(self, endpoints: Sequence[str]) -> None:
        """Open nothing yet.

        Raises:
            BadConfig: an endpoint is not `host:port`, or there is none.
        """
        self._addresses = [_address(endpoint) for endpoint in endpoints]
        if not self._addresses:
            raise BadConfig("there must be at least one endpoint")
        self._start()

    def call(self, service: str, method: str, payload: bytes, timeout_s: float = math.inf) -> bytes | memoryview:
        """Send a request and wait for its answer.

        Raises:
            Unreachable: nobody could be reached.
            DeadlineExceeded: no answer in time, all attempts together.
            BadPacket: the answer is not baidu_std.
            ServingError: what the server answered; the class says which error, the text has its number and words.
        """
        if self._pid != os.getpid():
            self._start()  # Connections shared with the parent process would mix up the answers.
        deadline = time.monotonic() + timeout_s
        error: ServingError = Unreachable("closed")
        down: set[_Endpoint] = set()
        for _ in range(MAX_ATTEMPTS):
            endpoint = self._pick(down)
            if endpoint is None:
                break
            try:
                return endpoint.call(service, method, payload, deadline)
            except _Again as again:
                error = again.error
                logger.info("attempt failed: %s", error)
                if again.endpoint_is_down:
                    down.add(endpoint)
            except _Late as exc:
                raise DeadlineExceeded(f"{endpoint}: no answer within {timeout_s * 1000:.0f} ms") from exc
            finally:
                with self._lock:
                    endpoint.calls -= 1
        raise error

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until a server takes requests.

        Asks `GET /health`, which is on the same port. A server that knows no HTTP is ready when it accepts.

        Raises:
            DeadlineExceeded: none is ready; the text says how each of them is.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            states = []
            for address in self._addresses:
                state = _state(address, max(0.05, min(CONNECT_TIMEOUT_S, deadline - time.monotonic())))
                if state == "ready":
                    return
                states.append(f"{_label(address)} {state}")
            if time.monotonic() + _READY_POLL_S > deadline:
                raise DeadlineExceeded(f"no server is ready after {timeout_s:g} s: {', '.join(states)}")
            time.sleep(_READY_POLL_S)

    def close(self) -> None:
        """Close the connections that nobody uses now; those in use are closed when their call is done."""
        for endpoint in self._endpoints:
            endpoint.close()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._turns = itertools.count()
        self._endpoints = [_Endpoint(address) for address in self._addresses]

    def _pick(self, down: set["_Endpoint"]) -> "_Endpoint | None":
        """The endpoint with the fewest calls, in turns; a quarantined one only if there is no other."""
        with self._lock:
            turn = next(self._turns) % len(self._endpoints)
            rest = [e for e in self._endpoints[turn:] + self._endpoints[:turn] if e not in down]
            up = [e for e in rest if e.is_up]
            if not rest:
                return None
            endpoint = min(up, key=lambda e: e.calls) if up else min(rest, key=lambda e: e.probe_at)
            endpoint.calls += 1
        for other in rest:
            if up and not other.is_up:
                other.probe_when_due()
        return endpoint


class _Endpoint:
    """One server: its idle connections, and whether it is in quarantine."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.calls = 0
        self.is_up = True
        self.probe_at = 0.0
        self._address = address
        self._idle: deque[_Connection] = deque()
        self._is_closed = False

    def __str__(self) -> str:
        return _label(self._address)

    def call(self, service: str, method: str, payload: bytes, deadline: float) -> bytes | memoryview:
        """One attempt. Raises `_Again`, `_Late`, or what is final."""
        connection = self._take(deadline)
        try:
            frame = connection.exchange(service, method, payload, deadline)
        except TimeoutError as exc:
            connection.close()
            raise _Late from exc
        except (OSError, EOFError) as exc:
            connection.close()
            raise _Again(Unreachable(f"{self} {_why_closed(len(payload))}")) from exc
        except BadPacket as exc:
            connection.close()
            raise BadPacket(f"{self} does not answer as an RPC server: {exc}") from exc
        except BaseException:
            connection.close()
            raise
        if self._is_closed or connection.is_spoiled:
            connection.close()
        else:
            self._idle.append(connection)
        self._raise_error(frame.meta.response.error_code, frame.meta.response.error_text)
        return brpc.decompress(frame.meta.compress_type, frame.payload, MAX_REPLY_BYTES, MAX_REPLY_RATIO)

    def probe_when_due(self) -> None:
        """Try in the background whether the server is back; no caller waits for that."""
        if time.monotonic() >= self.probe_at:
            self.probe_at = math.inf
            threading.Thread(target=self._probe, name=f"probe {self}", daemon=True).start()

    def close(self) -> None:
        """Close what is idle now, and what is in use when it is done."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().close()

    def _take(self, deadline: float) -> "_Connection":
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:
                break
            if connection.is_quiet():
                return connection
            connection.close()
        timeout_s = min(CONNECT_TIMEOUT_S, deadline - time.monotonic())
        try:
            connection = _Connection(self._address, timeout_s)
        except OSError as exc:
            if time.monotonic() >= deadline:
                raise _Late from exc
            self._mark_down()
            raise _Again(Unreachable(f"{self}: {_reason(exc)}"), endpoint_is_down=True) from exc
        self.is_up = True
        return connection

    def _mark_down(self) -> None:
        self.probe_at = time.monotonic() + (FIRST_PROBE_S if self.is_up else PROBE_S)
        self.is_up = False

    def _probe(self) -> None:
        try:
            _Connection(self._address, CONNECT_TIMEOUT_S).close()
        except OSError:
            self._mark_down()
        else:
            logger.info("%s is back", self)
            self.is_up = True

    def _raise_error(self, code: int, text: str) -> None:
        if code == 0:
            return
        error = _ERRORS.get(code, ServingError)(f"{self} answered error {code}: {text}")
        if code == RpcError.LOGGED_OFF:
            self._mark_down()
            raise _Again(error, endpoint_is_down=True)
        if code in _WORTH_A_RETRY:
            raise _Again(error)
        raise error


class _Connection:
    """One socket, one call at a time."""

    _ids = itertools.count((1 << 33) + 2)  # Where brpc starts: the first request is byte for byte the same.

    def __init__(self, address: tuple[str, int], timeout_s: float) -> None:
        self._socket = socket.create_connection(address, max(timeout_s, 0.001))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = FrameReader(MAX_REPLY_BYTES, reads="replies")

    @property
    def is_spoiled(self) -> bool:
        """Whether bytes came that belong to no call."""
        return self._reader.buffered_bytes > 0

    def is_quiet(self) -> bool:
        """Whether nothing came since the last call: neither bytes nor the end."""
        self._socket.settimeout(0)
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def exchange(self, service: str, method: str, payload: bytes, deadline: float) -> brpc.Frame:
        """Write a request and read until its answer. Answers to anything else are skipped, as brpc does."""
        correlation_id = next(self._ids)
        head = brpc.request_head(service, method, correlation_id, len(payload))
        self._set_timeout(deadline)
        if len(payload) <= _JOIN_BYTES:
            self._socket.sendall(head + payload)
        else:
            self._socket.sendall(head)
            self._socket.sendall(payload)
        while True:
            self._set_timeout(deadline)
            chunk = self._socket.recv(_READ_BYTES)
            if not chunk:
                raise EOFError
            if chunk.startswith(b"HTTP/") and not self._reader.buffered_bytes:
                raise BadPacket("it speaks HTTP; use HttpClient, or the port that speaks RPC")
            self._reader.feed(chunk)
            while (frame := self._reader.next()) is not None:
                if frame.meta.correlation_id == correlation_id:
                    return frame

    def close(self) -> None:
        self._socket.close()

    def _set_timeout(self, deadline: float) -> None:
        if deadline == math.inf:
            self._socket.settimeout(None)
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(min(left, _LONGEST_WAIT_S))


def _address(endpoint: str) -> tuple[str, int]:
    host, colon, port = endpoint.rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) < 1 << 16 and "/" not in host):
        raise BadConfig(f"endpoint {endpoint!r} must be host:port, for example 127.0.0.1:9393")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _label(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reason(exc: OSError) -> str:
    if isinstance(exc, TimeoutError):
        return f"cannot connect within {CONNECT_TIMEOUT_S:g} s"
    if isinstance(exc, socket.gaierror):
        return "the host name cannot be resolved"
    return f"cannot connect: {exc.strerror or exc}"


def _why_closed(payload_bytes: int) -> str:
    told = "closed the connection without an answer"
    if payload_bytes > brpc.MAX_BODY_BYTES - brpc.MAX_META_BYTES:
        return f"{told}; a request of {payload_bytes} bytes is probably over its limit"
    return f"{told}; is this the port of an RPC server?"


def _state(address: tuple[str, int], timeout_s: float) -> str:
    """How a server is: `ready`, or what is in the way."""
    try:
        with socket.create_connection(address, timeout_s) as sock:
            sock.sendall(f"GET /health HTTP/1.1\r\nHost: {_label(address)}\r\nConnection: close\r\n\r\n".encode())
            answer = sock.recv(64)
    except TimeoutError:
        return "does not answer"
    except ConnectionResetError:
        return "ready"
    except OSError as exc:
        return _reason(exc)
    return "answers that it is not ready" if answer.startswith((b"HTTP/1.1 503", b"HTTP/1.0 503")) else "ready"
