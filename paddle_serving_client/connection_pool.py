"""Connections to one server that are kept and used again, each by one call at a time. What is carried is unknown here.

For use from many threads, and after a fork from the child too.
"""

import contextlib
import math
import os
import socket
import ssl
import time
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Final

from paddle_serving_client.attempts import Failed, failure
from paddle_serving_client.brpc_connection import CONNECT_TIMEOUT_S
from paddle_serving_client.errors import BadPacket, TooLarge, Unreachable
from paddle_serving_client.http_address import HttpAddress, Proxy
from paddle_serving_client.wire import http1
from paddle_serving_client.wire.http1 import ReplyReader
from paddle_serving_client.wire.reply import Reply

READ_BYTES: Final = 1 << 18
JOINED_BYTES: Final = 1 << 16
"""Up to this size a message is joined for one write; beyond, the copy costs more than the second write."""
MOST_IDLE: Final = 64
_LONGEST_WAIT_S: Final = 1e6
"""The operating system knows no longer ones."""

Message = Sequence[bytes | memoryview]
"""The parts of a request, one behind the other."""


class Exchange:
    """A request that was sent, and its answer while it comes."""

    def __init__(self, pool: "ConnectionPool", sock: socket.socket, reply: Reply) -> None:
        self._pool = pool
        self._socket: socket.socket | None = sock
        self._reply = reply

    def advance(self, deadline: float) -> None:
        """Wait for more of the answer. Raises OSError, EOFError, BadPacket, TooLarge."""
        assert self._socket is not None
        _set_timeout(self._socket, deadline)
        if data := self._socket.recv(READ_BYTES):
            self._reply.feed(data)
        else:
            self._reply.ended()

    def close(self) -> None:
        """Have the connection used again, where the answer is complete; close it otherwise."""
        sock, self._socket = self._socket, None
        if sock is not None:
            self._pool.give_back(sock, self._reply.keeps_connection)


class ConnectionPool:
    """Those to one server, through a proxy if there is one."""

    def __init__(self, address: HttpAddress, tls: ssl.SSLContext | None = None, proxy: Proxy | None = None) -> None:
        """Open nothing yet."""
        self.address = address
        self._tls = tls
        self._proxy = proxy
        self._start()

    def begin(self, message: Message, reply: Reply, deadline: float, timeout_s: float = math.inf) -> Exchange:
        """Send a request, and wait until an answer begins.

        A kept connection that the server has closed meanwhile is no failure: another one is taken.

        Raises:
            Failed: there is no answer.
        """
        if self._pid != os.getpid():
            self._start()  # Connections shared with the parent process would mix up the answers.
        while True:
            sock = self._idle_connection()
            is_kept = sock is not None
            try:
                return self._begin(sock or self._connect(deadline, timeout_s), message, reply, deadline, timeout_s)
            except Failed as failed:
                if not (is_kept and failed.may_repeat):
                    raise

    def exchange(self, message: Message, reply: Reply, deadline: float, timeout_s: float = math.inf) -> None:
        """Send a request and wait for the whole answer, which is in `reply` then. Raises Failed."""
        exchange = self.begin(message, reply, deadline, timeout_s)
        try:
            while not reply.is_complete:
                exchange.advance(deadline)
        except (OSError, EOFError, BadPacket, TooLarge) as exc:
            raise failure(exc, self.address, reply, deadline, timeout_s) from exc
        finally:
            exchange.close()

    def give_back(self, sock: socket.socket, may_be_kept: bool) -> None:
        """Take a connection back that nobody uses any more."""
        if may_be_kept and not self._is_closed and len(self._idle) < MOST_IDLE:
            self._idle.append(sock)
        else:
            sock.close()

    def close(self) -> None:
        """Close what is idle now, and what is in use when it is done."""
        self._is_closed = True
        _close_all(self._idle)

    def _start(self) -> None:
        self._pid = os.getpid()
        self._is_closed = False
        self._idle: deque[socket.socket] = deque()
        weakref.finalize(self, _close_all, self._idle)  # A pool that is never closed leaves nothing open.

    def _idle_connection(self) -> socket.socket | None:
        with contextlib.suppress(IndexError):
            return self._idle.pop()
        return None

    def _begin(
        self, sock: socket.socket, message: Message, reply: Reply, deadline: float, timeout_s: float
    ) -> Exchange:
        exchange = Exchange(self, sock, reply)
        try:
            _send(sock, message, deadline)
            exchange.advance(deadline)
        except (OSError, EOFError, BadPacket, TooLarge) as exc:
            sock.close()
            raise failure(exc, self.address, reply, deadline, timeout_s) from exc
        except BaseException:
            sock.close()
            raise
        return exchange

    def _connect(self, deadline: float, timeout_s: float) -> socket.socket:
        target = self._proxy.address if self._proxy else self.address
        wait_s = max(0.001, min(CONNECT_TIMEOUT_S, deadline - time.monotonic()))
        try:
            sock = socket.create_connection((target.host, target.port), wait_s)
        except OSError as exc:
            raise failure(exc, self.address, None, deadline, timeout_s) from exc
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is None:
                return sock
            if self._proxy:
                self._open_tunnel(sock, self._proxy, deadline)
            _set_timeout(sock, deadline)
            return self._tls.wrap_socket(sock, server_hostname=self.address.host)
        except (OSError, EOFError, BadPacket, TooLarge) as exc:
            sock.close()
            raise failure(exc, self.address, None, deadline, timeout_s) from exc
        except BaseException:
            sock.close()
            raise

    def _open_tunnel(self, sock: socket.socket, proxy: Proxy, deadline: float) -> None:
        reply = ReplyReader(0, is_tunnel=True)
        _send(sock, [tunnel_request(self.address, proxy)], deadline)
        while reply.head is None:
            if not (data := sock.recv(READ_BYTES)):
                raise EOFError
            reply.feed(data)
        refuse_no_tunnel(reply, self.address, proxy)


def tunnel_request(address: HttpAddress, proxy: Proxy) -> bytes:
    """What a proxy is asked for a way to a server that speaks TLS."""
    return http1.request_head("CONNECT", address.netloc, {"Host": address.netloc, **proxy.headers}, 0)


def refuse_no_tunnel(reply: ReplyReader, address: HttpAddress, proxy: Proxy) -> None:
    """Raise Failed where a proxy did not open a way."""
    assert reply.head is not None
    if not 200 <= reply.head.status < 300:
        raise Failed(Unreachable(f"{address}: the proxy {proxy.address} answered status {reply.head.status}"))


def joined(message: Message) -> Message:
    """The parts of a message as they are written: small ones at once."""
    return [b"".join(message)] if sum(map(len, message)) <= JOINED_BYTES else message


def _send(sock: socket.socket, message: Message, deadline: float) -> None:
    for part in joined(message):
        _set_timeout(sock, deadline)
        sock.sendall(part)


def _set_timeout(sock: socket.socket, deadline: float) -> None:
    """Wait no longer than until the deadline. Raises TimeoutError when it has passed."""
    if deadline == math.inf:
        sock.settimeout(None)
        return
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    sock.settimeout(min(left, _LONGEST_WAIT_S))


def _close_all(connections: "deque[socket.socket]") -> None:
    with contextlib.suppress(IndexError):
        while True:
            connections.pop().close()
