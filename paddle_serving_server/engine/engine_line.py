"""A front's line to one engine: connected again whenever it was lost, and the shared memory that the engine knows."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from typing import Final

from paddle_serving_server.engine import messages
from paddle_serving_server.engine.outbox import Outbox
from paddle_serving_server.engine.segments import Segment, SegmentPool

logger = logging.getLogger(__name__)

_RECONNECT_S: Final = 0.05
_ANCILLARY_BYTES: Final = socket.CMSG_SPACE(4)


class EngineLine:
    """One line. Everything happens on the front's event loop.

    Args:
        path: of the engine's socket.
        title: what people call this engine.
        pool: of the front.
        take: is given each message, and the descriptors that rode along with its packet.
        lost: is called when the engine's end is closed, or says what cannot be read; it has to call `disconnect`.
    """

    def __init__(
        self,
        path: str,
        title: str,
        pool: SegmentPool,
        take: Callable[[bytes, list[int]], None],
        lost: Callable[[], None],
    ) -> None:
        self._path = path
        self._title = title
        self._pool = pool
        self._take = take
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self._attached: set[int] = set()
        """The segments that the engine has mapped."""
        self._known_forgotten = pool.forgotten
        self.out = Outbox(self._loop)
        self._keeper = self._loop.create_task(self._keep_connected())

    @property
    def is_open(self) -> bool:
        """Whether somebody is at the other end."""
        return self._socket is not None

    def attach(self, segment: Segment) -> None:
        """Let the engine map a segment, if it has not."""
        if segment.number not in self._attached:
            self._attached.add(segment.number)
            self.out.send(messages.attach(segment.number, segment.size), segment.fd)

    def detach_forgotten(self) -> None:
        """Let the engine unmap segments that are gone, or it would keep their memory."""
        if self._pool.forgotten == self._known_forgotten:
            return
        self._known_forgotten = self._pool.forgotten
        for number in [number for number in self._attached if not self._pool.has(number)]:
            self._attached.discard(number)
            self.out.send(messages.detach(number), None)

    def disconnect(self) -> None:
        """Close this end; it is opened again soon."""
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self.out.close()
            self._socket.close()
            self._socket = None
        self._attached.clear()

    async def close(self) -> None:
        """Close it for good."""
        self._keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._keeper
        self.disconnect()

    async def _keep_connected(self) -> None:
        while True:
            if self._socket is None:
                try:
                    self._connect()
                except OSError as exc:
                    logger.debug("engine at %s: %s", self._path, exc)
            await asyncio.sleep(_RECONNECT_S)

    def _connect(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * messages.MAX_PACKET_BYTES)
            sock.connect(self._path)
        except OSError:
            sock.close()
            raise
        self._socket = sock
        self.out.open(sock)
        self._loop.add_reader(sock.fileno(), self._receive)

    def _receive(self) -> None:
        sock = self._socket
        while sock is not None and sock is self._socket:
            try:
                packet, ancillary, _, _ = sock.recvmsg(messages.MAX_PACKET_BYTES, _ANCILLARY_BYTES)
            except BlockingIOError:
                return
            except OSError:
                packet, ancillary = b"", []
            if not packet:
                self._lost()
                return
            fds = [int.from_bytes(data[:4], "little") for _, _, data in ancillary]
            try:
                for message in messages.unbundle(packet):
                    self._take(message, fds)
            except Exception:  # what else is in it is lost: whatever is out is asked again
                logger.exception("a packet of %s cannot be read", self._title)
                self._lost()
                return
