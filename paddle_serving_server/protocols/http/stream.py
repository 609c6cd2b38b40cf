"""HTTP/1.1 on one connection: framing, limits, keep-alive and pipelining. The grammar is llhttp's, through httptools.

llhttp refuses bare line feeds, folded headers, odd lengths and Content-Length together with Transfer-Encoding; what
it lets through and RFC 9112 does not (no Host, two Hosts, other transfer codings, endless heads) is refused here and
in `head`. After any framing error the connection is closed: what follows cannot be trusted. A peer who still sends then
is listened to for a while, or the answer would be lost on its way to him (RFC 9112, 9.6).
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable

import httptools
import orjson

from paddle_serving_client.errors import ErrNo
from paddle_serving_server.config.values import Limits
from paddle_serving_server.connection.flow import Flow, write_due, write_soon
from paddle_serving_server.connection.intake import NO_ROOM, TOO_SLOW
from paddle_serving_server.connection.pace import HALF_S, Pace
from paddle_serving_server.protocols.http import heads
from paddle_serving_server.protocols.http.head import MAX_HEAD_BYTES, Head, Refused
from paddle_serving_server.protocols.http.incoming import IncomingBody
from paddle_serving_server.protocols.http.message import REASONS, Body, HttpRequest, HttpResponse

logger = logging.getLogger(__name__)

MAX_CHUNKS = 65_536
MAX_PIPELINED = 16
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LINGER_S = 5.0
"""How long a peer who was refused may be silent until his connection is let go ..."""
LONGEST_LINGER_S = 30.0
"""... and how long he may go on sending ..."""
LONGEST_LINGER_BYTES = 256 << 10
"""... and how much, if it was a head without end."""
_PIPELINE = "pipeline"
_JOINED_BYTES = 64 << 10
"""Answers below this leave with others of their turn."""
Answer = Callable[[HttpRequest], Awaitable[HttpResponse]]
Take = Callable[[HttpRequest, Callable[[HttpResponse | None], None]], bool]
"""Has a request answered without a task, if it can: by a call; of None if `Answer` is to answer it after all."""


class HttpStream:
    """One connection. Requests are answered in order, one at a time."""

    def __init__(self, transport: asyncio.Transport, flow: Flow, answer: Answer, take: Take, limits: Limits) -> None:
        self.transport = transport
        self.deadline = time.monotonic() + limits.head_s
        self._flow = flow
        self._answer = answer
        self._take = take
        self._taken: tuple[HttpRequest, bool] | None = None
        """The request that is answered without a task, and whether the connection stays."""
        self._limits = limits
        self._parser = httptools.HttpRequestParser(self)
        self._whole: deque[tuple[HttpRequest, bool]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._draining = False
        self._deaf = False
        """Whether what still comes is ignored: the framing is lost, or this was the last request."""
        self._last_words = b""
        self._lingers = False
        """Whether the peer is listened to for a while when everything is said."""
        self._lingers_until = 0.0
        """Until when at most, once that is so."""
        self._lingers_for: float = 0
        """And for how many bytes."""
        self._unread_bytes = 0
        self._is_http_11 = False
        """Whether the last head was of that version."""
        self._has_begun = False
        """Whether an answer that comes in parts has begun."""
        self._head_bytes = 0
        self._chunk = b""
        """What came last, if it is small and a request begins with it."""
        self._pace = Pace(limits.stall_s)
        """Of the body that comes."""
        self._body = IncomingBody(flow, limits.max_body_bytes, self._on_room, self._on_no_room, self._on_cut)
        self._expect_head()

    @property
    def is_idle(self) -> bool:
        """Whether every request is answered."""
        return not self._is_busy and not self._whole

    @property
    def is_between(self) -> bool:
        """Whether it is idle, and nothing further has begun to come."""
        return self.is_idle and self._in_head and not self._head_bytes

    @property
    def _is_busy(self) -> bool:
        return self._task is not None or self._taken is not None

    # -- from the listener

    def data_received(self, data: bytes) -> None:
        """Take bytes from the peer."""
        if self._deaf:
            self._unread_bytes += len(data)
            if self._lingers_until:
                self.deadline = min(self._lingers_until, time.monotonic() + LINGER_S)
                if self._unread_bytes > self._lingers_for:
                    self.transport.close()
            return
        self._chunk = b""
        if self._in_head:
            if not self._head_bytes:
                if data[0] in b"\r\n" and not (data := data.lstrip(b"\r\n")):
                    return  # an empty line before a request, or behind a body that was counted too short
                if not self._is_busy:
                    self.deadline = min(self.deadline, time.monotonic() + self._limits.head_s)
                if (known := heads.recalled(data)) is not None:
                    self._is_http_11 = known.is_http_11
                    self._accept(known.request_with(data, self._flow.peer), known.keep_alive)
                    return
                self._chunk = data if len(data) <= heads.MAX_BYTES else b""
            self._head_bytes += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserCallbackError as exc:
            cause = exc.__context__
            if not isinstance(cause, Refused):
                raise
            self._refuse(cause.status, str(cause))
        except Refused as exc:
            self._refuse(exc.status, str(exc))
        except httptools.HttpParserError as exc:
            if not self._deaf:  # behind the last request nothing is read
                self._refuse(400, f"not HTTP/1.1: {exc}")

    def _parse(self, data: bytes) -> None:
        before = self._head, self._chunks, self._body.size
        unread: Body = data
        offer_ends = self._feed(unread)
        while offer_ends is not None and not self._deaf:  # where it is deaf it was CONNECT, which is refused
            unread = memoryview(unread)[offer_ends:]
            self._read_without_upgrade()
            offer_ends = self._feed(unread) if unread else None
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            raise Refused(431, f"the head of a request is at most {MAX_HEAD_BYTES} bytes")
        if self._in_head or before != (self._head, self._chunks, self._body.size):
            self._between_bytes = 0
            return
        self._between_bytes += len(data)
        if self._between_bytes > MAX_HEAD_BYTES:
            raise Refused(431, f"what comes between chunks, or behind the last, is at most {MAX_HEAD_BYTES} bytes")

    def _feed(self, data: Body) -> int | None:
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
        self._expect_head()
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(head)

    def room(self) -> memoryview | None:
        """Where the rest of a large body is to be received: past the parser, which would copy it."""
        return None if self._deaf else self._body.room()

    def filled(self, count: int) -> None:
        """So many bytes were received into `room`."""
        is_whole = self._body.received(count)
        self._progress(count)
        if is_whole:
            self.on_message_complete()
            self._parser = httptools.HttpRequestParser(self)

    def expire(self) -> None:
        """The peer was too slow: say so in the middle of a request, close quietly between two."""
        if self._lingers_until:
            self.transport.close()
        elif not self.is_idle:
            self.deadline = time.monotonic() + 1.0
        elif self._head_bytes or not self._in_head:
            self._refuse(408, "the request did not arrive in time")
        else:
            self._close()

    def drain(self, peer_is_done: bool = False) -> None:
        """Close after what was accepted is answered."""
        self._draining = True
        self._deaf |= peer_is_done
        self._lingers &= not peer_is_done
        if not self.is_idle or self._head_bytes or not self._in_head:  # who is half-way gets a little more time
            self.deadline = min(self.deadline, time.monotonic() + HALF_S)
        if self.is_idle and self._in_head and not self._head_bytes and not self._lingers_until:
            self._close()

    def sound(self) -> None:
        """Say that the answer is still coming, which clients of HTTP/1.1 read over: one that has closed resets."""
        if self._is_busy and self._is_http_11 and not self._has_begun:
            self.transport.write(CONTINUE)

    def connection_lost(self) -> None:
        """The peer is gone: nobody waits for the answer."""
        self._deaf = True
        self._whole.clear()
        self._expect_head()  # lets half a body go: the parser and this hold each other for a while
        if self._task is not None:
            self._task.cancel()

    # -- from the parser

    def on_message_begin(self) -> None:
        """The first byte of a request; it may share a packet with the end of the one before."""
        self._head_bytes = max(self._head_bytes, 1)

    def _expect_head(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        self._head = Head()
        self._offers_upgrade = False
        self._owes_leave = False
        """Whether the peer waits for leave to send the body, and others before him for their answers."""
        self._between_bytes = 0
        """What came since the body went on."""
        self._chunks: int = 0
        self._body.drop()

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
        self._is_http_11 = head.version == "1.1"
        if head.announced > self._limits.max_body_bytes:
            raise Refused(413, self._too_large())
        self._pace.start()
        self._owes_leave = head.waits_for_leave
        if not head.is_chunked:
            self._body.expect(head.announced, is_held_back=head.waits_for_leave)
        self._progress(0)
        self._give_leave()

    def _give_leave(self) -> None:
        """Let the peer send the body if he waits for that: there is room, and it is nobody's answer that he reads."""
        if self._owes_leave and self.is_idle and not self._body.is_waiting:
            self._owes_leave = False
            if not self._body.size:
                write_soon(self.transport, CONTINUE)

    def on_chunk_header(self) -> None:
        """One chunk of a chunked body begins."""
        self._chunks += 1
        if self._chunks > MAX_CHUNKS:
            raise Refused(413, f"a body has at most {MAX_CHUNKS} chunks")

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self._body.size + len(body) > self._limits.max_body_bytes:
            raise Refused(413, self._too_large())
        self._body.add(body)
        self._progress(len(body))

    def _progress(self, count: int) -> None:
        """The body went on; while it waits for memory, it is not the peer who is waited for."""
        self._pace.came(count)
        until = float("inf") if self._body.is_waiting else self._pace.deadline
        self.deadline = min(self.deadline, until) if self._draining else until

    def _on_room(self) -> None:
        self._pace.start()
        self.deadline = self._pace.deadline
        self._give_leave()

    def _on_no_room(self) -> None:
        self._refuse(503, NO_ROOM)

    def _on_cut(self) -> None:
        self._refuse(408, TOO_SLOW)

    def on_message_complete(self) -> None:
        """A whole request: answer it, or let it wait for those before it."""
        if self._offers_upgrade:
            return
        path, query = self._head.resource()
        body = self._body.whole()
        method = self._parser.get_method().decode()
        request = HttpRequest(method, path, query, self._head.headers, body, self._flow.peer)
        keep_alive = self._parser.should_keep_alive() and method != "CONNECT"
        if self._chunk:
            heads.remember(self._chunk, request, keep_alive, self._is_http_11)
        self._expect_head()
        self._accept(request, keep_alive)

    def _accept(self, request: HttpRequest, keep_alive: bool) -> None:
        self.deadline = float("inf")
        self._deaf |= not keep_alive
        if self.is_idle and self._flow.is_writable:
            self._taken = request, keep_alive
            if self._take(request, self._respond):
                return
            self._taken = None
        self._whole.append((request._replace(arrived=time.monotonic()), keep_alive))
        if len(self._whole) >= MAX_PIPELINED:
            self._flow.hold(_PIPELINE)
        self._go_on()

    # -- the way back

    def _go_on(self) -> None:
        if not self._is_busy:
            self._task = asyncio.get_running_loop().create_task(self._answer_all())

    async def _answer_all(self) -> None:
        while self._whole:
            await self._flow.writable()
            request, keep_alive = self._whole.popleft()
            try:
                response = await self._answer(request)
                if response.parts is None:
                    self._send(response, request, keep_alive)
                else:
                    await self._send_parts(response, response.parts, request, keep_alive)
            except Exception:  # an answer that cannot be written: the caller gets another, and the connection ends
                logger.exception("failed to write an answer")
                self._whole.clear()
                if self._has_begun:  # there is no other way to say that this is not all of it
                    self.transport.abort()
                    return
                self._refuse(500, "internal error", ErrNo.UNKNOWN)
        self._task = None
        self._rest()

    def _respond(self, response: HttpResponse | None) -> None:
        """The answer to the request that was taken."""
        assert self._taken is not None
        (request, keep_alive), self._taken = self._taken, None
        if self.transport.is_closing():
            return
        if response is None:
            self._whole.appendleft((request, keep_alive))
        else:
            self._send(response, request, keep_alive)
        if self._whole:
            self._go_on()
        else:
            self._rest()

    def _send(self, response: HttpResponse, request: HttpRequest, keep_alive: bool) -> None:
        keep_alive = keep_alive and not response.close and not (self._draining and not self._whole)
        self._write(response, request, keep_alive)
        if not keep_alive:
            self._deaf = True
            self._whole.clear()

    async def _send_parts(
        self, response: HttpResponse, parts: AsyncGenerator[bytes, None], request: HttpRequest, keep_alive: bool
    ) -> None:
        """Send a body as it is made: in chunks, or to HTTP/1.0 until the connection ends."""
        is_chunked = self._is_http_11
        keep_alive = keep_alive and is_chunked and not response.close and not (self._draining and not self._whole)
        self._has_begun = True
        async with contextlib.aclosing(parts):
            self.transport.write(_head_of(response, request, keep_alive, "Transfer-Encoding: chunked" * is_chunked))
            if request.method != "HEAD":
                async for part in parts:
                    await self._flow.writable()
                    if part:
                        self.transport.write(b"%x\r\n%b\r\n" % (len(part), part) if is_chunked else part)
                self.transport.write(b"0\r\n\r\n" * is_chunked)
        self._has_begun = False
        if not keep_alive:
            self._deaf = True
            self._whole.clear()

    def _rest(self) -> None:
        """Everything that came is answered."""
        self._flow.release(_PIPELINE)
        self.deadline = time.monotonic() + (self._limits.head_s if self._head_bytes else self._limits.idle_s)
        if self._deaf or (self._draining and not self._head_bytes):
            self._close()
        else:
            self._give_leave()

    def _close(self) -> None:
        write_due()
        if self._last_words:
            self.transport.write(self._last_words)
        if not self._lingers or self.transport.is_closing():
            self.transport.close()
            return
        self.transport.write_eof()
        self._lingers_until = time.monotonic() + LONGEST_LINGER_S
        self.deadline = time.monotonic() + (HALF_S if self._draining else LINGER_S)

    def _write(self, response: HttpResponse, request: HttpRequest, keep_alive: bool) -> None:
        raw = _head_of(response, request, keep_alive, f"Content-Length: {len(response.body)}")
        whole = raw if request.method == "HEAD" else raw + response.body
        if len(whole) < _JOINED_BYTES:
            write_soon(self.transport, whole)
        else:
            write_due()
            self.transport.write(whole)

    def _refuse(self, status: int, reason: str, number: ErrNo = ErrNo.PACKET) -> None:
        """Answer a framing error, after what was accepted before it, and close."""
        logger.info("refused a connection: %d %s", status, reason)
        body = orjson.dumps({"err_no": int(number), "err_msg": reason})
        head = f"HTTP/1.1 {status} {REASONS.get(status, '')}\r\nContent-Type: application/json\r\n"
        head += "Retry-After: 1\r\n" if status == 503 else ""
        self._last_words = f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
        self._deaf = True
        self._lingers = status != 408  # who was too slow is not waited for
        self._lingers_for = LONGEST_LINGER_BYTES if status == 431 else float("inf")
        self._body.drop()
        if not self._is_busy:
            self._close()

    def _too_large(self) -> str:
        return f"a request body is at most {self._limits.max_body_bytes} bytes (--max_body_size)"


def _head_of(response: HttpResponse, request: HttpRequest, keep_alive: bool, length: str) -> bytes:
    """The head of an answer; `length` is the line that says how long its body is, if one does."""
    head = [
        f"HTTP/1.1 {response.status} {REASONS.get(response.status, '')}",
        f"Content-Type: {response.content_type}",
        *([length] if length else []),
        *(f"{name}: {value}" for name, value in response.headers.items()),
    ]
    if not keep_alive:
        head.append("Connection: close")
    elif request.headers.get("connection", "").lower() == "keep-alive":
        head.append("Connection: keep-alive")
    return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1")
