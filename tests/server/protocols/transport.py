"""A server's end of a connection without a socket: bytes in, bytes out, in this process.

What `Listener` does for a connection is done here by hand: the first bytes choose the protocol, large messages are
received where they stay, the peer may end his side. So every cut of the bytes can be tried, and no process waited for.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from paddle_serving_client import plugins
from paddle_serving_server import protocols
from paddle_serving_server.config.listening import Listening
from paddle_serving_server.config.values import Limits
from paddle_serving_server.connection.flow import Flow
from paddle_serving_server.connection.intake import Intake
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.front.accepted import Stream
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.web_service import WebService
from tests.server.catalogues import catalogue_of

_ANSWERED_S = 20.0
_RECEIVE_BYTES = 256 << 10
"""What comes from a socket at once."""
_Result = TypeVar("_Result")


class MemoryTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.said = b""
        self.is_paused = False
        self.has_ended = False
        """Whether nothing more is going to be written."""
        self._is_closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.has_ended, "written after the end"
        if not self._is_closing:
            self.said += data

    def write_eof(self) -> None:
        self.has_ended = True

    def close(self) -> None:
        self._is_closing = self.has_ended = True

    abort = close

    def is_closing(self) -> bool:
        return self._is_closing

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


class Wire:
    """A peer's view of one connection; made inside a running event loop."""

    def __init__(self, catalogue: Catalogue, limits: Limits | None = None) -> None:
        self.transport = MemoryTransport()
        self.stream: Stream | None = None
        """Once the first bytes have told the protocol."""
        self._plane = DataPlane(catalogue, limits or Limits())
        self._flow = Flow(self.transport, Intake(self._plane.limits.max_body_bytes))
        self._head = b""

    @property
    def said(self) -> bytes:
        """Everything the server has written."""
        return self.transport.said

    @property
    def is_open(self) -> bool:
        """Whether the server would answer more."""
        return not self.transport.has_ended

    def send(self, data: bytes) -> None:
        """Let bytes arrive."""
        if self.stream is None:
            self._head += data
            data = self._claim()
        while data and self.stream is not None and not self.transport.is_closing():
            room = self.stream.room()
            count = min(len(data), _RECEIVE_BYTES if room is None else len(room))
            if room is None:
                self.stream.data_received(data[:count])
            else:
                room[:count] = data[:count]
                del room
                self.stream.filled(count)
            data = data[count:]

    def _claim(self) -> bytes:
        for module in (plugins.load(protocols, name) for name in plugins.names(protocols)):
            if module.claims(self._head):
                self.stream = self._opened(module)
                return self._head
        return b""

    def _opened(self, module: Any) -> Stream:
        found: Stream = module.streams(self._plane, Listening())(self.transport, self._flow)
        return found

    def end(self) -> None:
        """Send no more, as by a half-close."""
        if self.stream is None or self.stream.is_idle:
            self.transport.close()
        else:
            self.stream.drain(peer_is_done=True)

    async def answered(self) -> bytes:
        """Wait until everything that came is answered; everything the server has written."""
        until = time.monotonic() + _ANSWERED_S
        await asyncio.sleep(0)
        while self.stream is not None and not self.stream.is_idle:
            assert time.monotonic() < until, "not answered"
            await asyncio.sleep(0.001)
        await asyncio.sleep(0)  # what is written at the end of this turn
        return self.said


class Ask:
    """Asks one catalogue again and again, on one event loop."""

    def __init__(self, runner: asyncio.Runner, catalogue: Catalogue) -> None:
        self._runner = runner
        self._catalogue = catalogue

    def __call__(self, *pieces: bytes, limits: Limits | None = None) -> tuple[bytes, bool]:
        """What the server says to bytes that come in these pieces, and whether the connection stays open."""

        async def scene(wire: Wire) -> tuple[bytes, bool]:
            for piece in pieces:
                wire.send(piece)
                await asyncio.sleep(0)
            return await wire.answered(), wire.is_open

        return self.play(scene, limits)

    def play(self, scene: Callable[[Wire], Awaitable[_Result]], limits: Limits | None = None) -> _Result:
        """Run a scene with a connection."""

        async def run() -> _Result:
            return await scene(Wire(self._catalogue, limits))

        return self._runner.run(run())


@contextlib.contextmanager
def serving(folder: Path, *services: WebService) -> Iterator[Ask]:
    """Services over one model, which runs in this process."""
    with asyncio.Runner() as runner:
        opened = catalogue_of(folder, *services)
        yield Ask(runner, runner.run(opened.__aenter__()))
        runner.run(opened.__aexit__(None, None, None))
