"""A gRPC connection without a socket: h2 as the client on one side, `GrpcStream` on the other."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection

from paddle_serving_client.wire import grpc
from paddle_serving_server.config.listening import Listening
from paddle_serving_server.config.values import Limits
from paddle_serving_server.connection.flow import Flow
from paddle_serving_server.connection.intake import Intake
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.protocols.grpc.methods import Methods
from paddle_serving_server.protocols.grpc.services import Service
from paddle_serving_server.protocols.grpc.stream import GrpcStream
from tests.grpc_texts import percent_decoded
from tests.server.protocols.transport import MemoryTransport

_WAIT_S = 10.0
_GOAWAY = 7


class Line:
    """One connection; made inside a running event loop. What the server writes is read by `run`."""

    def __init__(self, plane: DataPlane, *services: Service) -> None:
        self.transport = MemoryTransport()
        flow = Flow(self.transport, Intake(plane.limits.max_body_bytes))
        methods = Methods(plane, Listening(), services)
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.stream = GrpcStream(self.transport, flow, methods, plane.limits)
        self.flow = flow
        self.takes = True
        """Whether the client gives back the window of what it gets."""
        self.data: dict[int, bytes] = {}
        """What came of each call's answer."""
        self.trailers: dict[int, dict[str, str]] = {}
        self.resets: dict[int, int] = {}
        self.step = 1 << 20
        """In pieces of how many bytes what the client sends arrives."""
        self._read = 0

    def open(self, path: str, headers: Mapping[str, str] | None = None) -> int:
        """Begin a call."""
        number = self.h2.get_next_available_stream_id()
        fixed = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "test", "te": "trailers"}
        self.h2.send_headers(number, [*{**fixed, "content-type": "application/grpc", **(headers or {})}.items()])
        self.data[number] = b""
        self.flush()
        return number

    def send(self, number: int, *messages: bytes, end: bool = False) -> None:
        """Send messages, as far as the window lets; all of them have to fit."""
        self.send_raw(number, b"".join(map(grpc.framed, messages)), end)

    def send_raw(self, number: int, data: bytes, end: bool = False) -> None:
        """Send a piece of what is messages with prefixes, or is not."""
        size = 16384
        for at in range(0, len(data), size):
            self.h2.send_data(number, data[at : at + size])
        if end:
            self.h2.end_stream(number)
        self.flush()

    def flush(self) -> None:
        """Let what the client has written arrive."""
        data = self.h2.data_to_send()
        for at in range(0, len(data), self.step):
            self.stream.data_received(data[at : at + self.step])

    def look(self) -> None:
        """Read what the server has written."""
        data, self._read = self.transport.said[self._read :], len(self.transport.said)
        for event in self.h2.receive_data(_without_goodbyes(data)) if data else ():
            self._note(event)
        self.flush()

    def _note(self, event: events.Event) -> None:
        if isinstance(event, events.DataReceived):
            self.data[event.stream_id] += event.data or b""
            if self.takes:
                self.h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
        elif isinstance(event, events.ResponseReceived | events.TrailersReceived):
            ended = {str(k): str(v) for k, v in event.headers or ()}
            if "grpc-status" in ended:
                assert event.stream_id not in self.trailers, "a second status"
                self.trailers[event.stream_id] = ended
        elif isinstance(event, events.StreamReset):
            self.resets[event.stream_id] = int(event.error_code)

    def messages(self, number: int) -> list[bytes]:
        """The whole messages of an answer so far."""
        data, found = self.data[number], []
        while len(data) >= 5 and len(data) >= 5 + int.from_bytes(data[1:5]):
            size = 5 + int.from_bytes(data[1:5])
            found.append(data[5:size])
            data = data[size:]
        return found

    async def until(self, is_so: Callable[[], Any]) -> None:
        """Wait until something is so, reading what comes."""
        until = time.monotonic() + _WAIT_S
        self.look()
        while not is_so():
            assert time.monotonic() < until, "it did not come to that"
            await asyncio.sleep(0.001)
            self.look()

    async def got(self, number: int, count: int) -> None:
        """Wait for so many messages of an answer."""
        await self.until(lambda: len(self.messages(number)) == count)

    async def ended(self, number: int) -> tuple[int, str]:
        """Wait for the status of a call; it, and its text."""
        await self.until(lambda: number in self.trailers)
        said = self.trailers[number]
        return int(said["grpc-status"]), percent_decoded(said.get("grpc-message", "").encode())


def _without_goodbyes(frames: bytes) -> bytes:
    """h2 sends nothing more when the other side has said that it takes no new calls."""
    kept, at = b"", 0
    while at < len(frames):
        size = 9 + int.from_bytes(frames[at : at + 3])
        kept += frames[at : at + size] if frames[at + 3] != _GOAWAY else b""
        at += size
    return kept


def plane_of(catalogue: Any, **limits: Any) -> DataPlane:
    """A data plane with some of its limits changed."""
    return DataPlane(catalogue, Limits(**limits))
