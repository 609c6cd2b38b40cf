"""The bytes of a connection to whole requests. The grammar is llhttp's, through httptools.

llhttp refuses bare line feeds, folded headers, odd lengths and Content-Length together with Transfer-Encoding; what
it lets through and RFC 9112 does not (no Host, two Hosts, other transfer codings, endless heads) is refused here and
in `head`.
"""

from typing import Final, Protocol

import httptools

from paddle_serving_server.connection.flow import Flow
from paddle_serving_server.connection.intake import NO_ROOM, TOO_SLOW
from paddle_serving_server.connection.pace import Pace
from paddle_serving_server.protocols.http import heads
from paddle_serving_server.protocols.http.head import MAX_HEAD_BYTES, Head, Refused
from paddle_serving_server.protocols.http.incoming import IncomingBody
from paddle_serving_server.protocols.http.message import Body, HttpRequest

MAX_CHUNKS: Final = 65_536


class Taker(Protocol):
    """Who takes the requests."""

    def took(self, request: HttpRequest, keep_alive: bool) -> None:
        """A whole request came; `keep_alive`: another may come behind it."""

    def moved(self) -> None:
        """A body went on, or waits for memory: `RequestReader.body_deadline` is another."""

    def give_leave(self) -> None:
        """A peer may wait for leave to send a body."""

    def refused(self, status: int, reason: str) -> None:
        """A body cannot be taken."""


