"""One port: look at the first bytes of a connection, hand it to the protocol that claims it, and keep the time.

Deadlines live here, in one clock that looks at every connection twice a second: whoever says nothing, sends too
slowly, or does not take his answer is cut off, and nobody else notices.
"""

import asyncio
import logging
import socket
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, Protocol, cast

from paddle_serving_client import plugins
from paddle_serving_server import protocols
from paddle_serving_server.config.values import Limits
from paddle_serving_server.connection.flow import Flow, write_due
from paddle_serving_server.connection.intake import Intake
from paddle_serving_server.services.catalogue import Catalogue, Connection

logger = logging.getLogger(__name__)

_TICK_S = 0.5
_LONGEST_CLAIM = 8
"""First bytes after which somebody must have claimed a connection."""
_RECEIVE_BYTES = 256 << 10
_COURTESY_S = 0.0001
"""How long a front with one connection leaves the next to its siblings; with more connections it waits longer ..."""
_LONGEST_COURTESY_S = 0.001
"""... but not longer than this."""
WRITE_BUFFER_BYTES = 1 << 20
"""Unsent bytes of one connection beyond which nothing more is read from it."""
_SOUND_S = 0.02
"""After which time in work somebody who sends nothing more is asked whether he is still there ..."""
_ECHO_S = 0.05
"""... and when his answer is looked for."""
_YOUNG_S = 0.25
"""Connections that are open for less than this do not make room for others."""
_MAKE_ROOM_FOR = 16
_PAUSE_S = 0.05
"""How long nobody is accepted when there is no room."""
_LAST_STALL_S = 5.0
"""How long somebody may take nothing of his answer when the server stops, in seconds."""
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

    @property
    def is_idle(self) -> bool:
        """Whether nothing accepted is still unanswered."""

    @property
    def is_between(self) -> bool:
        """Whether it is idle, and nothing further has begun to come."""


class _ProtocolModule(Protocol):
    __name__: str

    def claims(self, head: bytes) -> bool | None: ...

    def open_stream(self, transport: asyncio.Transport, flow: Flow, catalogue: Catalogue, limits: Limits) -> Stream: ...


class _Entry(NamedTuple):
    """One connection."""

    peer: str
    speaks: str
    """Its protocol; empty while that is not known."""
    since: float
    """When it was opened, or found its protocol, on the clock of `time.monotonic`."""


