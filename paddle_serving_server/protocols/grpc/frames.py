"""Frames of HTTP/2 (RFC 9113, 4 and 6): bytes <-> values, and the errors that end a connection.

u24 length | u8 kind | u8 flags | u32 number of a stream, 0 for the connection | payload
"""

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES: Final = 9
MAX_FRAME_BYTES: Final = 256 << 10
"""Largest payload that is taken."""
SMALLEST_MAX_FRAME: Final = 1 << 14
LARGEST_MAX_FRAME: Final = (1 << 24) - 1
"""What a peer may say is the largest that he takes."""
LARGEST_WINDOW: Final = (1 << 31) - 1
FIRST_WINDOW: Final = 65_535
"""Of a connection, and of a call as long as nothing else was said."""

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
WITH_PRIORITY: Final = 0x20

_HEAD: Final = struct.Struct(">HBBBI")
_U32: Final = struct.Struct(">I")
_SETTING: Final = struct.Struct(">HI")
_GOAWAY: Final = struct.Struct(">II")


class ErrorCode(IntEnum):
    """Why a call or a connection ends."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


class Setting(IntEnum):
    """Those that mean something to one of the two sides."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class Broken(Exception):
    """What came breaks the rules of the connection, which ends by it."""

    def __init__(self, code: ErrorCode, text: str) -> None:
        super().__init__(text)
        self.code = code


# -- to be sent


def frame(kind: int, flags: int, number: int, payload: bytes = b"") -> bytes:
    """A whole frame."""
    return head(len(payload), kind, flags, number) + payload


def head(size: int, kind: int, flags: int, number: int) -> bytes:
    """What stands before a payload of so many bytes."""
    return _HEAD.pack(size >> 8, size & 0xFF, kind, flags, number)


def settings(values: dict[Setting, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*pair) for pair in values.items()))


def window_update(number: int, size: int) -> bytes:
    """A WINDOW_UPDATE frame."""
    return frame(WINDOW_UPDATE, 0, number, _U32.pack(size))


def reset(number: int, code: ErrorCode) -> bytes:
    """A RST_STREAM frame."""
    return frame(RST_STREAM, 0, number, _U32.pack(code))


def goaway(last: int, code: ErrorCode) -> bytes:
    """A GOAWAY frame: calls behind `last` are not answered."""
    return frame(GOAWAY, 0, 0, _GOAWAY.pack(last, code))


# -- what came


def number_in(payload: memoryview) -> int:
    """The one number of a RST_STREAM or WINDOW_UPDATE frame.

    Raises:
        Broken: it is not of that size.
    """
    if len(payload) != _U32.size:
        raise Broken(ErrorCode.FRAME_SIZE_ERROR, f"a frame of one number has {len(payload)} bytes")
    (number,) = _U32.unpack(payload)
    return int(number)


def settings_in(payload: memoryview) -> list[tuple[int, int]]:
    """What a SETTINGS frame says.

    Raises:
        Broken: half a setting.
    """
    if len(payload) % _SETTING.size:
        raise Broken(ErrorCode.FRAME_SIZE_ERROR, "half a setting")
    return list(_SETTING.iter_unpack(payload))


def unpadded(flags: int, payload: memoryview) -> memoryview:
    """The payload of a DATA or HEADERS frame without its padding.

    Raises:
        Broken: there is more padding than payload.
    """
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise Broken(ErrorCode.PROTOCOL_ERROR, "more padding than there is payload")
    return payload[1 : len(payload) - payload[0]]


class FrameReader:
    """Frames out of the bytes of a connection, however these are cut."""

    def __init__(self, take: Callable[[int, int, int, memoryview], None]) -> None:
        """`take` gets kind, flags, number and payload of each; the payload is a view that it must not keep."""
        self._take = take
        self._rest = bytearray()
        """What came of a frame that is not whole, or of the preface."""
        self._needed = len(PREFACE)
        """As many bytes must be there before it is worth looking."""
        self._is_begun = False

    def feed(self, data: bytes) -> bool:
        """Take bytes; whether a frame came to its end by them.

        Raises:
            Broken: they are no frames, or `take` says so.
        """
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return False
            data = bytes(self._rest)
        at, end = 0, len(data)
        if not self._is_begun:
            if not PREFACE.startswith(data[: len(PREFACE)]):
                raise Broken(ErrorCode.PROTOCOL_ERROR, "not the preface of HTTP/2")
            if end < len(PREFACE):
                self._rest, self._needed = bytearray(data), len(PREFACE)
                return False
            self._is_begun, at = True, len(PREFACE)
        start, view = at, memoryview(data)
        needed = HEAD_BYTES
        while end - at >= HEAD_BYTES:
            high, low, kind, flags, number = _HEAD.unpack_from(data, at)
            size = high << 8 | low
            if size > MAX_FRAME_BYTES:
                raise Broken(
                    ErrorCode.FRAME_SIZE_ERROR, f"a frame of {size} bytes, at most {MAX_FRAME_BYTES} are taken"
                )
            needed = HEAD_BYTES + size
            if end - at < needed:
                break
            at += needed
            needed = HEAD_BYTES
            self._take(kind, flags, number & LARGEST_WINDOW, view[at - size : at])
        self._rest, self._needed = bytearray(view[at:]), needed
        return at > start
