"""HTTP/1.1 on one connection: answers in the order of the requests, keep-alive, pipelining, and the end.

After any framing error the connection is closed: what follows cannot be trusted. A peer who still sends then is
listened to for a while, or the answer would be lost on its way to him (RFC 9112, 9.6).
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable

from paddle_serving_client.errors import ErrNo
from paddle_serving_server.config.values import Limits
from paddle_serving_server.connection.flow import Flow, write_due, write_soon
from paddle_serving_server.connection.pace import HALF_S
from paddle_serving_server.protocols.http.answer_head import head_of, refusal
from paddle_serving_server.protocols.http.head import Refused
from paddle_serving_server.protocols.http.message import HttpRequest, HttpResponse
from paddle_serving_server.protocols.http.request_reader import RequestReader

logger = logging.getLogger(__name__)

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
        self._reader = RequestReader(flow, limits.max_body_bytes, limits.stall_s, self)
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
        self._has_begun = False
        """Whether an answer that comes in parts has begun."""

    @property
    def is_idle(self) -> bool:
        """Whether every request is answered."""
        return not self._is_busy and not self._whole

    @property
    def is_between(self) -> bool:
        """Whether it is idle, and nothing further has begun to come."""
        return self.is_idle and self._reader.is_between

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
        if self._reader.is_between:
            if data[0] in b"\r\n" and not (data := data.lstrip(b"\r\n")):
                return  # an empty line before a request, or behind a body that was counted too short
            if not self._is_busy:
                self.deadline = min(self.deadline, time.monotonic() + self._limits.head_s)
        try:
            self._reader.feed(data)
        except Refused as exc:
            if not self._deaf:  # behind the last request nothing is read
                self.refused(exc.status, str(exc))

    def room(self) -> memoryview | None:
        """Where the rest of a large body is to be received: past the parser, which would copy it."""
        return None if self._deaf else self._reader.room()

    def filled(self, count: int) -> None:
        """So many bytes were received into `room`."""
        self._reader.filled(count)

    def expire(self) -> None:
        """The peer was too slow: say so in the middle of a request, close quietly between two."""
        if self._lingers_until:
            self.transport.close()
        elif not self.is_idle:
            self.deadline = time.monotonic() + 1.0
        elif not self._reader.is_between:
            self.refused(408, "the request did not arrive in time")
        else:
            self._close()

    def drain(self, peer_is_done: bool = False) -> None:
        """Close after what was accepted is answered."""
        self._draining = True
        self._deaf |= peer_is_done
        self._lingers &= not peer_is_done
        if not self.is_between:  # who is half-way gets a little more time
            self.deadline = min(self.deadline, time.monotonic() + HALF_S)
        if self.is_between and not self._lingers_until:
            self._close()

    def sound(self) -> None:
        """Say that the answer is still coming, which clients of HTTP/1.1 read over: one that has closed resets."""
        if self._is_busy and self._reader.is_http_11 and not self._has_begun:
            self.transport.write(CONTINUE)

    def connection_lost(self) -> None:
        """The peer is gone: nobody waits for the answer."""
        self._deaf = True
        self._whole.clear()
        self._reader.forget()  # lets half a body go: the parser and this hold each other for a while
        if self._task is not None:
            self._task.cancel()

    # -- from the reader

    def took(self, request: HttpRequest, keep_alive: bool) -> None:
        """Answer a request, or let it wait for those before it."""
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

    def moved(self) -> None:
        """The body went on, or waits for memory."""
        until = self._reader.body_deadline
        self.deadline = min(self.deadline, until) if self._draining else until

    def give_leave(self) -> None:
        """Let the peer send the body if he waits for that, and it is nobody's answer that he reads."""
        if self._reader.awaits_leave and self.is_idle and self._reader.leave_given():
            write_soon(self.transport, CONTINUE)

    def refused(self, status: int, reason: str, number: ErrNo = ErrNo.PACKET) -> None:
        """Answer a framing error, after what was accepted before it, and close."""
        logger.info("refused a connection: %d %s", status, reason)
        self._last_words = refusal(status, reason, number)
        self._deaf = True
        self._lingers = status != 408  # who was too slow is not waited for
        self._lingers_for = LONGEST_LINGER_BYTES if status == 431 else float("inf")
        self._reader.drop_body()
        if not self._is_busy:
            self._close()

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
                self.refused(500, "internal error", ErrNo.UNKNOWN)
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
        is_chunked = self._reader.is_http_11
        keep_alive = keep_alive and is_chunked and not response.close and not (self._draining and not self._whole)
        self._has_begun = True
        async with contextlib.aclosing(parts):
            self.transport.write(head_of(response, request, keep_alive, "Transfer-Encoding: chunked" * is_chunked))
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
        self.deadline = time.monotonic() + (self._limits.head_s if self._reader.head_bytes else self._limits.idle_s)
        if self._deaf or (self._draining and not self._reader.head_bytes):
            self._close()
        else:
            self.give_leave()

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
        raw = head_of(response, request, keep_alive, f"Content-Length: {len(response.body)}")
        whole = raw if request.method == "HEAD" else raw + response.body
        if len(whole) < _JOINED_BYTES:
            write_soon(self.transport, whole)
        else:
            write_due()
            self.transport.write(whole)
