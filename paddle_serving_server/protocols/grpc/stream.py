"""HTTP/2 on one connection, for gRPC calls: frames, floods, the end. The grammar is that of h2.

What bounds memory: see `incoming`. What bounds work: the number of open calls, and patience with peers who send much
and let nothing get done.
"""

import asyncio
import contextlib
import logging
import time
from typing import Final

from h2 import events
from h2.connection import ConnectionState
from h2.errors import ErrorCodes
from h2.exceptions import H2Error

from paddle_serving_server.config.values import Limits
from paddle_serving_server.connection.flow import Flow
from paddle_serving_server.connection.pace import HALF_S
from paddle_serving_server.protocols.grpc.calls import Calls
from paddle_serving_server.protocols.grpc.connection import LARGEST_WINDOW, server_connection
from paddle_serving_server.protocols.grpc.methods import Methods
from paddle_serving_server.protocols.grpc.patience import Impatient, Patience
from paddle_serving_server.protocols.grpc.sending import Sending

logger = logging.getLogger(__name__)

CONTROL_BYTES: Final = (64 << 10, 4 << 10)
"""Bytes of frames that are no call (pings, settings, windows): at once, and per second. Calls give some back."""
_CONTROL_FRAME_BYTES: Final = 16
_CHECK_S: Final = 1.0
"""How often open calls are looked at."""
_GOODBYE: Final = b"draining"
_SOUND: Final = b"sounding"


class GrpcStream:
    """One connection. Calls are answered as they are done."""

    def __init__(self, transport: asyncio.Transport, flow: Flow, methods: Methods, limits: Limits) -> None:
        self.transport = transport
        self.deadline = time.monotonic() + limits.head_s
        self._limits = limits
        self._control_bytes = Patience(*CONTROL_BYTES)
        self._unacknowledged = 0
        self._draining = False
        self._halves_until = float("inf")
        """While draining: until when calls that are half there are waited for."""
        self._goodbye_until = 0.0
        """While draining: until when the peer's last calls are waited for; 0: they are all here."""
        self._deaf = False
        self._heard = time.monotonic()
        """When something came, or a sign was asked for."""
        self._h2 = server_connection()
        self._sending = Sending(self._h2, transport, flow, self._control_bytes)
        self._calls = Calls(flow, methods, limits, self._sending, self._control_bytes, self._on_over)
        self._sending.flush()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is worked on."""
        return self._calls.are_idle

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
        self._heard = time.monotonic()
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
            self._sending.flush()  # h2 has written why
            self._refuse(None, str(exc))
        except Exception as exc:  # h2 and hpack have let others through on damaged frames
            logger.warning("closed a connection: HTTP/2 failed: %r", exc)
            self._refuse(ErrorCodes.INTERNAL_ERROR, "what came could not be read")
        else:
            self._sending.flush()
            if happened:  # half a frame gains no time
                self._set_deadline()
            self._close_when_done()

    def expire(self) -> None:
        """Look for calls that do not come in, and answers that are not taken; close what is only silent."""
        now = time.monotonic()
        self.deadline = float("inf")
        if self._goodbye_until and now > self._goodbye_until:
            self._last_goodbye()
        self._calls.expire(now, self._halves_until)
        self._sending.flush()
        if not self._calls and not self._goodbye_until:
            self._sending.goodbye(self._h2.highest_inbound_stream_id)
            self.transport.close()
            return
        self._set_deadline()
        if now - self._heard > self._limits.idle_s:  # streams may be silent for long: is anybody there?
            self._heard = now
            self.sound()

    def drain(self, peer_is_done: bool = False) -> None:
        """Take no new calls, finish those that came, then close.

        Calls may be on their way while the peer does not know yet: he is told that this is the end, then asked for a
        sign that he has read it, and what came before that sign is answered.
        """
        if peer_is_done:
            self._calls.forget(only_halves=True)
            self._goodbye_until = 0.0
        elif not self._draining and not self._deaf:
            self._halves_until = time.monotonic() + _CHECK_S + HALF_S
            self._sending.goodbye(LARGEST_WINDOW)
            self._h2.ping(_GOODBYE)
            self._goodbye_until = time.monotonic() + _CHECK_S
            self._set_deadline()
            self._sending.flush()
        self._draining = True
        self._close_when_done()

    def sound(self) -> None:
        """Ask for a sign: one that has closed resets."""
        with contextlib.suppress(H2Error):
            self._h2.ping(_SOUND)
            self._sending.flush()

    def connection_lost(self) -> None:
        """The peer is gone: nobody waits for the answers."""
        self._deaf = True
        self._calls.forget()

    # -- what came

    def _take(self, event: events.Event) -> None:
        match event:
            case events.DataReceived():
                self._take_data(event)
            case events.RequestReceived():
                if self._draining and not self._goodbye_until:
                    self._sending.reset(event.stream_id, ErrorCodes.REFUSED_STREAM)
                else:
                    self._calls.open(event.stream_id, event.headers or (), event.stream_ended is not None)
            case events.StreamEnded():
                self._calls.close(event.stream_id)
            case events.StreamReset():
                if not self._calls.reset(event.stream_id):
                    raise Impatient("calls that were reset")
            case events.WindowUpdated():
                self._spend(_CONTROL_FRAME_BYTES)
                self._calls.wake(event.stream_id or 0)
            case events.RemoteSettingsChanged():
                self._calls.wake()
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
        self._calls.add(event.stream_id, data, counted - len(data) if event.stream_ended is None else 0)

    # -- the connection

    def _on_over(self) -> None:
        """The work on a call is over."""
        if not self.transport.is_closing():
            self._sending.flush()
            self._set_deadline()
            self._close_when_done()

    def _set_deadline(self) -> None:
        now = time.monotonic()
        if self._calls or self._goodbye_until:
            self.deadline = min(self.deadline, now + _CHECK_S)  # whatever else comes, they are looked at
        else:
            self.deadline = now + self._limits.idle_s

    def _last_goodbye(self) -> None:
        """No more calls come; those that would not end by themselves are ended."""
        self._goodbye_until = 0.0
        self._sending.goodbye(self._h2.highest_inbound_stream_id)
        self._calls.stop()

    def _refuse(self, code: ErrorCodes | None, reason: str) -> None:
        """The framing is lost, or the peer asks too much: close, and stop the work for him."""
        logger.info("refused a connection: %s", reason)
        self._deaf = True
        self._calls.forget()
        if code is not None:
            self._sending.goodbye(self._h2.highest_inbound_stream_id, code)
        self.transport.close()

    def _close_when_done(self) -> None:
        if self._draining and not self._calls and not self._goodbye_until:
            self.transport.close()
