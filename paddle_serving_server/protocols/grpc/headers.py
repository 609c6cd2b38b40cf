"""The headers of one call: within limits, and by the rules of HTTP/2 (RFC 9113, 8.2 and 8.3).

A fault in them is a fault of their call alone. h2 would take it for one of the connection, with all the other calls on
it, so it is told not to look.
"""

import re
from collections.abc import Iterable
from typing import Final

from paddle_serving_client.errors import TooLarge

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


class Malformed(Exception):
    """Headers that no call may have."""


def by_name(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The values by name, without white space around them; of a name that comes again, all values with commas.

    Raises:
        TooLarge: more than a call may have. Malformed: not by the rules.
    """
    found: dict[bytes, bytes] = {}
    size, is_behind = 0, False
    for name, value in headers:
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
        said = value.strip(b" \t")
        found[name] = b"%b,%b" % (found[name], said) if name in found else said
    if size > MAX_HEADER_BYTES:
        most = f"at most {MAX_HEADER_BYTES} are taken"
        raise TooLarge(f"the metadata of a call has {size} bytes as HTTP/2 counts, {most}")
    if not all(found.get(name) for name in _WANTED):
        raise Malformed("the method, the scheme or the path is missing")
    return found