class Listener:
    """Accepts on inherited sockets until it is told to drain."""

    def __init__(
        self, sockets: Sequence[socket.socket], catalogue: Catalogue, limits: Limits, has_siblings: bool = False
    ) -> None:
        """`has_siblings`: whether other processes accept from the same sockets."""
        self._sockets = sockets
        self._has_siblings = has_siblings
        self._catalogue = catalogue
        self._limits = limits
        self._modules: list[_ProtocolModule] = [plugins.load(protocols, n) for n in plugins.names(protocols)]
        self.scratch = memoryview(bytearray(_RECEIVE_BYTES))
        self.intake = Intake(limits.max_body_bytes)
        self._fresh: dict[asyncio.Transport, _Fresh] = {}
        self._streams: dict[asyncio.Transport, Stream] = {}
        self._unsent: dict[asyncio.Transport, tuple[int, float]] = {}
        self._entries: dict[asyncio.Transport, _Entry] = {}
        catalogue.connections = self._connections
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.create_task(self._keep_time())
        self._accepting = False
        self._opening: set[asyncio.Task[object]] = set()
        self._silenced: dict[asyncio.Transport, Stream] = {}
        """Those that send nothing more, and wait for answers or are gone."""
        self._stall_s = limits.stall_s

    def start(self) -> None:
        """Begin to accept."""
        self._accepting = True
        for sock in self._sockets:
            sock.setblocking(False)
            self._loop.add_reader(sock.fileno(), self._accept, sock)

    async def drain(self, grace_s: float) -> None:
        """Accept what has already connected, then nothing more; finish what was accepted; close.

        Args:
            grace_s: what is not finished after this long is cut off.
        """
        for sock in self._sockets:
            while self._accept_one(sock):
                pass
            self._loop.remove_reader(sock.fileno())
            sock.close()
        self._accepting = False
        self._stall_s = min(self._stall_s, _LAST_STALL_S)
        if self._opening:
            await asyncio.wait(self._opening, timeout=grace_s)
        until = time.monotonic() + grace_s
        for stream in list(self._streams.values()):
            stream.drain()
        while self._streams and time.monotonic() < until:
            await asyncio.sleep(0.01)
            for transport in [t for t, s in self._fresh.items() if s.is_silent]:
                transport.close()
        for transport in [*self._streams, *self._fresh]:
            transport.abort()
        self._clock.cancel()

    def _accept(self, listening: socket.socket) -> None:
        """Take what has connected; with siblings one at a time, and the later the more there are here already."""
        if not self._has_siblings:
            self._accept_up_to(64, listening)
        elif self._count == 0:
            self._accept_up_to(1, listening)
        else:
            self._loop.remove_reader(listening.fileno())
            pause_s = min(_LONGEST_COURTESY_S, _COURTESY_S * self._count)
            self._loop.call_later(pause_s, self._accept_late, listening)

    def _accept_late(self, listening: socket.socket) -> None:
        if self._accepting:
            self._loop.add_reader(listening.fileno(), self._accept, listening)
            self._accept_up_to(1, listening)

    def _accept_up_to(self, count: int, listening: socket.socket) -> None:
        for k in range(count):
            if self._count >= self._limits.max_connections:
                if k:  # whether one more is waiting is not known
                    return
                if not self._make_room():
                    self._pause_accepting()
                    return
            if not self._accept_one(listening):
                return

    @property
    def _count(self) -> int:
        """Connections of this process."""
        return len(self._streams) + len(self._fresh) + len(self._opening)

    def _accept_one(self, listening: socket.socket) -> bool:
        try:
            sock, _ = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        except OSError as exc:  # out of file descriptors
            logger.warning("cannot accept a connection: %s", exc)
            self._pause_accepting(_TICK_S)
            return False
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._loop.connect_accepted_socket(lambda: _Fresh(self), sock))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return True

    def _pause_accepting(self, pause_s: float = _PAUSE_S) -> None:
        """Stop accepting for a moment; connections wait in the kernel's queue."""
        if self._accepting:
            self._accepting = False
            for sock in self._sockets:
                self._loop.remove_reader(sock.fileno())
            self._loop.call_later(pause_s, self._accept_again)

    def _accept_again(self) -> None:
        if not self._accepting and self._sockets[0].fileno() >= 0:
            self.start()

    def _make_room(self) -> bool:
        """Close connections that wait for nothing but their peer, so that others can be had; whether there were any.

        Those of the address that holds most go first, and of these the ones that are half-way with a request.
        """
        until = time.monotonic() - _YOUNG_S
        waiting = [*self._fresh, *(transport for transport, stream in self._streams.items() if stream.is_idle)]
        old = [transport for transport in waiting if self._entries[transport].since < until]
        held = Counter(entry.peer for entry in self._entries.values())

        def order(transport: asyncio.Transport) -> tuple[int, bool, float]:
            entry, stream = self._entries[transport], self._streams.get(transport)
            return -held[entry.peer], stream is not None and stream.is_between, entry.since

        for transport in sorted(old, key=order)[:_MAKE_ROOM_FOR]:
            if (stream := self._streams.get(transport)) is not None:
                stream.expire()
            transport.close()
            self.closed(transport)
        return bool(old)

    # -- called by connections

    def opened(self, fresh: "_Fresh", transport: asyncio.Transport) -> None:
        """A connection whose protocol is not known yet."""
        self._fresh[transport] = fresh
        self._entries[transport] = _Entry(fresh.flow.peer, "", time.monotonic())
        fresh.deadline = time.monotonic() + self._limits.head_s

    def claim(self, fresh: "_Fresh", head: bytes) -> None:
        """Find out who speaks, and hand the connection over."""
        undecided = False
        for module in self._modules:
            verdict = module.claims(head)
            if verdict:
                transport = fresh.transport
                del self._fresh[transport]
                stream = module.open_stream(transport, fresh.flow, self._catalogue, self._limits)
                self._streams[transport] = stream
                speaks = module.__name__.rpartition(".")[2]
                self._entries[transport] = _Entry(fresh.flow.peer, speaks, time.monotonic())
                fresh.stream = stream
                stream.data_received(head)
                return
            undecided |= verdict is None
        if not undecided or len(head) >= _LONGEST_CLAIM:
            logger.info("closed a connection that speaks no protocol known here (%r)", head[:8])
            fresh.transport.close()

    def closed(self, transport: asyncio.Transport) -> None:
        """A connection is gone."""
        self._fresh.pop(transport, None)
        self._streams.pop(transport, None)
        self._entries.pop(transport, None)
        self._unsent.pop(transport, None)
        self._silenced.pop(transport, None)

    def silenced(self, transport: asyncio.Transport, stream: Stream) -> None:
        """A peer sends nothing more, and has answers to come; if he is gone, nothing more is done for him."""
        self._silenced[transport] = stream
        self._loop.call_later(_SOUND_S, self._sound, transport)

    def _sound(self, transport: asyncio.Transport) -> None:
        if (stream := self._silenced.get(transport)) is not None and not stream.is_idle:
            stream.sound()
            self._loop.call_later(_ECHO_S, self._listen_for_echoes)

    def _listen_for_echoes(self) -> None:
        """Let those go that were reset: after the end of what a peer sends, the event loop would not see it."""
        for transport in list(self._silenced):
            sock = transport.get_extra_info("socket")
            if sock is not None and sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_CLOSE:
                transport.abort()

    # -- the clock

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            now = time.monotonic()
            self.intake.keep_time(now)
            self._listen_for_echoes()
            for transport in [t for t, fresh in self._fresh.items() if fresh.deadline < now]:
                transport.abort()
            for transport, stream in list(self._streams.items()):
                if stream.deadline < now:
                    stream.expire()
                self._watch_unsent(transport, now)
            self._catalogue.meter.connections(len(self._streams) + len(self._fresh))

    def _connections(self) -> list[Connection]:
        return [
            Connection(
                _peer_of(transport), entry.speaks, entry.since, stream.is_idle, transport.get_write_buffer_size()
            )
            for transport, stream in self._streams.items()
            if (entry := self._entries.get(transport)) is not None
        ]

    def _watch_unsent(self, transport: asyncio.Transport, now: float) -> None:
        """Cut off a peer that does not take its answers."""
        size = transport.get_write_buffer_size()
        if size == 0:
            self._unsent.pop(transport, None)
            return
        before, since = self._unsent.get(transport, (-1, now))
        self._unsent[transport] = (size, since if size == before else now)
        if size == before and now - since > self._stall_s:
            transport.abort()


