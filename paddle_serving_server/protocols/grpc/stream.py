"""HTTP/2 on one connection, for unary gRPC calls: framing, windows, limits and the end. The grammar is that of h2.

What bounds memory: a call may send little before the length of its message is known; then the length is checked and
the call's window is opened for exactly that, as soon as there is room for it. What bounds work: the number of open
calls, and patience with peers who send much and let nothing get done.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from h2 import events
from h2.connection import ConnectionState
from h2.errors import ErrorCodes
from h2.exceptions import H2Error

from paddle_serving_client.errors import Busy, DeadlineExceeded, ServingError, TooLarge
from paddle_serving_client.wire import grpc
from paddle_serving_client.wire.grpc import Status
from paddle_serving_server.config.values import Limits
from paddle_serving_server.connection.flow import Flow
from paddle_serving_server.connection.intake import NO_ROOM, TOO_SLOW
from paddle_serving_server.connection.pace import HALF_S
from paddle_serving_server.protocols.grpc import headers
from paddle_serving_server.protocols.grpc.connection import FREE_BYTES, LARGEST_WINDOW, goodbye, server_connection
from paddle_serving_server.protocols.grpc.methods import GrpcCall, Reply, refusal
from paddle_serving_server.protocols.grpc.open_call import OpenCall
from paddle_serving_server.protocols.grpc.patience import Impatient, Patience
from paddle_serving_server.user_code import faults

logger = logging.getLogger(__name__)

RESETS: Final = (1000.0, 100.0)
"""Calls that a peer may reset: at once, and per second. Each answered call gives one back."""
CONTROL_BYTES: Final = (64 << 10, 4 << 10)
"""Bytes of frames that are no call (pings, settings, windows): at once, and per second. Calls give some back."""
_CONTROL_FRAME_BYTES: Final = 16
_CALL_BYTES: Final = 4 << 10
"""What one answered call gives back of those."""
_WRITE_BYTES: Final = 1 << 20
"""How much of an answer is handed over before looking whether the peer takes it."""
_CHECK_S: Final = 1.0
"""How often open calls are looked at."""
_GOODBYE: Final = b"draining"
_SOUND: Final = b"sounding"
Answer = Callable[[GrpcCall], Awaitable[Reply]]

_OK_HEADERS: Final = (
    (b":status", b"200"),
    (b"content-type", grpc.CONTENT_TYPE),
    (b"grpc-accept-encoding", grpc.ACCEPTED),
)
_GZIP_HEADERS: Final = (*_OK_HEADERS, (b"grpc-encoding", b"gzip"))


class GrpcStream:
    """One connection. Calls are answered as they are done."""

    def __init__(self, transport: asyncio.Transport, flow: Flow, answer: Answer, limits: Limits) -> None:
        self.transport = transport
        self.deadline = time.monotonic() + limits.head_s
        self._flow = flow
        self._answer = answer
        self._limits = limits
        self._calls: dict[int, OpenCall] = {}
        self._resets = Patience(*RESETS)
        self._control_bytes = Patience(*CONTROL_BYTES)
        self._unacknowledged = 0
        self._draining = False
        self._halves_until = float("inf")
        """While draining: until when calls that are half there are waited for."""
        self._goodbye_until = 0.0
        """While draining: until when the peer's last calls are waited for; 0: they are all here."""
        self._deaf = False
        self._h2 = server_connection()
        self._flush()

    @property
    def is_idle(self) -> bool:
        """Whether every whole call is answered."""
        return not any(call.whole for call in self._calls.values())

    @property
    def is_between(self) -> bool:
        """Whether it is idle, and nothing further has begun to come."""
        return not self._calls

    # -- from the listener

    def room(self) -> memoryview | None:
        """Nowhere: messages come in frames."""
        return None

    def filled(self, count: int) -> None:
        """Never called: there is no room."""

    def data_received(self, data: bytes) -> None:
        """Take bytes from the peer."""
        if self._deaf:
            return
        try:
            happened = self._h2.receive_data(data)
            if answers := self._h2.data_to_send():  # what h2 says by itself: to pings, settings, frames that come late
                self.transport.write(answers)
                self._spend(len(answers))
            for event in happened:
                self._take(event)
        except Impatient as exc:
            self._refuse(ErrorCodes.ENHANCE_YOUR_CALM, f"too many {exc}")
        except H2Error as exc:
            self._flush()  # h2 has written why
            self._refuse(None, str(exc))
        except Exception as exc:  # h2 and hpack have let others through on damaged frames
            logger.warning("closed a connection: HTTP/2 failed: %r", exc)
            self._refuse(ErrorCodes.INTERNAL_ERROR, "what came could not be read")
        else:
            self._flush()
            if happened:  # half a frame gains no time
                self._set_deadline()
            self._close_when_done()

    def expire(self) -> None:
        """Look for calls that do not come in, and answers that are not taken; close what is only silent."""
        now = time.monotonic()
        self.deadline = float("inf")
        if self._goodbye_until and now > self._goodbye_until:
            self._last_goodbye()
        for call in list(self._calls.values()):
            if not call.whole and min(call.deadline, self._halves_until) < now:
                self._end(call, refusal(DeadlineExceeded("the message did not arrive in time")))
            elif call.window is not None and now - call.blocked_since > self._limits.stall_s:
                self._drop(call, ErrorCodes.CANCEL)
        self._flush()
        if self._calls or self._goodbye_until:
            self._set_deadline()
        else:
            self._say_goodbye(self._h2.highest_inbound_stream_id)
            self.transport.close()

    def drain(self, peer_is_done: bool = False) -> None:
        """Take no new calls, finish those that came, then close.

        Calls may be on their way while the peer does not know yet: he is told that this is the end, then asked for a
        sign that he has read it, and what came before that sign is answered.
        """
        if peer_is_done:
            for call in [call for call in self._calls.values() if not call.whole]:
                self._forget(call)
            self._goodbye_until = 0.0
        elif not self._draining and not self._deaf:
            self._halves_until = time.monotonic() + _CHECK_S + HALF_S
            self._say_goodbye(LARGEST_WINDOW)
            self._h2.ping(_GOODBYE)
            self._goodbye_until = time.monotonic() + _CHECK_S
            self._set_deadline()
            self._flush()
        self._draining = True
        self._close_when_done()

    def sound(self) -> None:
        """Ask for a sign: one that has closed resets."""
        with contextlib.suppress(H2Error):
            self._h2.ping(_SOUND)
            self._flush()

    def connection_lost(self) -> None:
        """The peer is gone: nobody waits for the answers."""
        self._deaf = True
        for call in list(self._calls.values()):
            self._forget(call)

    # -- what came

    def _take(self, event: events.Event) -> None:
        match event:
            case events.DataReceived():
                self._take_data(event)
            case events.RequestReceived():
                self._open(event)
            case events.StreamEnded():
                self._take_end(event.stream_id)
            case events.StreamReset():
                if (call := self._calls.get(event.stream_id)) is not None:
                    self._forget(call)
                if not self._resets.spend(1):
                    raise Impatient("calls that were reset")
            case events.WindowUpdated():
                self._spend(_CONTROL_FRAME_BYTES)
                _wake(self._calls.values() if not event.stream_id else [self._calls.get(event.stream_id)])
            case events.RemoteSettingsChanged():
                _wake(self._calls.values())
            case events.PingAckReceived():
                self._spend(_CONTROL_FRAME_BYTES)
                if event.ping_data == _GOODBYE and self._goodbye_until:
                    self._last_goodbye()
            case events.ConnectionTerminated():
                # The peer opens no more calls; h2 would let none of those that are open be answered.
                self._h2.state_machine.state = ConnectionState.CLIENT_OPEN
                self._draining = True
            case events.PriorityUpdated() | events.UnknownFrameReceived():
                self._spend(_CONTROL_FRAME_BYTES)

    def _spend(self, control_bytes: int) -> None:
        if not self._control_bytes.spend(control_bytes):
            raise Impatient("frames that are no calls")

    def _open(self, event: events.RequestReceived) -> None:
        number = event.stream_id
        if self._draining and not self._goodbye_until:
            self._reset(number, ErrorCodes.REFUSED_STREAM)
            return
        try:
            said = headers.by_name(event.headers or ())
        except headers.Malformed as exc:
            logger.info("refused a call: %s", exc)
            self._reset(number, ErrorCodes.PROTOCOL_ERROR)
            return
        except TooLarge as exc:
            call = OpenCall(number, {}, self._limits)
            call.whole = event.stream_ended is not None
            self._end(call, refusal(exc))
            return
        kind = said.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if said[b":method"] != b"POST":
            self._say_http(event, b"405")
        elif kind not in (grpc.CONTENT_TYPE, grpc.CONTENT_TYPE + b"+proto"):
            self._say_http(event, b"415")
        else:
            self._calls[number] = OpenCall(number, said, self._limits)

    def _take_data(self, event: events.DataReceived) -> None:
        data, counted = event.data or b"", event.flow_controlled_length or 0
        if data:
            self._control_bytes.earn(len(data) >> 6)
        elif event.stream_ended is None:
            self._spend(_CONTROL_FRAME_BYTES)
        self._unacknowledged += counted
        if self._unacknowledged > LARGEST_WINDOW // 2:
            self._h2.increment_flow_control_window(self._unacknowledged)
            self._unacknowledged = 0
        call = self._calls.get(event.stream_id)
        if call is None:
            return
        if counted > len(data) and event.stream_ended is None:  # padding takes of the window, but is no message
            self._widen(call, counted - len(data))
        try:
            if call.add(data) and call.size > FREE_BYTES:
                self._want_room(call)
        except ServingError as exc:
            self._end(call, refusal(exc))

    def _take_end(self, number: int) -> None:
        call = self._calls.get(number)
        if call is None:
            return
        try:
            call.close()
        except ServingError as exc:
            self._end(call, refusal(exc))
            return
        call.task = asyncio.get_running_loop().create_task(self._work(call))

    # -- room for messages

    def _want_room(self, call: OpenCall) -> None:
        """Ask for memory for a message; until there is some, the window of its call stays as it is."""

        def on_room() -> None:
            call.move_in()
            self._widen(call, call.size - FREE_BYTES)
            self._flush()

        def on_refused() -> None:
            self._end(call, refusal(Busy(NO_ROOM)))
            self._flush()

        def on_cut() -> None:
            self._end(call, refusal(DeadlineExceeded(TOO_SLOW)))
            self._flush()

        call.hold()
        call.claim = self._flow.intake.ask(self._flow.peer, call.size, on_room, on_refused, on_cut)
        if call.claim.memory is not None:
            on_room()

    def _widen(self, call: OpenCall, size: int) -> None:
        """Let more of a call's message come."""
        with contextlib.suppress(H2Error):  # it was reset meanwhile
            self._h2.increment_flow_control_window(size, call.number)

    # -- the way back

    async def _work(self, call: OpenCall) -> None:
        try:
            await self._flow.writable()
            reply = await self._answer(call.as_call())
            if reply.status is Status.OK:
                await self._send_message(call, reply)
            self._end(call, reply)
        except H2Error as exc:
            logger.info("an answer could not be given: %s", exc)
            self._forget(call, keep_task=True)
        except BaseException as exc:
            self._end(call, refusal(faults.as_error(exc, "a call")))
        if not self.transport.is_closing():
            self._flush()
            self._set_deadline()
            self._close_when_done()

    async def _send_message(self, call: OpenCall, reply: Reply) -> None:
        """Send headers and message, as fast as the peer opens his window and takes what is written."""
        self._h2.send_headers(call.number, _GZIP_HEADERS if reply.is_gzip else _OK_HEADERS)
        unsent = memoryview(reply.message)
        while unsent:
            written = 0
            while unsent and written < _WRITE_BYTES:
                room = min(self._h2.local_flow_control_window(call.number), self._h2.max_outbound_frame_size)
                if room <= 0:
                    break
                self._h2.send_data(call.number, bytes(unsent[:room]))
                unsent = unsent[room:]
                written += room
            if not unsent:
                break
            self._flush()
            self._control_bytes.earn(written >> 4)  # he opens his window in answer to what he gets
            if not written:
                call.window = asyncio.get_running_loop().create_future()
                call.blocked_since = time.monotonic()
                self._set_deadline()
                await call.window
                call.window = None
            await self._flow.writable()

    def _end(self, call: OpenCall, reply: Reply) -> None:
        """Say how the call went, which ends it."""
        trailers = [(b"grpc-status", b"%d" % reply.status)]
        if reply.status is not Status.OK:
            trailers = [(b":status", b"200"), (b"content-type", grpc.CONTENT_TYPE), *trailers]
            trailers.append((b"grpc-message", grpc.percent_encoded(reply.text)))
        if reply.code is not None:
            trailers.append((b"x-bd-error-code", b"%d" % reply.code))
        if reply.timing:
            trailers.append((b"server-timing", reply.timing.encode()))
        with contextlib.suppress(H2Error):  # it was reset meanwhile
            self._h2.send_headers(call.number, trailers, end_stream=True)
            if not call.whole:
                self._h2.reset_stream(call.number, ErrorCodes.NO_ERROR)
        self._forget(call, keep_task=True)
        self._resets.earn(1)
        self._control_bytes.earn(_CALL_BYTES)

    def _say_http(self, event: events.RequestReceived, status: bytes) -> None:
        """Answer a request that is no gRPC call, as HTTP does."""
        with contextlib.suppress(H2Error):  # it was reset meanwhile
            self._h2.send_headers(event.stream_id, [(b":status", status), (b"allow", b"POST")], end_stream=True)
            if event.stream_ended is None:
                self._h2.reset_stream(event.stream_id, ErrorCodes.NO_ERROR)

    def _drop(self, call: OpenCall, code: ErrorCodes) -> None:
        self._reset(call.number, code)
        self._forget(call)

    def _reset(self, number: int, code: ErrorCodes) -> None:
        with contextlib.suppress(H2Error):  # over already
            self._h2.reset_stream(number, code)

    def _forget(self, call: OpenCall, keep_task: bool = False) -> None:
        """A call is over; its work is stopped, unless that is what speaks."""
        if self._calls.pop(call.number, None) is None:
            return
        if call.task is not None and not keep_task:
            call.task.cancel()
        call.drop()

    # -- the connection

    def _flush(self) -> None:
        if (data := self._h2.data_to_send()) and not self.transport.is_closing():
            self.transport.write(data)

    def _set_deadline(self) -> None:
        now = time.monotonic()
        if self._calls or self._goodbye_until:
            self.deadline = min(self.deadline, now + _CHECK_S)  # whatever else comes, they are looked at
        else:
            self.deadline = now + self._limits.idle_s

    def _say_goodbye(self, last: int, code: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        self._flush()
        if not self.transport.is_closing():
            self.transport.write(goodbye(last, code))

    def _last_goodbye(self) -> None:
        self._goodbye_until = 0.0
        self._say_goodbye(self._h2.highest_inbound_stream_id)

    def _refuse(self, code: ErrorCodes | None, reason: str) -> None:
        """The framing is lost, or the peer asks too much: close, and stop the work for him."""
        logger.info("refused a connection: %s", reason)
        self._deaf = True
        for call in list(self._calls.values()):
            self._forget(call)
        if code is not None:
            self._say_goodbye(self._h2.highest_inbound_stream_id, code)
        self.transport.close()

    def _close_when_done(self) -> None:
        if self._draining and not self._calls and not self._goodbye_until:
            self.transport.close()


def _wake(calls: Iterable[OpenCall | None]) -> None:
    """Let those go on that wait for the peer's window."""
    for call in calls:
        if call is not None and call.window is not None and not call.window.done():
            call.window.set_result(None)
