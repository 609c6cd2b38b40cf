"""Heads of requests that came before, byte for byte: a client that calls again sends the same one.

What the parser and the checks made of a head holds for every head that equals it, so it is read once and remembered.
"""

from typing import Final, NamedTuple

from paddle_serving_server.engine import lane
from paddle_serving_server.protocols.http.message import HttpRequest

MAX_HEAD_BYTES: Final = 1024
"""Longer heads are read each time."""
MAX_BODY_BYTES: Final = lane.MAX_BYTES
MAX_BYTES: Final = MAX_HEAD_BYTES + MAX_BODY_BYTES
_MAX_HEADS: Final = 256
_END: Final = b"\r\n\r\n"
_ONE_BY_ONE: Final = ("expect", "transfer-encoding")
"""Headers whose requests are read each time: the body does not follow, or not as it is."""


class Known(NamedTuple):
    """A head and what it says."""

    size: int
    """Bytes of the head, with the empty line."""
    body_bytes: int
    request: HttpRequest
    """Without its body."""
    keep_alive: bool
    is_http_11: bool

    def request_with(self, whole: bytes, peer: str) -> HttpRequest:
        """The request that has this head."""
        method, path, query_string, headers, *_ = self.request
        return HttpRequest(method, path, query_string, headers, whole[self.size :], peer)


_known: dict[bytes, Known] = {}


def recalled(chunk: bytes) -> Known | None:
    """The head of a request, if `chunk` is one whole request with a head that is known."""
    end = chunk.find(_END, 0, MAX_HEAD_BYTES)
    known = _known.get(chunk[: end + len(_END)]) if end > 0 else None
    return known if known is not None and len(chunk) == known.size + known.body_bytes else None


def remember(chunk: bytes, request: HttpRequest, keep_alive: bool, is_http_11: bool) -> None:
    """Keep the head of a request that was read, if `chunk` is that request and nothing else."""
    end = chunk.find(_END, 0, MAX_HEAD_BYTES)
    size, body_bytes = end + len(_END), len(request.body)
    if end <= 0 or body_bytes > MAX_BODY_BYTES or len(chunk) != size + body_bytes:
        return
    if any(name in request.headers for name in _ONE_BY_ONE):
        return
    if len(_known) >= _MAX_HEADS:
        _known.clear()
    _known[chunk[:size]] = Known(size, body_bytes, request._replace(body=b"", peer=""), keep_alive, is_http_11)
