"""The head of one request: its target and headers as the parser finds them, within limits, and the rules for the whole.

RFC 9110 and RFC 9112 are meant by the numbers of sections.
"""

import re
from typing import Final

MAX_HEAD_BYTES: Final = 32 << 10
MAX_HEADERS: Final = 100
MAX_HEADER_BYTES: Final = 8 << 10
MAX_TARGET_BYTES: Final = 4 << 10
_BETWEEN_BYTES: Final = 4
"""Of a header: the colon, a space, the end of the line."""
_HOST: Final = re.compile(r"[A-Za-z0-9._~%\[\]:-]*\Z")
_TARGET: Final = re.compile(rb"[\x21-\x7e]+\Z")
_ABSOLUTE: Final = re.compile(rb"https?://[A-Za-z0-9._~%\[\]:-]+(?=[/?]|\Z)", re.IGNORECASE)
"""What stands before the path where the target is a whole URL, as for a proxy (9112, 3.2.2)."""
_ONCE: Final = frozenset(("content-type", "content-encoding", "authorization"))
"""Headers that may come once; any other that comes again goes on with the list of the first (9110, 5.3)."""


class Refused(Exception):
    """Framing that is not accepted: the status and the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Head:
    """What came of it."""

    __slots__ = ("_bytes", "_count", "_hosts", "_target", "headers", "is_whole", "version")

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        """Names are lower case."""
        self.is_whole = False
        self.version = ""
        """Of HTTP, once it is whole."""
        self._target = b""
        self._count = self._bytes = self._hosts = 0

    def add_target(self, piece: bytes) -> None:
        """Take a part of the target."""
        self._target += piece
        if len(self._target) > MAX_TARGET_BYTES:
            raise Refused(414, f"a URL is at most {MAX_TARGET_BYTES} bytes")

    def add(self, name: bytes, value: bytes) -> None:
        """Take a header; behind the body it is a trailer, and nobody here asks for those (9110, 6.5)."""
        size = len(name) + len(value)
        self._count += 1
        self._bytes += size + _BETWEEN_BYTES
        if size > MAX_HEADER_BYTES or self._count > MAX_HEADERS or self._bytes > MAX_HEAD_BYTES:
            raise self._too_much(size)
        if self.is_whole:
            return
        key, said = name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")
        if key == "host":
            self._hosts += 1
            if not _HOST.match(said):
                raise Refused(400, "the Host header is not a host name")
        elif key in self.headers:
            if key in _ONCE:
                raise Refused(400, f"two {key} headers")
            said = f"{self.headers[key]}, {said}"
        self.headers[key] = said

    def _too_much(self, size: int) -> Refused:
        if size > MAX_HEADER_BYTES:
            return Refused(431, f"a header is at most {MAX_HEADER_BYTES} bytes")
        if self._count > MAX_HEADERS:
            return Refused(431, f"a request has at most {MAX_HEADERS} headers")
        return Refused(431, f"the headers of a request are at most {MAX_HEAD_BYTES} bytes")

    def complete(self, method: str, version: str) -> None:
        """That was all of it: see whether it is a head."""
        self.is_whole, self.version = True, version
        if version not in ("1.1", "1.0"):
            raise Refused(505, "HTTP/1.1 and HTTP/1.0 are spoken here")
        if self._hosts > 1 or (self._hosts == 0 and version == "1.1"):
            raise Refused(400, "a request has exactly one Host header")
        if not _TARGET.match(self._target):
            raise Refused(400, "the URL has characters that a URL cannot have")
        if not (self._target.startswith(b"/") or _ABSOLUTE.match(self._target) or method in ("OPTIONS", "CONNECT")):
            raise Refused(400, "the URL is neither a path nor begins with http:// and a host name")
        coding = self.headers.get("transfer-encoding")
        if coding is not None and (coding.lower() != "chunked" or version == "1.0"):
            raise Refused(501, "the only transfer coding understood is chunked, in HTTP/1.1")
        if version == "1.1" and self.headers.get("expect", "100-continue").lower() != "100-continue":
            raise Refused(417, "the only expectation understood is 100-continue")

    @property
    def is_chunked(self) -> bool:
        """Whether the body comes in chunks."""
        return "transfer-encoding" in self.headers

    @property
    def announced(self) -> int:
        """Bytes of the body, where it does not come in chunks."""
        return int(self.headers.get("content-length") or 0)

    @property
    def waits_for_leave(self) -> bool:
        """Whether the peer is told to go on before he sends the body; one of HTTP/1.0 never is (9110, 10.1.1)."""
        return "expect" in self.headers and self.version == "1.1" and (self.is_chunked or self.announced > 0)

    def resource(self) -> tuple[str, str]:
        """The path, and what is behind the question mark."""
        target = self._target
        if not target.startswith(b"/") and (absolute := _ABSOLUTE.match(target)) is not None:
            target = target[absolute.end() :]
            if not target.startswith(b"/"):
                target = b"/" + target
        path, _, query = target.decode("latin-1").partition("?")
        return path, query

    def written_without(self, method: str, name: str) -> bytes:
        """The whole head as bytes, without one header."""
        lines = [f"{method} {self._target.decode()} HTTP/{self.version}"]
        lines += [f"{key}: {value}" for key, value in self.headers.items() if key != name]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
