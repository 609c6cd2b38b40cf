"""What a connection says: messages as fast as their peer takes them, statuses, resets, and the end.

What is said in one turn of the event loop leaves at its end, in one piece.
"""

import asyncio
import time
from typing import Final

from paddle_serving_client.wire import grpc
from paddle_serving_client.wire.grpc import Status
from paddle_serving_server.connection.flow import Flow, at_end_of_turn
from paddle_serving_server.protocols.grpc import frames
from paddle_serving_server.protocols.grpc.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    FIRST_WINDOW,
    HEADERS,
    LARGEST_WINDOW,
    SMALLEST_MAX_FRAME,
    Broken,
    ErrorCode,
)
from paddle_serving_server.protocols.grpc.header_blocks import NO_TABLE, block
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
_BEGIN: Final = {False: block(_OK_HEADERS), True: block((*_OK_HEADERS, (b"grpc-encoding", b"gzip")))}
_OK: Final = block(((b"grpc-status", b"0"),))
_TABLE_BYTES: Final = 4096
"""Of the dynamic table that a peer keeps for us, where he says nothing else."""


class Sending:
    """The way back of one connection."""

    def __init__(self, transport: asyncio.Transport, flow: Flow, control_bytes: Patience) -> None:
        """What is taken gives something back to `control_bytes`: a peer opens his window in answer to what he gets."""
        self._transport = transport
        self._flow = flow
        self._control_bytes = control_bytes
        self._due: list[bytes | memoryview] = []
        self._before_block = b""
        """What has to stand before the next block of headers."""
        self.window = FIRST_WINDOW
        """How many bytes of messages the peer takes of the whole connection."""
        self.first_window = FIRST_WINDOW
        """And of a call that begins."""
        self.max_frame = SMALLEST_MAX_FRAME

    def push(self, *pieces: bytes | memoryview) -> None:
        """Say something at the end of this turn."""
        if not self._due:
            at_end_of_turn(self.flush)
        self._due += pieces

    def flush(self) -> None:
        """Write what is due."""
        if self._due:
            data = b"".join(self._due)
            self._due.clear()
            if not self._transport.is_closing():
                self._transport.write(data)

    # -- calls

    def at_once(self, call: OpenCall, framed: bytes) -> bool:
        """Answer a call with a message and the status OK, if the peer takes all of it now; whether he does."""
        size, number = len(framed), call.number
        if size > min(self.window, call.window, self.max_frame) or self._before_block or not self._flow.is_writable:
            return False
        self.window -= size
        self.push(
            frames.head(len(_BEGIN[False]), HEADERS, END_HEADERS, number),
            _BEGIN[False],
            frames.head(size, DATA, 0, number),
            framed,
            frames.head(len(_OK), HEADERS, END_HEADERS | END_STREAM, number),
            _OK,
        )
        return True

    async def message(self, call: OpenCall, framed: bytes, is_gzip: bool) -> None:
        """Send a message with its prefix, as fast as the peer opens his window and takes what is written.

        Args:
            call: whose headers go first, unless they are out.
            framed: the message.
            is_gzip: whether messages of this call may be compressed.
        """
        if not call.has_begun:
            call.has_begun = True
            self._headers(call.number, _BEGIN[is_gzip], 0)
        unsent = memoryview(framed)
        while unsent:
            written = self._write(call, unsent)
            unsent = unsent[written:]
            if not unsent:
                break
            self.flush()
            self._control_bytes.earn(written >> 4)
            if not written:
                await _opened(call)
            await self._flow.writable()

    def end(self, call: OpenCall, reply: Reply) -> None:
        """Say how a call went, which ends it."""
        fields = [(b"grpc-status", b"%d" % reply.status)]
        if not call.has_begun:
            fields = [(b":status", b"200"), (b"content-type", grpc.CONTENT_TYPE), *fields]
        if reply.status is not Status.OK:
            fields.append((b"grpc-message", grpc.percent_encoded(reply.text)))
        if reply.code is not None:
            fields.append((b"x-bd-error-code", b"%d" % reply.code))
        if reply.timing:
            fields.append((b"server-timing", reply.timing.encode()))
        self._headers(call.number, _OK if len(fields) == 1 else block(fields), END_STREAM)
        if not call.incoming.is_whole:
            self.reset(call.number, ErrorCode.NO_ERROR)

    def http(self, number: int, status: bytes, is_whole: bool) -> None:
        """Answer a request that is no gRPC call, as HTTP does."""
        self._headers(number, block(((b":status", status), (b"allow", b"POST"))), END_STREAM)
        if not is_whole:
            self.reset(number, ErrorCode.NO_ERROR)

    def reset(self, number: int, code: ErrorCode) -> None:
        """End a call without a word."""
        self.push(frames.reset(number, code))

    # -- windows, settings, the end

    def widen(self, call: OpenCall, size: int) -> None:
        """Let more of a call's messages come."""
        call.room += size
        self.push(frames.window_update(call.number, size))

    def open_window(self, size: int) -> None:
        """The peer takes more of the whole connection.

        Raises:
            Broken: more than there can be.
        """
        self.window += size
        if self.window > LARGEST_WINDOW:
            raise Broken(ErrorCode.FLOW_CONTROL_ERROR, "the window of the connection is opened too far")

    def limit_table(self, size: int) -> None:
        """The peer keeps a table of no more than this; one that is smaller than before has to be confirmed."""
        if size < _TABLE_BYTES:
            self._before_block = NO_TABLE

    def goodbye(self, last: int, code: ErrorCode = ErrorCode.NO_ERROR) -> None:
        """Say at once that calls behind this one are not answered."""
        self.push(frames.goaway(last, code))
        self.flush()

    # -- details

    def _headers(self, number: int, said: bytes, flags: int) -> None:
        if self._before_block:
            said, self._before_block = self._before_block + said, b""
        first, rest = said[: self.max_frame], said[self.max_frame :]
        self.push(frames.frame(HEADERS, flags | (0 if rest else END_HEADERS), number, first))
        while rest:
            first, rest = rest[: self.max_frame], rest[self.max_frame :]
            self.push(frames.frame(frames.CONTINUATION, 0 if rest else END_HEADERS, number, first))

    def _write(self, call: OpenCall, unsent: memoryview) -> int:
        """Hand over what the windows let; how much that is."""
        most = max(0, min(len(unsent), _WRITE_BYTES, self.window, call.window))
        for at in range(0, most, self.max_frame):
            piece = unsent[at : min(at + self.max_frame, most)]
            self.push(frames.head(len(piece), DATA, 0, call.number), piece)
        self.window -= most
        call.window -= most
        return most


async def _opened(call: OpenCall) -> None:
    """Wait until the peer opens his window."""
    call.blocked = asyncio.get_running_loop().create_future()
    call.blocked_since = time.monotonic()
    try:
        await call.blocked
    finally:
        call.blocked = None
