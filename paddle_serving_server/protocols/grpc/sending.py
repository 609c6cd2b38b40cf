"""What a connection says: messages as fast as their peer takes them, statuses, resets, and the end."""

import asyncio
import contextlib
import time
from typing import Final

from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import H2Error

from paddle_serving_client.wire import grpc
from paddle_serving_client.wire.grpc import Status
from paddle_serving_server.connection.flow import Flow
from paddle_serving_server.protocols.grpc.connection import goodbye
from paddle_serving_server.protocols.grpc.methods import Reply
from paddle_serving_server.protocols.grpc.open_call import OpenCall
from paddle_serving_server.protocols.grpc.patience import Patience

_WRITE_BYTES: Final = 1 << 20
"""How much of an answer is handed over before looking whether the peer takes it."""
_OK_HEADERS: Final = (
    (b":status", b"200"),
    (b"content-type", grpc.CONTENT_TYPE),
    (b"grpc-accept-encoding", grpc.ACCEPTED),
)
_GZIP_HEADERS: Final = (*_OK_HEADERS, (b"grpc-encoding", b"gzip"))


class Sending:
    """The way back of one connection."""

    def __init__(self, h2: H2Connection, transport: asyncio.Transport, flow: Flow, control_bytes: Patience) -> None:
        """What is taken gives something back to `control_bytes`: a peer opens his window in answer to what he gets."""
        self._h2 = h2
        self._transport = transport
        self._flow = flow
        self._control_bytes = control_bytes

    def flush(self) -> None:
        """Write what is due."""
        if (data := self._h2.data_to_send()) and not self._transport.is_closing():
            self._transport.write(data)

    async def message(self, call: OpenCall, framed: bytes, is_gzip: bool) -> None:
        """Send a message with its prefix, as fast as the peer opens his window and takes what is written.

        Args:
            call: whose headers go first, unless they are out.
            framed: the message.
            is_gzip: whether messages of this call may be compressed.

        Raises:
            H2Error: the peer has reset the call.
        """
        if not call.has_begun:
            call.has_begun = True
            self._h2.send_headers(call.number, _GZIP_HEADERS if is_gzip else _OK_HEADERS)
        unsent = memoryview(framed)
        while unsent:
            written = self._write(call, unsent)
            unsent = unsent[written:]
            if not unsent:
                break
            self.flush()
            self._control_bytes.earn(written >> 4)
            if not written:
                await _window(call)
            await self._flow.writable()

    def end(self, call: OpenCall, reply: Reply) -> None:
        """Say how a call went, which ends it."""
        trailers = [(b"grpc-status", b"%d" % reply.status)]
        if not call.has_begun:
            trailers = [(b":status", b"200"), (b"content-type", grpc.CONTENT_TYPE), *trailers]
        if reply.status is not Status.OK:
            trailers.append((b"grpc-message", grpc.percent_encoded(reply.text)))
        if reply.code is not None:
            trailers.append((b"x-bd-error-code", b"%d" % reply.code))
        if reply.timing:
            trailers.append((b"server-timing", reply.timing.encode()))
        with contextlib.suppress(H2Error):  # it was reset meanwhile
            self._h2.send_headers(call.number, trailers, end_stream=True)
            if not call.incoming.is_whole:
                self._h2.reset_stream(call.number, ErrorCodes.NO_ERROR)

    def http(self, number: int, status: bytes, is_whole: bool) -> None:
        """Answer a request that is no gRPC call, as HTTP does."""
        with contextlib.suppress(H2Error):  # it was reset meanwhile
            self._h2.send_headers(number, [(b":status", status), (b"allow", b"POST")], end_stream=True)
            if not is_whole:
                self._h2.reset_stream(number, ErrorCodes.NO_ERROR)

    def reset(self, number: int, code: ErrorCodes) -> None:
        """End a call without a word."""
        with contextlib.suppress(H2Error):  # over already
            self._h2.reset_stream(number, code)

    def widen(self, number: int, size: int) -> None:
        """Let more of a call's messages come."""
        with contextlib.suppress(H2Error):  # it was reset meanwhile
            self._h2.increment_flow_control_window(size, number)

    def goodbye(self, last: int, code: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        """Say that calls behind this one are not answered."""
        self.flush()
        if not self._transport.is_closing():
            self._transport.write(goodbye(last, code))

    def _write(self, call: OpenCall, unsent: memoryview) -> int:
        """Hand over what the window lets; how much that is."""
        written = 0
        while written < min(len(unsent), _WRITE_BYTES):
            room = min(self._h2.local_flow_control_window(call.number), self._h2.max_outbound_frame_size)
            if room <= 0:
                break
            piece = unsent[written : written + room]
            self._h2.send_data(call.number, bytes(piece))
            written += len(piece)
        return written


async def _window(call: OpenCall) -> None:
    """Wait until the peer opens his window."""
    call.window = asyncio.get_running_loop().create_future()
    call.blocked_since = time.monotonic()
    try:
        await call.window
    finally:
        call.window = None