class RequestReader:
    """Of one connection; what a peer sends after a `Refused` must not be given to it.

    Args:
        flow: of the connection.
        max_body_bytes: of the largest body that is taken.
        stall_s: longest time that a body may come too slowly, in seconds.
        taker: is told what comes.
    """

    def __init__(self, flow: Flow, max_body_bytes: int, stall_s: float, taker: Taker) -> None:
        self._flow = flow
        self._max_body_bytes = max_body_bytes
        self._taker = taker
        self._parser = httptools.HttpRequestParser(self)
        self.is_http_11 = False
        """Whether the last head was of that version."""
        self.head_bytes = 0
        """Of the request that comes; 0 between two."""
        self._chunk = b""
        """What came last, if it is small and a request begins with it."""
        self._pace = Pace(stall_s)
        """Of the body that comes."""
        self._body = IncomingBody(flow, max_body_bytes, self._on_room, self._on_no_room, self._on_cut)
        self.forget()

    @property
    def is_between(self) -> bool:
        """Whether nothing of a request came that is not whole."""
        return self._in_head and not self.head_bytes

    @property
    def body_deadline(self) -> float:
        """When the body must have gone on; while it waits for memory, it is not the peer who is waited for."""
        return float("inf") if self._body.is_waiting else self._pace.deadline

    @property
    def awaits_leave(self) -> bool:
        """Whether the peer waits for leave to send the body that there is room for."""
        return self._owes_leave and not self._body.is_waiting

    def leave_given(self) -> bool:
        """The peer has leave now; whether he is to be told."""
        self._owes_leave = False
        return not self._body.size

    def feed(self, data: bytes) -> None:
        """Take bytes from the peer.

        Raises:
            Refused: they are no request, or one that is not taken.
        """
        self._chunk = b""
        if self._in_head:
            if not self.head_bytes:
                if (known := heads.recalled(data)) is not None:
                    self.is_http_11 = known.is_http_11
                    self._taker.took(known.request_with(data, self._flow.peer), known.keep_alive)
                    return
                self._chunk = data if len(data) <= heads.MAX_BYTES else b""
            self.head_bytes += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserCallbackError as exc:
            if not isinstance(exc.__context__, Refused):
                raise
            raise exc.__context__ from None
        except httptools.HttpParserError as exc:
            raise Refused(400, f"not HTTP/1.1: {exc}") from exc

    def room(self) -> memoryview | None:
        """Where the rest of a large body is to be received: past the parser, which would copy it."""
        return self._body.room()

    def filled(self, count: int) -> None:
        """So many bytes were received into `room`."""
        is_whole = self._body.received(count)
        self._progress(count)
        if is_whole:
            self.on_message_complete()
            self._parser = httptools.HttpRequestParser(self)

    def forget(self) -> None:
        """Begin with the head of a request; half a body is let go."""
        self._in_head = True
        self.head_bytes = 0
        self._head = Head()
        self._offers_upgrade = False
        self._owes_leave = False
        """Whether the peer waits for leave to send the body, and others before him for their answers."""
        self._between_bytes = 0
        """What came since the body went on."""
        self._chunks: int = 0
        self._body.drop()

    def drop_body(self) -> None:
        """Let half a body go."""
        self._body.drop()

    # -- bytes to the parser

    def _parse(self, data: bytes) -> None:
        before = self._head, self._chunks, self._body.size
        unread: Body = data
        offer_ends = self._parsed(unread)
        while offer_ends is not None and self._offers_upgrade:  # else it was CONNECT, which is refused
            unread = memoryview(unread)[offer_ends:]
            self._read_without_upgrade()
            offer_ends = self._parsed(unread) if unread else None
        if self._in_head and self.head_bytes > MAX_HEAD_BYTES:
            raise Refused(431, f"the head of a request is at most {MAX_HEAD_BYTES} bytes")
        if self._in_head or before != (self._head, self._chunks, self._body.size):
            self._between_bytes = 0
            return
        self._between_bytes += len(data)
        if self._between_bytes > MAX_HEAD_BYTES:
            raise Refused(431, f"what comes between chunks, or behind the last, is at most {MAX_HEAD_BYTES} bytes")

    def _parsed(self, data: Body) -> int | None:
        """Have bytes parsed; up to where, if the parser stopped at an offer to go on in another protocol."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as exc:
            return int(exc.args[0])
        return None

    def _read_without_upgrade(self) -> None:
        """Go on with a request whose offer of another protocol is not taken up (RFC 9110, 7.8).

        The parser would leave its body to that protocol, so a new one gets to see the head, without the offer.
        """
        head = self._head.written_without(self._parser.get_method().decode(), "upgrade")
        self.forget()
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(head)

    # -- from the parser

    def on_message_begin(self) -> None:
        """The first byte of a request; it may share a packet with the end of the one before."""
        self.head_bytes = max(self.head_bytes, 1)

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        self._head.add_target(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or one trailer."""
        self._head.add(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole: decide whether the body may come."""
        head, method = self._head, self._parser.get_method().decode()
        head.complete(method, self._parser.get_http_version())
        self._offers_upgrade = self._parser.should_upgrade() and method != "CONNECT"
        if self._offers_upgrade:
            return
        self._in_head = False
        self.is_http_11 = head.version == "1.1"
        if head.announced > self._max_body_bytes:
            raise Refused(413, self._too_large())
        self._pace.start()
        self._owes_leave = head.waits_for_leave
        if not head.is_chunked:
            self._body.expect(head.announced, is_held_back=head.waits_for_leave)
        self._progress(0)
        self._taker.give_leave()

    def on_chunk_header(self) -> None:
        """One chunk of a chunked body begins."""
        self._chunks += 1
        if self._chunks > MAX_CHUNKS:
            raise Refused(413, f"a body has at most {MAX_CHUNKS} chunks")

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self._body.size + len(body) > self._max_body_bytes:
            raise Refused(413, self._too_large())
        self._body.add(body)
        self._progress(len(body))

    def on_message_complete(self) -> None:
        """A whole request."""
        if self._offers_upgrade:
            return
        path, query = self._head.resource()
        body = self._body.whole()
        method = self._parser.get_method().decode()
        request = HttpRequest(method, path, query, self._head.headers, body, self._flow.peer)
        keep_alive = self._parser.should_keep_alive() and method != "CONNECT"
        if self._chunk:
            heads.remember(self._chunk, request, keep_alive, self.is_http_11)
        self.forget()
        self._taker.took(request, keep_alive)

    # -- the body

    def _progress(self, count: int) -> None:
        self._pace.came(count)
        self._taker.moved()

    def _on_room(self) -> None:
        self._pace.start()
        self._taker.moved()
        self._taker.give_leave()

    def _on_no_room(self) -> None:
        self._taker.refused(503, NO_ROOM)

    def _on_cut(self) -> None:
        self._taker.refused(408, TOO_SLOW)

    def _too_large(self) -> str:
        return f"a request body is at most {self._max_body_bytes} bytes (--max_body_size)"