def _peer_of(transport: asyncio.Transport) -> str:
    address = transport.get_extra_info("peername")
    return f"{address[0]} port {address[1]}" if address else "unknown"


class _Fresh(asyncio.BufferedProtocol):
    """A connection: silent at first, then a thin wrapper around the stream that claimed it.

    A stream that knows how much of a large message is to come has it received where it stays: it says where by `room`,
    and hears by `filled` how much there is.
    """

    transport: asyncio.Transport
    flow: Flow
    stream: Stream | None = None
    deadline: float = 0.0

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._head = b""
        self._room: memoryview | None = None

    @property
    def is_silent(self) -> bool:
        """Whether not a byte came yet."""
        return not self._head

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport = cast(asyncio.Transport, transport)  # uvloop's is one without being a subclass
        transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        self.flow = Flow(transport, self._listener.intake)
        self._listener.opened(self, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to receive to: used at once, before any other connection asks."""
        self._room = None if self.stream is None else self.stream.room()
        return self._listener.scratch if self._room is None else self._room

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes were received."""
        if self.stream is None:
            self._head += self._listener.scratch[:nbytes]
            self._listener.claim(self, self._head)
        elif self._room is None:
            self.stream.data_received(bytes(self._listener.scratch[:nbytes]))
        else:
            self._room = None  # a view of the message would keep it from being given back
            self.stream.filled(nbytes)

    def eof_received(self) -> bool:
        """Keep the way back open while answers are out; the stream closes when they are given."""
        write_due()
        if self.stream is None or self.stream.is_idle:
            return False
        self.stream.drain(peer_is_done=True)
        self._listener.silenced(self.transport, self.stream)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.closed(self.transport)
        self._room = None
        if (lost := getattr(self.stream, "connection_lost", None)) is not None:
            lost()

    def pause_writing(self) -> None:
        self.flow.pause_writing()

    def resume_writing(self) -> None:
        self.flow.resume_writing()
