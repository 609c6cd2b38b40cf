"""One accepted connection: who speaks on it, since when, and whether the peer takes what is written."""

import asyncio
import socket
import time
from typing import Protocol, cast

from paddle_serving_server.connection.flow import Flow, write_due
from paddle_serving_server.connection.intake import Intake
from paddle_serving_server.connection.open_connections import Connection

WRITE_BUFFER_BYTES = 1 << 20
"""Unsent bytes of one connection beyond which nothing more is read from it."""
_TCP_CLOSE = 7
"""The first byte of the kernel's `tcp_info` where the peer has reset the connection."""


class Stream(Protocol):
    """A connection once its protocol is known; the transport's protocol from then on."""

    transport: asyncio.Transport
    deadline: float
    """When the peer must have done what it is waited for, on the clock of `time.monotonic`."""

    def data_received(self, data: bytes) -> None:
        """Take bytes."""

    def room(self) -> memoryview | None:
        """Where the rest of a large message is to be received; None: wherever, `data_received` hands it over."""

    def filled(self, count: int) -> None:
        """So many bytes were received into `room`."""

    def expire(self) -> None:
        """The deadline has passed."""

    def drain(self, peer_is_done: bool = False) -> None:
        """Finish what was accepted, then close; half a request is waited for unless the peer is done sending."""

    def sound(self) -> None:
        """Write what a peer reads over who waits for his answer, if there is such a thing: one who is gone resets."""

    def connection_lost(self) -> None:
        """The peer is gone: nobody waits for the answers."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing accepted is still unanswered."""

    @property
    def is_between(self) -> bool:
        """Whether it is idle, and nothing further has begun to come."""


class Host(Protocol):
    """Who has accepted it."""

    intake: Intake
    scratch: memoryview
    """Where whatever has no room of its own is received; used at once, before any other connection asks."""

    def opened(self, connection: "Accepted") -> None:
        """It is there, and its protocol is not known yet."""

    def claim(self, connection: "Accepted", head: bytes) -> None:
        """Find out who speaks, and give the connection its stream."""

    def silenced(self, connection: "Accepted") -> None:
        """The peer sends nothing more, and has answers to come, or is gone."""

    def closed(self, connection: "Accepted") -> None:
        """It is gone."""


class Accepted(asyncio.BufferedProtocol):
    """A connection: silent at first, then a thin wrapper around the stream that claimed it.

    A stream that knows how much of a large message is to come has it received where it stays: it says where by `room`,
    and hears by `filled` how much there is.
    """

    transport: asyncio.Transport
    flow: Flow
    stream: Stream | None = None
    speaks: str = ""
    """Its protocol, once there is a stream."""
    deadline: float = 0.0
    """When the first bytes must be there, as long as there is none."""

    def __init__(self, host: Host, at: int) -> None:
        """`at` is the number of the listening socket that it came by."""
        self.at = at
        self.since = time.monotonic()
        """When it was opened, or found its protocol."""
        self._host = host
        self._head = b""
        self._room: memoryview | None = None
        self._unsent_bytes = 0
        self._unsent_since = 0.0

    @property
    def is_silent(self) -> bool:
        """Whether not a byte came yet."""
        return not self._head

    @property
    def waits_for_peer(self) -> bool:
        """Whether nothing is done for the peer now."""
        return self.stream is None or self.stream.is_idle

    @property
    def was_reset(self) -> bool:
        """Whether the kernel knows of a reset that the event loop would not see behind the end of what came."""
        sock = self.transport.get_extra_info("socket")
        return sock is not None and sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_CLOSE

    def shown(self) -> Connection | None:
        """See `OpenConnections`."""
        if self.stream is None:
            return None
        peer, unsent_bytes = _peer_of(self.transport), self.transport.get_write_buffer_size()
        return Connection(peer, self.speaks, self.since, self.stream.is_idle, unsent_bytes)

    def give_way(self) -> None:
        """Close, so that somebody else can be had."""
        if self.stream is not None:
            self.stream.expire()
        self.transport.close()

    def keep_time(self, now: float, stall_s: float) -> None:
        """See whether a deadline has passed, and whether the peer has taken some of his answers within `stall_s`."""
        if self.stream is None:
            if self.deadline < now:
                self.transport.abort()
            return
        if self.stream.deadline < now:
            self.stream.expire()
        size = self.transport.get_write_buffer_size()
        if size == 0 or size != self._unsent_bytes:
            self._unsent_bytes, self._unsent_since = size, now
        elif now - self._unsent_since > stall_s:
            self.transport.abort()

    # -- from the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport = cast(asyncio.Transport, transport)  # uvloop's is one without being a subclass
        transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        self.flow = Flow(transport, self._host.intake)
        self._host.opened(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to receive to."""
        self._room = None if self.stream is None else self.stream.room()
        return self._host.scratch if self._room is None else self._room

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes were received."""
        if self.stream is None:
            self._head += self._host.scratch[:nbytes]
            self._host.claim(self, self._head)
        elif self._room is None:
            self.stream.data_received(bytes(self._host.scratch[:nbytes]))
        else:
            self._room = None  # a view of the message would keep it from being given back
            self.stream.filled(nbytes)

    def eof_received(self) -> bool:
        """Keep the way back open while answers are out; the stream closes when they are given."""
        write_due()
        if self.stream is None or self.stream.is_idle:
            return False
        self.stream.drain(peer_is_done=True)
        self._host.silenced(self)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._host.closed(self)
        self._room = None
        if self.stream is not None:
            self.stream.connection_lost()

    def pause_writing(self) -> None:
        self.flow.pause_writing()

    def resume_writing(self) -> None:
        self.flow.resume_writing()


def _peer_of(transport: asyncio.Transport) -> str:
    address = transport.get_extra_info("peername")
    return f"{address[0]} port {address[1]}" if address else "unknown"
