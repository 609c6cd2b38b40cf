"""What the frames of a peer mean: calls that are opened, go on and end, windows, settings; and what is too much.

Frames for calls that are over are read over: he may not know yet.
"""

from collections.abc import Callable
from typing import Final

from paddle_serving_server.protocols.grpc import frames, headers
from paddle_serving_server.protocols.grpc.calls import Calls
from paddle_serving_server.protocols.grpc.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    LARGEST_MAX_FRAME,
    LARGEST_WINDOW,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    SMALLEST_MAX_FRAME,
    WINDOW_UPDATE,
    WITH_PRIORITY,
    Broken,
    ErrorCode,
    Setting,
)
from paddle_serving_server.protocols.grpc.header_blocks import READ_HEADER_BYTES, HeaderBlocks
from paddle_serving_server.protocols.grpc.headers import Head
from paddle_serving_server.protocols.grpc.patience import Impatient, Patience
from paddle_serving_server.protocols.grpc.sending import Sending

MAX_OPEN_CALLS: Final = 100
_CONTROL_FRAME_BYTES: Final = 16
_PRIORITY_BYTES: Final = 5
_PING_BYTES: Final = 8
_MAX_CONTINUATIONS: Final = 64
_OF_CALLS: Final = frozenset((DATA, HEADERS, PRIORITY, RST_STREAM, CONTINUATION))
_OF_CONNECTION: Final = frozenset((SETTINGS, PING, GOAWAY))


