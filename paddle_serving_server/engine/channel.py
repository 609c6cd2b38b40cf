"""The front's end of the line to an engine: requests out, answers in, and a second try when the engine dies."""

import asyncio
import contextlib
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from paddle_serving_app.signature import Arranged, Signature
from paddle_serving_client import dtype
from paddle_serving_client.errors import (
    BackendFailed,
    BadInput,
    Busy,
    DeadlineExceeded,
    EngineLost,
    ServingError,
    Stopping,
)
from paddle_serving_server.counting import recording
from paddle_serving_server.engine import messages, segments
from paddle_serving_server.engine.context import Ask, Context
from paddle_serving_server.engine.engine_line import EngineLine
from paddle_serving_server.engine.handler_plan import USER_CODE
from paddle_serving_server.engine.interface import Reply
from paddle_serving_server.engine.pace import Pace
from paddle_serving_server.engine.pending import Pending
from paddle_serving_server.engine.questions import Questions
from paddle_serving_server.engine.tensor_layout import NO_STRINGS
from paddle_serving_server.process.alarm import Alarm

logger = logging.getLogger(__name__)

TRIES = 2
"""How often a request is given to an engine before its death is the answer; several that were joined: once."""
HUNG_S = 30.0
"""How long an engine may be silent, with a request inside that is past its deadline, before it counts as hung."""


