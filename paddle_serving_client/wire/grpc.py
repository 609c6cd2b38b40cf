"""gRPC above HTTP/2: messages with their prefix, statuses, and the texts in its headers. No socket in here.

    u8 1 if compressed, else 0 | u32 length of the message, big-endian | message

Format: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

import re
import struct
from dataclasses import dataclass
from enum import IntEnum

from paddle_serving_client.errors import BadPacket, ServingError, TooLarge
from paddle_serving_client.wire.brpc import Compression, decompress

PREFIX_BYTES = 5
CONTENT_TYPE = b"application/grpc"
ENCODINGS = {"identity": Compression.NONE, "gzip": Compression.GZIP, "deflate": Compression.ZLIB}
"""What `grpc-encoding` may say here; gRPC's deflate is the zlib format."""
ACCEPTED = ", ".join(ENCODINGS).encode()
MAX_TEXT_BYTES = 4096
"""Of an error, before it is percent-encoded: clients take 8 KiB or 16 KiB of headers, not more."""
MAX_TIMEOUT_S = 1e6

_PREFIX = struct.Struct(">BI")
_TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")
_UNITS_S = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


class Status(IntEnum):
    """The statuses of gRPC that are spoken here."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


class UnknownEncoding(ServingError):
    """A compression that is not read here; gRPC has a status of its own for it."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """What stands before a message."""

    compressed: bool
    size: int
    """Of the message, in bytes, as it travels."""


def read_prefix(head: bytes | bytearray | memoryview, max_bytes: int) -> Prefix:
    """The first five bytes of a call.

    Raises:
        BadPacket: the flag is neither 0 nor 1. TooLarge: the message would be over the limit.
    """
    flag, size = _PREFIX.unpack_from(head)
    if flag > 1:
        raise BadPacket(f"a gRPC message starts with 0 or 1, not with {flag}")
    if size > max_bytes:
        raise TooLarge(f"a message of {size} bytes came, at most {max_bytes} are taken (--max_body_size)")
    return Prefix(flag == 1, size)


def framed(message: bytes, compressed: bool = False) -> bytes:
    """A message with its prefix."""
    return _PREFIX.pack(compressed, len(message)) + message


def unpacked(message: bytes | memoryview, compressed: bool, encoding: str, max_bytes: int) -> bytes | memoryview:
    """A message without its compression.

    Args:
        message: without the prefix.
        compressed: as the prefix says.
        encoding: the header `grpc-encoding`.
        max_bytes: the largest result.

    Raises:
        UnknownEncoding: the header names a compression that is not read here.
        BadPacket: damaged, or compressed without a header that says how.
        TooLarge: it grows over a limit.
    """
    kind = ENCODINGS.get(encoding)
    if kind is None:
        raise UnknownEncoding(f"grpc-encoding {encoding[:32]!r} is not read here; {ACCEPTED.decode()} are")
    if not compressed:
        return message
    if kind is Compression.NONE:
        raise BadPacket("a compressed message came without a grpc-encoding that says how")
    return decompress(kind, message, max_bytes)


def timeout_s(text: str) -> float:
    """The header `grpc-timeout` in seconds.

    Raises:
        BadPacket: not a number of at most eight digits with a unit.
    """
    said = _TIMEOUT.fullmatch(text)
    if said is None:
        raise BadPacket(f"grpc-timeout {text[:32]!r} is not a number with one of the units H, M, S, m, u, n")
    return min(int(said[1]) * _UNITS_S[said[2]], MAX_TIMEOUT_S)


def percent_encoded(text: str) -> bytes:
    """A text for `grpc-message`: printable ASCII but the percent sign as it is, all other bytes of UTF-8 as %XX."""
    raw = text.encode("utf-8", "replace")
    if len(raw) > MAX_TEXT_BYTES:
        raw = raw[:MAX_TEXT_BYTES].decode("utf-8", "ignore").encode()
    return b"".join(bytes((byte,)) if 0x20 <= byte <= 0x7E and byte != 0x25 else b"%%%02X" % byte for byte in raw)
