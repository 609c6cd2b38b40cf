"""Answering the calls of one connection: who works on them, and how each of them ends, once."""

import asyncio
from collections.abc import Callable
from typing import Final

from paddle_serving_client.errors import ServingError, Stopping
from paddle_serving_client.wire import grpc
from paddle_serving_client.wire.brpc import MIN_GZIP_BYTES
from paddle_serving_client.wire.grpc import Status
from paddle_serving_server.connection.flow import Flow
from paddle_serving_server.protocols.grpc import small_calls
from paddle_serving_server.protocols.grpc.incoming import Piece
from paddle_serving_server.protocols.grpc.methods import Methods, Reply, refusal
from paddle_serving_server.protocols.grpc.open_call import OpenCall
from paddle_serving_server.protocols.grpc.patience import Patience
from paddle_serving_server.protocols.grpc.sending import Sending
from paddle_serving_server.services.compression import gzipped
from paddle_serving_server.user_code import faults

RESETS: Final = (1000.0, 100.0)
"""Calls that a peer may reset: at once, and per second. Each answered call gives one back."""
STOPPING: Final = "the server is stopping"
_CALL_BYTES: Final = 4 << 10
"""What one answered call gives back of the bytes that are no calls."""


class Answering:
    """The calls that are not over, by the number of their stream, and what is done for them."""

    def __init__(
        self, flow: Flow, methods: Methods, sending: Sending, control_bytes: Patience, on_over: Callable[[], None]
    ) -> None:
        """Have none.

        Args:
            flow: of the connection.
            methods: answer calls.
            sending: the way back.
            control_bytes: what an answered call gives something back to.
            on_over: told when the work on one is over.
        """
        self._flow = flow
        self._methods = methods
        self._sending = sending
        self._control_bytes = control_bytes
        self._on_over = on_over
        self.calls: dict[int, OpenCall] = {}
        self.resets = Patience(*RESETS)

    def begin_at_once(self, call: OpenCall, piece: Piece) -> None:
        """Have a call answered whose message is there."""
        call.piece = piece
        if not small_calls.take(self, self._methods, call, piece):
            self.begin(call)

    def begin(self, call: OpenCall) -> None:
        """Have a call answered by a task of its own."""
        call.task = asyncio.get_running_loop().create_task(self._work(call))

    def answer(self, call: OpenCall, message: bytes) -> None:
        """Answer a call with a message; with a task only where it is compressed, or not taken at once."""
        if call.is_over:
            return
        is_large = call.head.takes_gzip and len(message) >= MIN_GZIP_BYTES
        if not is_large and self._sending.at_once(call, grpc.framed(message)):
            self._over(call)
            self._on_over()
        else:
            call.task = asyncio.get_running_loop().create_task(self._send(call, message))

    async def _send(self, call: OpenCall, message: bytes) -> None:
        packed = await gzipped(message) if call.head.takes_gzip else None
        framed = grpc.framed(message) if packed is None else grpc.framed(packed, compressed=True)
        await self._sending.message(call, framed, packed is not None)
        self.end(call, Reply())
        self._on_over()

    async def _work(self, call: OpenCall) -> None:
        try:
            if not self._flow.is_writable:
                await self._flow.writable()
            reply = await self._replied(call)
            if reply is not None:
                self.end(call, reply)
        except asyncio.CancelledError:
            if not call.is_stopping:
                raise
            self.end(call, refusal(Stopping(STOPPING)))
        except BaseException as exc:
            self.end(call, refusal(faults.as_error(exc, "a call")))
        self._on_over()

    async def _replied(self, call: OpenCall) -> Reply | None:
        """How a call went, when its messages are sent; None: that is said, too."""
        asked = call.as_call(self._flow.peer)
        if call.kind is None:
            reply = await self._methods.answer(asked)
            if reply.status is not Status.OK:
                return reply
            if not (reply.is_gzip or reply.timing) and self._sending.at_once(call, reply.message):
                self._over(call)
                return None
            await self._sending.message(call, reply.message, reply.is_gzip)
            return reply

        async def send(framed: bytes) -> None:
            await self._sending.message(call, framed, asked.takes_gzip)

        return await self._methods.stream(asked, call.stream, send)

    def refuse(self, call: OpenCall, error: ServingError) -> None:
        """Answer a call with an error."""
        self.end(call, refusal(error))
        self._on_over()

    @property
    def is_writable(self) -> bool:
        """Whether the peer takes what is written."""
        return self._flow.is_writable

    def end(self, call: OpenCall, reply: Reply) -> None:
        """Say how a call went, which ends it."""
        if not call.is_over:
            self._sending.end(call, reply)
            self._over(call)

    def _over(self, call: OpenCall) -> None:
        """A call is answered."""
        self.forget(call, keep_task=True)
        self.resets.earn(1)
        self._control_bytes.earn(_CALL_BYTES)

    def forget(self, call: OpenCall, keep_task: bool = False) -> None:
        """A call is over; its work is stopped, unless that is what speaks."""
        if call.is_over:
            return
        call.is_over = True
        del self.calls[call.number]
        if call.task is not None and not keep_task:
            call.task.cancel()
        call.incoming.drop()
