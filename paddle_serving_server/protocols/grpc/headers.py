"""The headers of one call: within limits, and by the rules of HTTP/2 (RFC 9113, 8.2 and 8.3).

A fault in them is a fault of their call alone, and no other of the connection.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from paddle_serving_client.errors import BadPacket
from paddle_serving_client.wire import grpc
from paddle_serving_server.counting import timing

MAX_HEADER_BYTES: Final = 16 << 10
"""All headers of a call, as HTTP/2 counts them."""
_ENTRY_BYTES: Final = 32
"""What HTTP/2 adds for each."""
_NAME: Final = re.compile(rb"[!-9;-@\[-~]+\Z")
_VALUE: Final = re.compile(rb"[^\x00\r\n]*\Z")
_PSEUDO: Final = frozenset((b":method", b":scheme", b":path", b":authority"))
_WANTED: Final = (b":method", b":scheme", b":path")
_OF_CONNECTIONS: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
)
_ASK: Final = timing.ASK.encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the headers of a call say; calls with the same headers share one."""

    path: str = ""
    encoding: str = "identity"
    """The header `grpc-encoding`."""
    timeout: str = ""
    """The header `grpc-timeout`; empty if none was sent."""
    longest_s: float = math.inf
    """What that says, in seconds; 0 where it says nothing that can be read."""
    takes_gzip: bool = False
    wants_timing: bool = False
    """Whether the header `x-profile: 1` was sent."""
    authorization: str = ""
    """The header of that name."""
    http_status: bytes = b""
    """Of a request that is no gRPC call: how HTTP answers it."""
    malformed: str = ""
    """Why no call can have such headers."""
    too_large: str = ""
    """Why a call may not have so many."""


class Malformed(Exception):
    """Headers that no call may have."""


def read(fields: Iterable[tuple[bytes, bytes]]) -> Head:
    """What headers say, faults among it."""
    try:
        found, size = _by_name(fields)
    except Malformed as exc:
        return Head(malformed=str(exc))
    if size > MAX_HEADER_BYTES:
        most = f"at most {MAX_HEADER_BYTES} are taken"
        return Head(too_large=f"the metadata of a call has {size} bytes as HTTP/2 counts, {most}")
    if not all(found.get(name) for name in _WANTED):
        return Head(malformed="the method, the scheme or the path is missing")
    media_type = found.get(b"content-type", b"").partition(b";")[0].strip().lower()
    is_grpc = media_type in (grpc.CONTENT_TYPE, grpc.CONTENT_TYPE + b"+proto")
    timeout = found.get(b"grpc-timeout", b"").decode("latin-1")
    return Head(
        path=found[b":path"].decode("latin-1"),
        encoding=found.get(b"grpc-encoding", b"identity").decode("latin-1"),
        timeout=timeout,
        longest_s=_seconds(timeout),
        takes_gzip=b"gzip" in [word.strip() for word in found.get(b"grpc-accept-encoding", b"").split(b",")],
        wants_timing=found.get(_ASK) == b"1",
        authorization=found.get(b"authorization", b"").decode("latin-1"),
        http_status=b"405" if found[b":method"] != b"POST" else b"" if is_grpc else b"415",
    )


def _seconds(timeout: str) -> float:
    try:
        return grpc.timeout_s(timeout) if timeout else math.inf
    except BadPacket:
        return 0.0


def _by_name(fields: Iterable[tuple[bytes, bytes]]) -> tuple[dict[bytes, bytes], int]:
    """The values by name, without white space around them, of a name that comes again with commas; and their size.

    Raises:
        Malformed: not by the rules.
    """
    found: dict[bytes, bytes] = {}
    size, is_behind = 0, False
    for name, value in fields:
        size += len(name) + len(value) + _ENTRY_BYTES
        if name.startswith(b":"):
            if is_behind or name not in _PSEUDO or name in found:
                raise Malformed(f"{name[:64]!r} is unknown, there twice, or behind other headers")
        elif not _NAME.match(name) or name in _OF_CONNECTIONS:
            raise Malformed(f"{name[:64]!r} is no name of a header")
        else:
            is_behind = True
        if not _VALUE.match(value):
            raise Malformed(f"header {name[:64]!r} has a character that no header has")
        bare = value.strip(b" \t")
        found[name] = b"%b,%b" % (found[name], bare) if name in found else bare
    return found, size
