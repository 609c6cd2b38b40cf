"""HTTP/1.1 as a client speaks it: requests -> bytes, bytes -> answers (RFC 9112). No socket in here.

Answers are read strictly: what a proxy and a client could understand differently is refused, and every length is
checked against its limit before anything of that length is kept.
"""

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from paddle_serving_client.errors import BadInput, BadPacket, TooLarge
from paddle_serving_client.wire import brpc
from paddle_serving_client.wire.brpc import Compression

MAX_HEAD_BYTES: Final = 64 << 10
"""Of the status line and the headers of an answer."""
MAX_INTERIM: Final = 8
"""Answers with a status of 1xx before the one that counts."""
MAX_TRAILERS: Final = 64
MAX_RATIO: Final = 2000
"""More than gzip can do: a server that was asked is trusted, and a mask is honestly a thousand times smaller packed."""
_MAX_CHUNK_LINE: Final = 1024
_VERSION: Final = b"HTTP/1."
_END_OF_HEAD: Final = b"\r\n\r\n"
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [\t -~\x80-\xff]*)?")
_FIELD: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*")
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;[\t -~\x80-\xff]*)?")
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET: Final = re.compile(r"[!-~]+")
_NO_BODY: Final = (204, 304)


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before the body of an answer."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case; of several with one name the values, joined by commas."""


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A whole answer, its body as it was before compression."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case."""
    body: bytes | memoryview


