"""HTTP/2 on one connection, for gRPC calls: its beginning, its end, and the time between.

What bounds memory: see `incoming`. What bounds work: the number of open calls, and patience with peers who send much
and let nothing get done.
"""

import asyncio
import logging
import time
from typing import Final

from paddle_serving_server.config.values import Limits
from paddle_serving_server.connection.flow import Flow
from paddle_serving_server.connection.pace import HALF_S
from paddle_serving_server.protocols.grpc import frames
from paddle_serving_server.protocols.grpc.calls import Calls
from paddle_serving_server.protocols.grpc.frames import (
    FIRST_WINDOW,
    LARGEST_WINDOW,
    MAX_FRAME_BYTES,
    PING,
    Broken,
    ErrorCode,
    Setting,
)
from paddle_serving_server.protocols.grpc.headers import MAX_HEADER_BYTES
from paddle_serving_server.protocols.grpc.incoming import FREE_BYTES
from paddle_serving_server.protocols.grpc.methods import Methods
from paddle_serving_server.protocols.grpc.patience import Impatient, Patience
from paddle_serving_server.protocols.grpc.reading import MAX_OPEN_CALLS, Reading
from paddle_serving_server.protocols.grpc.sending import Sending

logger = logging.getLogger(__name__)

CONTROL_BYTES: Final = (64 << 10, 4 << 10)
"""Bytes of frames that are no call (pings, settings, windows): at once, and per second. Calls give some back."""
_CHECK_S: Final = 1.0
"""How often open calls are looked at."""
_GOODBYE: Final = b"draining"
_SOUND: Final = b"sounding"
_GREETING: Final = frames.settings(
    {
        Setting.MAX_CONCURRENT_STREAMS: MAX_OPEN_CALLS,
        Setting.MAX_HEADER_LIST_SIZE: MAX_HEADER_BYTES,
        Setting.INITIAL_WINDOW_SIZE: FREE_BYTES,
        Setting.MAX_FRAME_SIZE: MAX_FRAME_BYTES,
    }
    # What bounds memory is the windows of the calls; that of the connection is kept out of the way.
) + frames.window_update(0, LARGEST_WINDOW - FIRST_WINDOW)


class GrpcStream:
    """One connection. Calls are answered as they are done."""

    def __init__(self, transport: asyncio.Transport, flow: Flow, methods: Methods, limits: Limits) -> None:
        self.transport = transport
        self.deadline = time.monotonic() + limits.head_s
        self._limits = limits
        self._draining = False
        self._halves_until = float("inf")
        """While draining: until when calls that are half there are waited for."""
        self._goodbye_until = 0.0
        """While draining: until when the peer's last calls are waited for; 0: they are all here."""
        self._deaf = False
        self._heard = time.monotonic()
        """When something came, or a sign was asked for."""
        control_bytes = Patience(*CONTROL_BYTES)
        self._sending = Sending(transport, flow, control_bytes)
        self._calls = Calls(flow, methods, limits, self._sending, control_bytes, self._on_over)
        self._reading = Reading(
            self._calls, self._sending, control_bytes, self._takes_calls, self._on_ping, self._on_goaway
        )
        self._sending.push(_GREETING)
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
            has_frames = self._reading.feed(data)
        except Impatient as exc:
            self._refuse(ErrorCode.ENHANCE_YOUR_CALM, f"too many {exc}")
        except Broken as exc:
            self._refuse(exc.code, str(exc))
        except Exception:
            logger.exception("closed a connection: HTTP/2 failed")
            self._refuse(ErrorCode.INTERNAL_ERROR, "what came could not be read")
        else:
            if has_frames:  # half a frame gains no time
                self._set_deadline()
            self._close_when_done()

    def expire(self) -> None:
        """Look for calls that do not come in, and answers that are not taken; close what is only silent."""
        now = time.monotonic()
        self.deadline = float("inf")
        if self._goodbye_until and now > self._goodbye_until:
            self._last_goodbye()
        self._calls.expire(now, self._halves_until)
        if not self._calls and not self._goodbye_until:
            self._sending.goodbye(self._reading.last)
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
            self._sending.push(frames.frame(PING, 0, 0, _GOODBYE))
            self._goodbye_until = time.monotonic() + _CHECK_S
            self._set_deadline()
        self._draining = True
        self._close_when_done()

    def sound(self) -> None:
        """Ask for a sign: one that has closed resets."""
        self._sending.push(frames.frame(PING, 0, 0, _SOUND))
        self._sending.flush()

    def connection_lost(self) -> None:
        """The peer is gone: nobody waits for the answers."""
        self._deaf = True
        self._calls.forget()

    # -- from what is read

    def _takes_calls(self) -> bool:
        return not self._draining or bool(self._goodbye_until)

    def _on_ping(self, said: bytes) -> None:
        if said == _GOODBYE and self._goodbye_until:
            self._last_goodbye()

    def _on_goaway(self) -> None:
        self._draining = True

    # -- the connection

    def _on_over(self) -> None:
        """The work on a call is over."""
        if not self.transport.is_closing():
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
        self._sending.goodbye(self._reading.last)
        self._calls.stop()

    def _refuse(self, code: ErrorCode, reason: str) -> None:
        """The framing is lost, or the peer asks too much: close, and stop the work for him."""
        logger.info("refused a connection: %s", reason)
        self._deaf = True
        self._calls.forget()
        self._sending.goodbye(self._reading.last, code)
        self.transport.close()

    def _close_when_done(self) -> None:
        if self._draining and not self._calls and not self._goodbye_until:
            self._sending.flush()
            self.transport.close()
