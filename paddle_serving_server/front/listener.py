"""One port: look at the first bytes of a connection, hand it to the protocol that claims it, and keep the time.

Deadlines live here, in one clock that looks at every connection twice a second: whoever says nothing, sends too
slowly, or does not take his answer is cut off, and nobody else notices.
"""

import asyncio
import logging
import socket
import time
from collections import Counter, deque
from collections.abc import Sequence

from paddle_serving_server.config.listening import Listening
from paddle_serving_server.config.values import Limits
from paddle_serving_server.connection.intake import Intake
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.front import speakers
from paddle_serving_server.front.accepted import Accepted, Stream
from paddle_serving_server.services.catalogue import Catalogue

logger = logging.getLogger(__name__)

_TICK_S = 0.5
_LONGEST_CLAIM = 8
"""First bytes after which somebody must have claimed a connection."""
_RECEIVE_BYTES = 256 << 10
_ACCEPTED_AT_ONCE = 64
_SEEN_AT_ONCE = 32
_OPENED_AT_ONCE = 8
"""Who is connected already is served between these: a thousand that come together take a tenth of a second."""
_COURTESY_S = 0.0001
"""How long a front with one connection leaves the next to its siblings; with more connections it waits longer ..."""
_LONGEST_COURTESY_S = 0.001
"""... but not longer than this."""
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


class Listener:
    """Accepts on inherited sockets until it is told to drain."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        addresses: Sequence[Listening],
        catalogue: Catalogue,
        limits: Limits,
        has_siblings: bool = False,
    ) -> None:
        """Get ready.

        Args:
            sockets: one for each of `addresses`.
            addresses: say what is answered at each.
            catalogue, limits: of the server.
            has_siblings: whether other processes accept from the same sockets.

        Raises:
            BadConfig: an address is for callers that nobody knows here.
        """
        self._sockets = sockets
        self._has_siblings = has_siblings
        self._catalogue = catalogue
        self._limits = limits
        found = speakers.at_each(addresses, DataPlane(catalogue, limits))
        self._protocols = {sock.fileno(): spoken for sock, spoken in zip(sockets, found, strict=True)}
        """By the number of a listening socket."""
        self.scratch = memoryview(bytearray(_RECEIVE_BYTES))
        self.intake = Intake(limits.max_body_bytes)
        self._accepted: set[Accepted] = set()
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.create_task(self._keep_time())
        self._accepting = False
        self._entering: deque[tuple[socket.socket, int]] = deque()
        """Accepted in this order, and not opened yet."""
        self._opens_newest = False
        self._opening: set[asyncio.Task[object]] = set()
        self._silenced: set[Accepted] = set()
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
        while self._entering:
            self._open_one()
        for sock in self._sockets:
            self._loop.remove_reader(sock.fileno())
            sock.close()
        self._accepting = False
        self._stall_s = min(self._stall_s, _LAST_STALL_S)
        if self._opening:
            await asyncio.wait(self._opening, timeout=grace_s)
        until = time.monotonic() + grace_s
        for stream in self._streams:
            stream.drain()
        while self._streams and time.monotonic() < until:
            await asyncio.sleep(0.01)
            for connection in [connection for connection in self._accepted if connection.is_silent]:
                connection.transport.close()
        for connection in list(self._accepted):
            connection.transport.abort()
        self._clock.cancel()

    def _accept(self, listening: socket.socket) -> None:
        """Take what has connected; with siblings one at a time, and the later the more there are here already."""
        if not self._has_siblings:
            self._accept_up_to(_ACCEPTED_AT_ONCE, listening)
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
        return len(self._accepted) + len(self._opening) + len(self._entering)

    @property
    def _streams(self) -> list[Stream]:
        return [connection.stream for connection in self._accepted if connection.stream is not None]

    def _accept_one(self, listening: socket.socket) -> bool:
        try:
            sock, _ = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        except OSError as exc:  # out of file descriptors
            logger.warning("cannot accept a connection: %s", exc)
            self._pause_accepting(_TICK_S)
            return False
        if not self._entering:
            self._loop.call_soon(self._open_some)
        self._entering.append((sock, listening.fileno()))
        return True

    def _open_some(self) -> None:
        for _ in range(min(_OPENED_AT_ONCE, len(self._entering))):
            self._open_one()
        if self._entering:
            self._loop.call_soon(self._open_some)

    def _open_one(self) -> None:
        """Open the oldest and the newest in turns: behind a thousand who came at once nobody waits for all of them."""
        self._opens_newest = not self._opens_newest
        sock, at = self._entering.pop() if self._opens_newest else self._entering.popleft()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._loop.connect_accepted_socket(lambda: Accepted(self, at), sock))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

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
        waiting = [c for c in self._accepted if c.since < until and c.waits_for_peer]
        held = Counter(connection.flow.peer for connection in self._accepted)

        def order(of: Accepted) -> tuple[int, bool, float]:
            return -held[of.flow.peer], of.stream is not None and of.stream.is_between, of.since

        for connection in sorted(waiting, key=order)[:_MAKE_ROOM_FOR]:
            connection.give_way()
            self.closed(connection)
        return bool(waiting)

    # -- called by connections

    def opened(self, connection: Accepted) -> None:
        """A connection whose protocol is not known yet."""
        self._accepted.add(connection)
        self._catalogue.connections.add(connection)
        connection.deadline = time.monotonic() + self._limits.head_s

    def claim(self, connection: Accepted, head: bytes) -> None:
        """Find out who speaks, and hand the connection over."""
        undecided = False
        for module, open_stream in self._protocols[connection.at]:
            verdict = module.claims(head)
            if verdict:
                connection.stream = stream = open_stream(connection.transport, connection.flow)
                connection.speaks, connection.since = module.__name__.rpartition(".")[2], time.monotonic()
                stream.data_received(head)
                return
            undecided |= verdict is None
        if not undecided or len(head) >= _LONGEST_CLAIM:
            logger.info("closed a connection that speaks no protocol known here (%r)", head[:8])
            connection.transport.close()

    def closed(self, connection: Accepted) -> None:
        """A connection is gone."""
        self._accepted.discard(connection)
        self._catalogue.connections.discard(connection)
        self._silenced.discard(connection)

    def silenced(self, connection: Accepted) -> None:
        """A peer sends nothing more, and has answers to come; if he is gone, nothing more is done for him."""
        self._silenced.add(connection)
        self._loop.call_later(_SOUND_S, self._sound, connection)

    def _sound(self, connection: Accepted) -> None:
        if connection in self._silenced and not connection.waits_for_peer:
            assert connection.stream is not None
            connection.stream.sound()
            self._loop.call_later(_ECHO_S, self._listen_for_echoes)

    def _listen_for_echoes(self) -> None:
        """Let those go that were reset."""
        for connection in [connection for connection in self._silenced if connection.was_reset]:
            connection.transport.abort()

    # -- the clock

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            now = time.monotonic()
            self.intake.keep_time(now)
            self._listen_for_echoes()
            for k, connection in enumerate(list(self._accepted), 1):
                if connection in self._accepted:
                    connection.keep_time(now, self._stall_s)
                if k % _SEEN_AT_ONCE == 0:  # a thousand that end together keep nobody else waiting
                    await asyncio.sleep(0)
            self._catalogue.meter.connections(len(self._accepted))