class Channel:
    """One engine as one front sees it. Everything happens on the front's event loop."""

    signature: Signature
    backend_name: str
    plan: Mapping[str, object]
    version = "1"

    def __init__(
        self,
        path: str,
        max_waiting: int,
        on_hung: Callable[[], None],
        pool: segments.SegmentPool,
        hung_s: float = HUNG_S,
        title: str = "",
        ask: Ask | None = None,
    ) -> None:
        """`pool` is that of the front; `title` is what people call this engine; `ask` answers what it asks."""
        self._title = title or path
        self._hung_s = hung_s
        self._last_heard = 0.0
        self._max_waiting = max_waiting
        self._on_hung = on_hung
        self._loop = asyncio.get_running_loop()
        self._pool = pool
        self._pending: dict[int, Pending] = {}
        self._waiting = 0
        self._last_id = 0
        self._suspects: deque[int] = deque()
        """Requests that were inside when an engine died, tried again one at a time: one of them may be the cause."""
        self._line = EngineLine(path, self._title, pool, self._take_answer, self._lost)
        self._alarm = Alarm(self._end_late)
        self._pace = Pace()
        self._questions = Questions(ask, self._line.out, self._loop, self)
        self._reply_bytes = 0
        self._takes_strings = False
        self._runs_user_code = False
        self._ready = asyncio.Event()
        self.process = 0
        """Which process of this instance answers: another one, with nothing of what the one before knew, is a higher
        number."""
        self._closed = False

    @property
    def waiting(self) -> int:
        """Requests whose answer is still out."""
        return self._waiting

    @property
    def is_connected(self) -> bool:
        """Whether a loaded engine is at the other end now."""
        return self._ready.is_set()

    async def ready(self) -> None:
        """Wait until the engine has loaded its model and said what it takes."""
        await self._ready.wait()

    async def run(self, arranged: Arranged, outputs: Sequence[int], context: Context) -> Reply:
        """See `interface.Engine.run`."""
        number, pending = self._begin(arranged, outputs, context, 1)
        try:
            return await pending.future
        except asyncio.CancelledError:
            if number in self._pending:
                self._abandon(number, pending)
            raise

    def begin(self, arranged: Arranged, outputs: Sequence[int], deadline: float, calls: int) -> "asyncio.Future[Reply]":
        """As `run`, for who waits by a callback and never calls it off; the rows are those of so many calls."""
        return self._begin(arranged, outputs, Context(deadline), calls)[1].future

    def _begin(self, arranged: Arranged, outputs: Sequence[int], context: Context, calls: int) -> tuple[int, Pending]:
        if self._closed:
            raise Stopping("the server is stopping")
        if self._waiting + calls > self._max_waiting:
            reason = f"{self._max_waiting} requests wait for this model already; try again later"
            raise Busy(reason, self._pace.expected_s(self._waiting))
        if self._waiting:
            self._pace.refuse_late(self._waiting + 1, context.deadline - time.monotonic())
        else:
            self._pace.begin(time.monotonic())
        self._last_id += 1
        number = self._last_id
        strings = NO_STRINGS
        if self._takes_strings:
            arrays, strings = messages.packed(arranged.arrays)
            arranged = Arranged(tuple(arrays), arranged.lods)
        future: asyncio.Future[Reply] = self._loop.create_future()
        pending = Pending(arranged, strings, tuple(outputs), context.deadline, future, context, calls)
        pending.place(self._pool, self._reply_bytes)
        self._pending[number] = pending
        self._waiting += calls
        if self._ready.is_set():
            self._submit(number, pending)
        self._alarm.by(context.deadline)
        return number, pending

    async def close(self) -> None:
        """Close the line; requests still out fail."""
        self._closed = True
        await self._line.close()
        self._disconnect()
        for pending in self._pending.values():
            pending.fail(Stopping("the server is stopping"))
        self._pending.clear()
        self._waiting = 0

    # -- the way out

    def _submit(self, number: int, pending: Pending) -> None:
        """Hand a request to the engine; one that cannot be put in words fails, and nothing of it stays."""
        try:
            self._hand_over(number, pending)
        except Exception as exc:
            self._remove(number)
            self._give_up(pending, exc)

    def _hand_over(self, number: int, pending: Pending) -> None:
        if not any(p.tries for p in self._pending.values()):
            self._last_heard = time.monotonic()  # it had nothing to answer until now
        pending.tries += 1
        if pending.segment is not None:
            self._line.attach(pending.segment)
        pending.sent = time.monotonic()
        packet = pending.packet(number)
        if len(packet) > messages.MAX_MESSAGE_BYTES:
            raise BadInput("the sequence offsets (LoD) of this request are too many")
        self._line.out.send(packet, None)

    # -- the way back

    def _take_answer(self, packet: bytes, fds: list[int]) -> None:
        self._last_heard = time.monotonic()
        kind, number = messages.kind_and_id(packet)
        if kind == messages.HELLO:
            self.process += 1
            self.signature, self.backend_name, self.plan = messages.read_hello(packet)
            self._takes_strings = any(i.elem_type == dtype.STRING for i in self.signature.inputs)
            self._runs_user_code = USER_CODE in self.plan
            self._pace.begin(self._last_heard)
            self._resubmit()
            return
        if kind == messages.BEGUN:
            if (begun := self._pending.get(number)) is not None:
                begun.has_begun = True
            return
        if kind == messages.ASK:
            self._questions.answer(number, packet, fds, self._pending)
            return
        pending = self._remove(number)
        if not pending.future.done():
            self._pace.answered(self._last_heard, pending.calls)
        try:
            if kind == messages.DONE:
                reply = self._read_reply(messages.read_done(packet), pending, fds)
                if not pending.future.done():
                    pending.future.set_result(reply)
            else:
                pending.fail(messages.read_failed(packet))
            self._release(pending)
        except Exception as exc:  # a reply that cannot be read is an answer too
            self._give_up(pending, exc)
        if pending.tries > 1:
            self._try_next_suspect()

    def _read_reply(self, done: messages.Done, pending: Pending, fds: list[int]) -> Reply:
        reply = pending.reply(done, fds)
        if done.segment == messages.ENCLOSED:
            self._reply_bytes = max(self._reply_bytes, segments.aligned(done.size))
        if recording.now is not None:
            recording.now.ran(self._title, reply)
        return reply

    def _remove(self, number: int) -> Pending:
        pending = self._pending.pop(number)
        self._waiting -= pending.calls
        return pending

    def _release(self, pending: Pending) -> None:
        pending.let_go(self._pool)
        self._line.detach_forgotten()

    def _give_up(self, pending: Pending, exc: Exception) -> None:
        """No answer will come for a request that is removed."""
        if not isinstance(exc, ServingError):
            logger.error("a request to %s failed", self._title, exc_info=exc)
            exc = BackendFailed(f"the answer of {self._title} could not be handed on ({type(exc).__name__})")
        pending.fail(exc)
        with contextlib.suppress(OSError):
            self._release(pending)

    def _end_late(self, now: float) -> float:
        waiting = [(number, p) for number, p in self._pending.items() if not p.future.done()]
        for number, pending in waiting:
            if pending.deadline <= now:
                self._late(number, pending)
        return min((p.deadline for _, p in waiting if p.deadline > now), default=math.inf)

    def _late(self, number: int, pending: Pending) -> None:
        pending.fail(DeadlineExceeded("the model did not answer within the time given"))
        self._abandon(number, pending)
        self._check_hung(number)

    def _check_hung(self, number: int) -> None:
        """An engine that answers others is only busy; one that says nothing for long is hung."""
        if number not in self._pending or not self._ready.is_set():
            return
        left_s = self._last_heard + self._hung_s - time.monotonic()
        if left_s > 0:
            self._loop.call_later(left_s, self._check_hung, number)
        else:
            self._on_hung()

    def _abandon(self, number: int, pending: Pending) -> None:
        """Nobody waits for this any more; the segment stays taken until the engine has let go of it."""
        if pending.tries == 0:
            self._remove(number)
            self._release(pending)
        elif self._line.is_open:
            self._line.out.send(messages.cancel(number), None)

    # -- the line itself

    def _disconnect(self) -> None:
        self._questions.drop()
        self._line.disconnect()
        self._ready.clear()

    def _lost(self) -> None:
        """The engine's end closed: give up what was tried twice, keep the rest for the next engine."""
        self._disconnect()
        inside = [(number, p) for number, p in self._pending.items() if p.tries > 0]
        if inside:
            logger.warning("an engine died with %d request(s) inside", len(inside))
        for number, pending in inside:
            if pending.tries >= TRIES or pending.calls > 1 or pending.future.done() or pending.has_begun:
                self._remove(number)
                self._release(pending)
                twice = "" if pending.has_begun else ", twice"
                pending.fail(EngineLost(f"the engine process died while it worked on this request{twice}"))
        if self._runs_user_code:  # it says what it has begun with: the others are not to blame
            for pending in self._pending.values():
                pending.tries = 0
        self._suspects = deque(number for number, p in self._pending.items() if p.tries > 0)

    def _resubmit(self) -> None:
        self._ready.set()
        for number, pending in list(self._pending.items()):
            if pending.tries == 0:
                self._submit(number, pending)
        self._try_next_suspect()

    def _try_next_suspect(self) -> None:
        while self._suspects:
            number = self._suspects.popleft()
            if pending := self._pending.get(number):
                self._submit(number, pending)
                return