def request_head(method: str, target: str, headers: Mapping[str, str], body_bytes: int) -> bytes:
    """What stands before the body of a request.

    Args:
        method: in capitals.
        target: the path, or the whole URL for a proxy.
        headers: Host among them. Content-Length is added.
        body_bytes: of the body.

    Raises:
        BadInput: something in it would end the line that it stands in.
    """
    if not _TARGET.fullmatch(target):
        raise BadInput(f"the path of a request is printable ASCII without spaces, got {target[:128]!r}")
    lines = [f"{method} {target} HTTP/1.1"]
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise BadInput(f"the header {name[:64]!r} cannot be sent: its name or its value has other characters")
        lines.append(f"{name}: {value}")
    if body_bytes or method != "GET":
        lines.append(f"Content-Length: {body_bytes}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


class ReplyReader:
    """Bytes in, one answer out: `feed` it what arrived until `is_complete`.

    The pieces of the body may be taken away as they come (`take`), or all of them at the end (`reply`).
    """

    def __init__(self, max_body_bytes: int, max_kept_bytes: int | None = None, is_tunnel: bool = False) -> None:
        """Read the answer to a request that was not HEAD.

        Args:
            max_body_bytes: the largest body, compressed or not.
            is_tunnel: whether the request was CONNECT, whose answer has no body.
            max_kept_bytes: where the body is taken piece by piece, how much of it may wait for that; its whole length
                has no limit then.
        """
        self.head: Head | None = None
        """None until it is there."""
        self.is_complete = False
        self.came = False
        """Whether any of the answer has come."""
        self._max_body_bytes = max_body_bytes if max_kept_bytes is None else None
        self._max_kept_bytes = max_kept_bytes
        self._largest = max_body_bytes
        self._is_tunnel = is_tunnel
        self._buffer = bytearray()
        self._pieces: deque[bytes] = deque()
        self._kept = self._size = 0
        self._interim = self._trailers = 0
        self._left: int | None = 0
        """Bytes of the body, or of the chunk, that are still to come; None: all until the connection ends."""
        self._is_chunked = self._in_trailer = self._closes = False
        self._after_chunk = False

    @property
    def keeps_connection(self) -> bool:
        """Whether another request may follow on the connection."""
        return self.is_complete and not self._closes and not self._buffer

    def feed(self, data: bytes) -> None:
        """Take what arrived.

        Raises:
            BadPacket: it is no HTTP, or an answer that could be understood in two ways. TooLarge: over a limit.
        """
        self.came = True
        self._buffer += data
        while self.head is None:
            if not self._read_head():
                return
        self._read_body()

    def ended(self) -> None:
        """The connection ended.

        Raises:
            EOFError: in the middle of the answer, or before it.
        """
        if self.head is not None and self._left is None and not self.is_complete:
            self.is_complete = self._closes = True
        if not self.is_complete:
            raise EOFError

    def take(self) -> bytes:
        """What came of the body since the last time; nothing may mean that there is nothing yet."""
        taken = b"".join(self._pieces) if len(self._pieces) != 1 else self._pieces[0]
        self._pieces.clear()
        self._kept = 0
        return taken

    def reply(self) -> HttpReply:
        """The whole answer, once it is complete.

        Raises:
            BadPacket: a compression that is not read here, or damaged. TooLarge: what it grows to.
        """
        assert self.is_complete and self.head is not None
        return HttpReply(self.head.status, self.head.headers, self._plain(self.take()))

    def _plain(self, raw: bytes) -> bytes | memoryview:
        assert self.head is not None
        encoding = self.head.headers.get("content-encoding", "identity").lower()
        if encoding in ("identity", ""):
            return raw
        if encoding not in ("gzip", "x-gzip"):
            raise BadPacket(f"it answered with Content-Encoding {encoding!r}; gzip can be read")
        return brpc.decompress(Compression.GZIP, raw, self._largest, MAX_RATIO)

    # -- the head

    def _read_head(self) -> bool:
        """Whether it is there."""
        if not _VERSION.startswith(bytes(self._buffer[: len(_VERSION)])):
            raise BadPacket(f"it begins with {bytes(self._buffer[:16])!r}")
        end = self._buffer.find(_END_OF_HEAD, 0, MAX_HEAD_BYTES)
        if end < 0:
            if len(self._buffer) >= MAX_HEAD_BYTES:
                raise BadPacket(f"its headers are longer than {MAX_HEAD_BYTES} bytes")
            return False
        first, *lines = bytes(self._buffer[:end]).split(b"\r\n")
        del self._buffer[: end + len(_END_OF_HEAD)]
        found = _STATUS_LINE.fullmatch(first)
        if found is None:
            raise BadPacket(f"its first line is {first[:64]!r}")
        status, headers = int(found[2]), _fields(lines)
        if status < 200:
            self._interim += 1
            if status == 101 or self._interim > MAX_INTERIM:
                raise BadPacket(f"it answered with status {status}, which was not asked for")
            return False if not self._buffer else self._read_head()
        self.head = Head(status, headers)
        self._closes = found[1] == b"0" and "keep-alive" not in _words(headers.get("connection", ""))
        self._closes = self._closes or "close" in _words(headers.get("connection", ""))
        self._frame(status, headers)
        return True

    def _frame(self, status: int, headers: Mapping[str, str]) -> None:
        """Find out where the body ends."""
        coding, length = headers.get("transfer-encoding"), headers.get("content-length")
        if coding is not None and length is not None:
            raise BadPacket("it has both Transfer-Encoding and Content-Length")
        if status in _NO_BODY or (self._is_tunnel and status < 300):
            self._left = 0
        elif coding is not None:
            if coding.strip().lower() != "chunked":
                raise BadPacket(f"its Transfer-Encoding is {coding[:64]!r}; chunked can be read")
            self._is_chunked, self._left = True, 0
            return
        elif length is not None:
            values = {value.strip() for value in length.split(",")}
            if len(values) != 1 or not _LENGTH.fullmatch(one := values.pop()):
                raise BadPacket(f"its Content-Length is {length[:64]!r}")
            self._left = int(one)
            self._refuse_over(self._left)
        else:
            self._left = None
        self.is_complete = self._left == 0

    # -- the body

    def _read_body(self) -> None:
        while not self.is_complete:
            if self._is_chunked and self._left == 0:
                if not self._next_chunk():
                    return
                continue
            if not self._buffer:
                return
            self._keep(len(self._buffer) if self._left is None else min(self._left, len(self._buffer)))
            if self._left == 0:
                self._after_chunk = self._is_chunked
                self.is_complete = not self._is_chunked

    def _keep(self, count: int) -> None:
        piece = bytes(memoryview(self._buffer)[:count]) if count < len(self._buffer) else bytes(self._buffer)
        del self._buffer[:count]
        self._size += count
        self._kept += count
        self._refuse_over(self._size)
        if self._max_kept_bytes is not None and self._kept > self._max_kept_bytes:
            raise TooLarge(f"more than {self._max_kept_bytes} bytes of the answer wait to be taken")
        if self._left is not None:
            self._left -= count
        self._pieces.append(piece)

    def _next_chunk(self) -> bool:
        """Go on behind a chunk; False: more bytes are needed."""
        end = self._buffer.find(b"\r\n", 0, _MAX_CHUNK_LINE)
        if end < 0:
            if len(self._buffer) >= _MAX_CHUNK_LINE:
                raise BadPacket("the line before a chunk is too long")
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        if self._after_chunk:
            if line:
                raise BadPacket("a chunk is longer than it says")
            self._after_chunk = False
        elif self._in_trailer:
            self._trailers += 1
            if self._trailers > MAX_TRAILERS:
                raise BadPacket(f"it has more than {MAX_TRAILERS} trailers")
            self.is_complete = not line
        else:
            found = _CHUNK.fullmatch(line)
            if found is None:
                raise BadPacket(f"a chunk begins with {line[:32]!r}")
            self._left = int(found[1], 16)
            self._in_trailer = self._left == 0
            self._refuse_over(self._size + self._left)
        return True

    def _refuse_over(self, size: int) -> None:
        if self._max_body_bytes is not None and size > self._max_body_bytes:
            raise TooLarge(f"the answer is over {self._max_body_bytes} bytes")


def _fields(lines: list[bytes]) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        found = _FIELD.fullmatch(line)
        if found is None:
            raise BadPacket(f"a line of its headers is {line[:64]!r}")
        name, value = found[1].decode("latin-1").lower(), found[2].decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _words(text: str) -> list[str]:
    return [word.strip().lower() for word in text.split(",")]
