"""Calls to equal servers over baidu_std: connections, balancing, retries, quarantine. What is carried is unknown here.

A call has one connection to itself; connections are kept and used again. An endpoint that refuses is passed over, and
while calls go to others it is probed: after 0.1 s, then every 3 s. Behaviour: brpc 1.0 as Paddle Serving 0.9 sets it
up, except that with nobody else left a quarantined endpoint is tried at once: a server that is back is found at once.
"""

import itertools
import logging
import math
import os
import threading
import time
from collections import deque
from collections.abc import Sequence

from paddle_serving_client.brpc_connection import (
    CONNECT_TIMEOUT_S,
    MAX_REPLY_BYTES,
    Address,
    Connection,
    reason_of,
    state_of,
)
from paddle_serving_client.errors import BadConfig, BadPacket, DeadlineExceeded, ServingError, Unreachable
from paddle_serving_client.remote_error import by_number
from paddle_serving_client.wire import brpc
from paddle_serving_client.wire.brpc import RpcError

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
FIRST_PROBE_S = 0.1
PROBE_S = 3.0
MAX_REPLY_RATIO = 2000
"""More than gzip can do: a server that was asked is trusted, and a mask is honestly a thousand times smaller packed."""

_READY_POLL_S = 0.1

_HOST_DOWN = 112
_OUT_OF_STREAMS = 1014
_WORTH_A_RETRY = {RpcError.LIMIT, RpcError.OVER_CROWDED, RpcError.FAILED_SOCKET, _OUT_OF_STREAMS, _HOST_DOWN}


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
        self._addresses = [Address.parse(endpoint) for endpoint in endpoints]
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

        Raises:
            DeadlineExceeded: none is ready; the text says how each of them is.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            states = []
            for address in self._addresses:
                state = state_of(address, max(0.05, min(CONNECT_TIMEOUT_S, deadline - time.monotonic())))
                if state == "ready":
                    return
                states.append(f"{address} {state}")
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

    def __init__(self, address: Address) -> None:
        self.calls = 0
        self.is_up = True
        self.probe_at = 0.0
        self._address = address
        self._idle: deque[Connection] = deque()
        self._is_closed = False

    def __str__(self) -> str:
        return str(self._address)

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

    def _take(self, deadline: float) -> Connection:
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
            connection = Connection(self._address, timeout_s)
        except OSError as exc:
            if time.monotonic() >= deadline:
                raise _Late from exc
            self._mark_down()
            raise _Again(Unreachable(f"{self}: {reason_of(exc)}"), endpoint_is_down=True) from exc
        self.is_up = True
        return connection

    def _mark_down(self) -> None:
        now = time.monotonic()
        if self.is_up:
            self.probe_at = now + FIRST_PROBE_S
        elif self.probe_at <= now or self.probe_at == math.inf:  # One was due, or this is what it found.
            self.probe_at = now + PROBE_S
        self.is_up = False

    def _probe(self) -> None:
        try:
            Connection(self._address).close()
        except OSError:
            self._mark_down()
        else:
            logger.info("%s is back", self)
            self.is_up = True

    def _raise_error(self, code: int, text: str) -> None:
        if code == 0:
            return
        error = by_number(code)(f"{self} answered error {code}: {text}")
        if code == RpcError.LOGGED_OFF:
            self._mark_down()
            raise _Again(error, endpoint_is_down=True)
        if code in _WORTH_A_RETRY:
            raise _Again(error)
        raise error


def _why_closed(payload_bytes: int) -> str:
    told = "closed the connection without an answer"
    if payload_bytes > brpc.MAX_BODY_BYTES - brpc.MAX_META_BYTES:
        return f"{told}; a request of {payload_bytes} bytes is probably over its limit"
    return f"{told}; is this the port of an RPC server?"