class Reading:
    """The frames of one connection, one after the other."""

    def __init__(
        self,
        calls: Calls,
        sending: Sending,
        control_bytes: Patience,
        takes_calls: Callable[[], bool],
        on_ping: Callable[[bytes], None],
        on_goaway: Callable[[], None],
    ) -> None:
        """Have read nothing.

        Args:
            calls: told of what comes.
            sending: what has to be answered at once.
            control_bytes: spent by frames that are no calls.
            takes_calls: whether new ones are answered.
            on_ping: told what was in the answer to a ping.
            on_goaway: told when the peer opens no more calls.
        """
        self._calls = calls
        self._sending = sending
        self._control_bytes = control_bytes
        self._takes_calls = takes_calls
        self._on_ping = on_ping
        self._on_goaway = on_goaway
        self._blocks: HeaderBlocks[Head] = HeaderBlocks(headers.read)
        self._reader = frames.FrameReader(self._take)
        self.feed = self._reader.feed
        self.last = 0
        """The highest number of a call."""
        self._unacknowledged = 0
        self._half: tuple[int, int, list[bytes]] | None = None
        """Headers that go on in the next frame: the call, the flags, the pieces."""
        self._half_bytes = 0
        self._has_settings = False

    def _take(self, kind: int, flags: int, number: int, payload: memoryview) -> None:
        if self._half is not None and kind != CONTINUATION:
            raise Broken(ErrorCode.PROTOCOL_ERROR, "headers are broken off by another frame")
        if not self._has_settings and kind != SETTINGS:
            raise Broken(ErrorCode.PROTOCOL_ERROR, "the first frame is not one of settings")
        if (kind in _OF_CALLS and not number) or (kind in _OF_CONNECTION and number):
            raise Broken(ErrorCode.PROTOCOL_ERROR, f"a frame of kind {kind} for stream {number}")
        if kind == DATA:
            self._data(flags, number, payload)
        elif kind == HEADERS:
            self._headers(flags, number, payload)
        elif kind == WINDOW_UPDATE:
            self._window(number, frames.number_in(payload) & LARGEST_WINDOW)
        elif kind == PING:
            self._ping(flags, payload)
        elif kind == SETTINGS:
            self._settings(flags, payload)
        elif kind == RST_STREAM:
            frames.number_in(payload)
            self._refuse_unopened(number)
            if not self._calls.reset(number):
                raise Impatient("calls that were reset")
        elif kind == CONTINUATION:
            self._continued(flags, number, payload)
        elif kind == GOAWAY:
            self._on_goaway()
        elif kind == PUSH_PROMISE:
            raise Broken(ErrorCode.PROTOCOL_ERROR, "a client that pushes")
        else:
            if kind == PRIORITY and len(payload) != _PRIORITY_BYTES:
                raise Broken(ErrorCode.FRAME_SIZE_ERROR, f"a priority of {len(payload)} bytes")
            self._spend(_CONTROL_FRAME_BYTES)

    # -- calls

    def _data(self, flags: int, number: int, payload: memoryview) -> None:
        data, counted, is_end = frames.unpadded(flags, payload), len(payload), bool(flags & END_STREAM)
        self._refuse_unopened(number)
        self._unacknowledged += counted
        if self._unacknowledged > LARGEST_WINDOW // 2:
            self._sending.push(frames.window_update(0, self._unacknowledged))
            self._unacknowledged = 0
        is_known = self._calls.add(number, counted, data, is_end)
        if is_known and data:
            self._control_bytes.earn(len(data) >> 6)
        elif not is_end:
            self._spend(_CONTROL_FRAME_BYTES)

    def _headers(self, flags: int, number: int, payload: memoryview) -> None:
        block = frames.unpadded(flags, payload)
        if flags & WITH_PRIORITY:
            if len(block) < _PRIORITY_BYTES:
                raise Broken(ErrorCode.FRAME_SIZE_ERROR, "headers without the priority that they announce")
            block = block[_PRIORITY_BYTES:]
        if flags & END_HEADERS:
            self._opened(flags, number, bytes(block))
        else:
            self._half, self._half_bytes = (number, flags, [bytes(block)]), len(block)

    def _continued(self, flags: int, number: int, payload: memoryview) -> None:
        if self._half is None or self._half[0] != number:
            raise Broken(ErrorCode.PROTOCOL_ERROR, "headers go on that were not begun")
        _, first_flags, pieces = self._half
        pieces.append(bytes(payload))
        self._half_bytes += len(payload)
        if self._half_bytes > READ_HEADER_BYTES or len(pieces) > _MAX_CONTINUATIONS:
            raise Impatient("headers")
        if flags & END_HEADERS:
            self._half = None
            self._opened(first_flags, number, b"".join(pieces))

    def _opened(self, flags: int, number: int, block: bytes) -> None:
        head, is_end = self._blocks.read(block), bool(flags & END_STREAM)
        if number <= self.last:  # behind the messages of a call, or of one that is over
            if not is_end:
                self._calls.reset_unread(number, ErrorCode.PROTOCOL_ERROR)
            elif not self._calls.close(number):
                self._spend(_CONTROL_FRAME_BYTES)
            return
        if not number & 1:
            raise Broken(ErrorCode.PROTOCOL_ERROR, f"a call with the number {number}, which is a server's")
        self.last = number
        if len(self._calls) >= MAX_OPEN_CALLS:
            raise Broken(ErrorCode.PROTOCOL_ERROR, f"more than {MAX_OPEN_CALLS} calls are open")
        if self._takes_calls():
            self._calls.open(number, head, is_end)
        else:
            self._sending.reset(number, ErrorCode.REFUSED_STREAM)

    def _refuse_unopened(self, number: int) -> None:
        if number > self.last:
            raise Broken(ErrorCode.PROTOCOL_ERROR, f"call {number} was never opened")

    # -- the connection

    def _window(self, number: int, size: int) -> None:
        self._spend(_CONTROL_FRAME_BYTES)
        if number:
            self._refuse_unopened(number)
            self._calls.open_window(number, size)
            return
        if not size:
            raise Broken(ErrorCode.PROTOCOL_ERROR, "a window is opened by nothing")
        self._sending.open_window(size)
        self._calls.wake()

    def _ping(self, flags: int, payload: memoryview) -> None:
        if len(payload) != _PING_BYTES:
            raise Broken(ErrorCode.FRAME_SIZE_ERROR, f"a ping of {len(payload)} bytes")
        if flags & ACK:
            self._spend(_CONTROL_FRAME_BYTES)
            self._on_ping(bytes(payload))
        else:
            self._answer(frames.frame(PING, ACK, 0, bytes(payload)))

    def _settings(self, flags: int, payload: memoryview) -> None:
        self._has_settings = True
        if flags & ACK:
            if payload:
                raise Broken(ErrorCode.FRAME_SIZE_ERROR, "settings in the answer to settings")
            self._spend(_CONTROL_FRAME_BYTES)
            return
        for setting, value in frames.settings_in(payload):
            self._set(setting, value)
        self._answer(frames.frame(SETTINGS, ACK, 0))

    def _set(self, setting: int, value: int) -> None:
        if setting == Setting.HEADER_TABLE_SIZE:
            self._sending.limit_table(value)
        elif setting == Setting.INITIAL_WINDOW_SIZE:
            if value > LARGEST_WINDOW:
                raise Broken(ErrorCode.FLOW_CONTROL_ERROR, f"a window of {value} bytes")
            self._calls.change_windows(value)
        elif setting == Setting.MAX_FRAME_SIZE:
            if not SMALLEST_MAX_FRAME <= value <= LARGEST_MAX_FRAME:
                raise Broken(ErrorCode.PROTOCOL_ERROR, f"frames of {value} bytes at most")
            self._sending.max_frame = value
        elif setting == Setting.ENABLE_PUSH and value > 1:
            raise Broken(ErrorCode.PROTOCOL_ERROR, f"ENABLE_PUSH is 0 or 1, not {value}")

    def _answer(self, frame: bytes) -> None:
        """What has to be answered costs what its answer has."""
        self._sending.push(frame)
        self._spend(len(frame))

    def _spend(self, count: int) -> None:
        if not self._control_bytes.spend(count):
            raise Impatient("frames that are no calls")
