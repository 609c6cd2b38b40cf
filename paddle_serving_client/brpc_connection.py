"""One connection to a baidu_std server, and what can be learned about a server before a call."""

import itertools
import math
import os
import socket
import time
import weakref
from dataclasses import dataclass

from paddle_serving_client.errors import BadConfig, BadPacket
from paddle_serving_client.wire import brpc
from paddle_serving_client.wire.brpc import FrameReader

CONNECT_TIMEOUT_S = 2.0
MAX_REPLY_BYTES = 512 << 20

_READ_BYTES = 1 << 18
_JOIN_BYTES = 1 << 16
"""Up to this size head and payload are joined for one write; beyond, the copy costs more than the second write."""
_LONGEST_WAIT_S = 1e6
"""The operating system knows no longer ones."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, endpoint: str) -> "Address":
        """From `host:port`; an IPv6 address is in brackets.

        Raises:
            BadConfig: it is not that.
        """
        host, colon, port = endpoint.rpartition(":")
        if not (host and colon and port.isdecimal() and int(port) < 1 << 16 and "/" not in host):
            raise BadConfig(f"endpoint {endpoint!r} must be host:port, for example 127.0.0.1:9393")
        return cls(host.removeprefix("[").removesuffix("]"), int(port))

    def connect(self, timeout_s: float) -> socket.socket:
        """Open a connection. Raises OSError."""
        return socket.create_connection((self.host, self.port), max(timeout_s, 0.001))


class Connection:
    """One socket, one call at a time."""

    _ids = itertools.count((1 << 33) + 2)  # Where brpc starts: the first request is byte for byte the same.

    def __init__(self, address: Address, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        """Connect. Raises OSError."""
        self._socket = address.connect(timeout_s)
        weakref.finalize(self, self._socket.close)  # A client that is never released leaves nothing open.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = FrameReader(MAX_REPLY_BYTES, reads="replies")

    @property
    def is_spoiled(self) -> bool:
        """Whether bytes came that belong to no call."""
        return self._reader.buffered_bytes > 0

    def is_quiet(self) -> bool:
        """Whether nothing came since the last call: neither bytes nor the end."""
        try:
            self._socket.settimeout(0)
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def exchange(self, service: str, method: str, payload: bytes, deadline: float) -> brpc.Frame:
        """Write a request and read until its answer. Answers to anything else are skipped, as brpc does.

        Raises:
            TimeoutError: the deadline, on the clock of `time.monotonic`, passed.
            OSError, EOFError: the connection is lost.
            BadPacket, TooLarge: what came is no answer.
        """
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
        """Close it, whatever state it is in."""
        self._socket.close()

    def _set_timeout(self, deadline: float) -> None:
        if deadline == math.inf:
            self._socket.settimeout(None)
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(min(left, _LONGEST_WAIT_S))


def reason_of(exc: OSError) -> str:
    """Why there is no connection, in words for people."""
    if isinstance(exc, TimeoutError):
        return f"cannot connect within {CONNECT_TIMEOUT_S:g} s"
    if isinstance(exc, socket.gaierror):
        return "the host name cannot be resolved"
    return f"cannot connect: {os.strerror(exc.errno) if exc.errno else exc}"


def state_of(address: Address, timeout_s: float) -> str:
    """How a server is: `ready`, or what is in the way.

    Asks `GET /health`, which is on the same port. A server that knows no HTTP is ready when it accepts.
    """
    try:
        with address.connect(timeout_s) as sock:
            sock.sendall(f"GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
            answer = sock.recv(64)
    except TimeoutError:
        return "does not answer"
    except ConnectionResetError:
        return "ready"
    except OSError as exc:
        return reason_of(exc)
    return "answers that it is not ready" if answer.startswith((b"HTTP/1.1 503", b"HTTP/1.0 503")) else "ready"
