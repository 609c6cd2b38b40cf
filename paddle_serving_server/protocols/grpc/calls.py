"""The calls of one connection that are not over: their messages, who works on them, how they end."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final

from h2.errors import ErrorCodes
from h2.exceptions import H2Error

from paddle_serving_client.errors import DeadlineExceeded, ServingError, Stopping, TooLarge
from paddle_serving_client.wire import grpc
from paddle_serving_client.wire.grpc import Status
from paddle_serving_server.config.values import Limits
from paddle_serving_server.connection.flow import Flow
from paddle_serving_server.protocols.grpc import headers
from paddle_serving_server.protocols.grpc.incoming import Incoming
from paddle_serving_server.protocols.grpc.incoming_stream import IncomingStream
from paddle_serving_server.protocols.grpc.methods import Methods, Reply, refusal
from paddle_serving_server.protocols.grpc.open_call import OpenCall
from paddle_serving_server.protocols.grpc.patience import Patience
from paddle_serving_server.protocols.grpc.sending import Sending
from paddle_serving_server.protocols.grpc.services import Bidirectional, ServerStreaming
from paddle_serving_server.user_code import faults

logger = logging.getLogger(__name__)

RESETS: Final = (1000.0, 100.0)
"""Calls that a peer may reset: at once, and per second. Each answered call gives one back."""
_CALL_BYTES: Final = 4 << 10
"""What one answered call gives back of the bytes that are no calls."""
_STOPPING: Final = "the server is stopping"


class Calls:
    """Those of one connection, by the number of their stream."""

    def __init__(
        self,
        flow: Flow,
        methods: Methods,
        limits: Limits,
        sending: Sending,
        control_bytes: Patience,
        on_over: Callable[[], None],
    ) -> None:
        """Have none.

        Args:
            flow: of the connection.
            methods: answer them.
            limits: of the server.
            sending: the way back.
            control_bytes: what an answered call gives something back to.
            on_over: told when the work on one is over.
        """
        self._flow = flow
        self._methods = methods
        self._limits = limits
        self._sending = sending
        self._control_bytes = control_bytes
        self._on_over = on_over
        self._calls: dict[int, OpenCall] = {}
        self.resets = Patience(*RESETS)

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def are_idle(self) -> bool:
        """Whether nothing is worked on."""
        return all(call.task is None for call in self._calls.values())

    # -- what came

    def open(self, number: int, fields: Iterable[tuple[bytes, bytes]], is_whole: bool) -> None:
        """The headers of a call came; `is_whole`: and nothing more comes."""
        try:
            found = headers.by_name(fields)
        except headers.Malformed as exc:
            logger.info("refused a call: %s", exc)
            self._sending.reset(number, ErrorCodes.PROTOCOL_ERROR)
            return
        except TooLarge as exc:
            call = self._opened(number, {})
            call.incoming.is_whole = is_whole
            self._end(call, refusal(exc))
            return
        media_type = found.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if found[b":method"] != b"POST":
            self._sending.http(number, b"405", is_whole)
        elif media_type not in (grpc.CONTENT_TYPE, grpc.CONTENT_TYPE + b"+proto"):
            self._sending.http(number, b"415", is_whole)
        else:
            call = self._opened(number, found)
            if call.stream is not None:
                self._begin(call)

    def add(self, number: int, data: bytes, padding: int) -> None:
        """A piece of a call's messages came; with padding, which takes of the window, but is no message."""
        call = self._calls.get(number)
        if call is None:
            return
        if padding:
            self._sending.widen(number, padding)
        try:
            call.incoming.add(data)
        except ServingError as exc:
            self._end(call, refusal(exc))

    def close(self, number: int) -> None:
        """Nothing more comes of a call."""
        call = self._calls.get(number)
        if call is None:
            return
        try:
            call.incoming.close()
        except ServingError as exc:
            self._end(call, refusal(exc))
            return
        if call.task is None:
            self._begin(call)

    def reset(self, number: int) -> bool:
        """The peer has no use for a call any more; false when he does that too often."""
        if (call := self._calls.get(number)) is not None:
            self._forget(call)
        return self.resets.spend(1)

    def wake(self, number: int = 0) -> None:
        """The peer has opened his window for a call; 0: for all."""
        for call in list(self._calls.values()) if not number else [self._calls.get(number)]:
            if call is not None and call.window is not None and not call.window.done():
                call.window.set_result(None)

    # -- what did not come

    def expire(self, now: float, halves_until: float) -> None:
        """End those whose messages do not come in, those of the time before by then, and answers that are not taken."""
        for call in list(self._calls.values()):
            if call.incoming.late_at < now or (call.task is None and halves_until < now):
                self._fail(call, DeadlineExceeded("the message did not arrive in time"))
            elif call.window is not None and now - call.blocked_since > self._limits.stall_s:
                self._sending.reset(call.number, ErrorCodes.CANCEL)
                self._forget(call)

    def stop(self) -> None:
        """No more calls come; those that would not end by themselves are ended."""
        for call in list(self._calls.values()):
            if call.stream is not None:
                call.stream.fail(Stopping(_STOPPING))
            elif isinstance(call.kind, ServerStreaming) and call.kind.is_endless and call.task is not None:
                call.is_stopping = True
                call.task.cancel()

    def forget(self, only_halves: bool = False) -> None:
        """Nobody waits for them; `only_halves`: for those of which more was to come."""
        for call in list(self._calls.values()):
            if not (only_halves and call.incoming.is_whole):
                self._forget(call)

    # -- details

    def _opened(self, number: int, fields: dict[bytes, bytes]) -> OpenCall:
        """A call of which only the headers are there."""

        def widen(size: int) -> None:
            self._sending.widen(number, size)
            self._sending.flush()

        def fail(error: ServingError) -> None:
            self._end(self._calls[number], refusal(error))
            self._sending.flush()

        kind = self._methods.kind(fields.get(b":path", b"").decode("latin-1"))
        if isinstance(kind, Bidirectional):
            incoming: Incoming = IncomingStream(self._flow, self._limits, widen)
        else:
            incoming = Incoming(self._flow, self._limits, widen, fail)
        call = self._calls[number] = OpenCall(number, fields, incoming, kind)
        return call

    def _begin(self, call: OpenCall) -> None:
        call.task = asyncio.get_running_loop().create_task(self._work(call))

    async def _work(self, call: OpenCall) -> None:
        try:
            await self._flow.writable()
            self._end(call, await self._replied(call))
        except H2Error as exc:
            logger.info("an answer could not be given: %s", exc)
            self._forget(call, keep_task=True)
        except asyncio.CancelledError:
            if not call.is_stopping:
                raise
            self._end(call, refusal(Stopping(_STOPPING)))
        except BaseException as exc:
            self._end(call, refusal(faults.as_error(exc, "a call")))
        self._on_over()

    async def _replied(self, call: OpenCall) -> Reply:
        asked = call.as_call()
        if call.kind is None:
            reply = await self._methods.answer(asked)
            if reply.status is Status.OK:
                await self._sending.message(call, reply.message, reply.is_gzip)
            return reply

        async def send(framed: bytes) -> None:
            await self._sending.message(call, framed, asked.takes_gzip)
            self._sending.flush()

        return await self._methods.stream(asked, call.stream, send)

    def _end(self, call: OpenCall, reply: Reply) -> None:
        """Say how the call went, which ends it."""
        self._sending.end(call, reply)
        self._forget(call, keep_task=True)
        self.resets.earn(1)
        self._control_bytes.earn(_CALL_BYTES)

    def _fail(self, call: OpenCall, error: ServingError) -> None:
        """What was to come of a call will not come."""
        if call.stream is not None:
            call.stream.fail(error)
        else:
            self._end(call, refusal(error))

    def _forget(self, call: OpenCall, keep_task: bool = False) -> None:
        """A call is over; its work is stopped, unless that is what speaks."""
        if self._calls.pop(call.number, None) is None:
            return
        if call.task is not None and not keep_task:
            call.task.cancel()
        call.incoming.drop()
