"""Threads for user code. The event loop hears of the end of each call by one wake-up, and by nothing else.

The executors of the standard library make a second future with a condition of its own for each call, and chain the
two. They know no deadlines either. Here who waits is answered when his time is over, whatever his call does: one that
has not begun never will, and one that has begun keeps its thread, which counts as hanging until the call returns.
Other threads take the place of those that hang, as many as there are places; when these hang too, `on_stuck` is told.
"""

import asyncio
import contextlib
import logging
import math
import queue
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeVar

from paddle_serving_app import processors
from paddle_serving_client.errors import DeadlineExceeded
from paddle_serving_server.process.alarm import Alarm
from paddle_serving_server.user_code.crowding import Crowding

logger = logging.getLogger(__name__)

STUCK_S: Final = 10.0
"""How long every thread must hang, and no call return, until `on_stuck` is told."""
_LEAST_SPARE: Final = 4
_FRAMES: Final = 3
"""Calls that the log names to say where one hangs."""
_Result = TypeVar("_Result")


class Raised(Exception):
    """A call ended with what is no error (`sys.exit()`, `KeyboardInterrupt`, ...), which no future may carry."""


class _Work:
    """One call."""

    __slots__ = ("call", "cost_s", "deadline", "future", "has_begun", "hangs", "is_over", "thread", "title", "took")

    def __init__(
        self,
        future: "asyncio.Future[Any]",
        call: Callable[[], Any],
        deadline: float,
        cost_s: float,
        title: str,
        took: Callable[[float], None] | None,
    ) -> None:
        self.future = future
        self.deadline = deadline
        self.call: Callable[[], Any] | None = call
        """None once it has begun, or will not: nothing of a request is kept for nobody."""
        self.cost_s = cost_s
        self.title = title
        self.took = took
        self.has_begun = self.hangs = self.is_over = False
        self.thread = 0


class Threads:
    """A number of threads that wait for calls; made and used on one event loop."""

    def __init__(self, count: int, name: str, stuck_s: float = STUCK_S, crowding: Crowding | None = None) -> None:
        """`crowding` says how many calls run at once, at most `count`; None: as many as do some good here."""
        self.count = count
        """Threads that are wanted beside those that hang."""
        self.most_hanging = max(_LEAST_SPARE, count)
        """So many others take the place of threads that hang."""
        self.on_hang: Callable[[int, bool], None] = lambda hanging, is_news: None
        """Told how many threads hang when that changes, and whether it is one more."""
        self.on_stuck: Callable[[], None] = lambda: None
        """Told when nothing is left to run a call, and has not been for a while."""
        self._name = name
        self._stuck_s = stuck_s
        self._loop = asyncio.get_running_loop()
        self._tokens: queue.SimpleQueue[bool] = queue.SimpleQueue()
        """One for each entry of the two queues; False: a thread is to end."""
        self._begun: deque[_Work] = deque()
        self._fresh: deque[_Work] = deque()
        self._out: set[_Work] = set()
        """Calls that have not returned, and whose deadline has not passed; of the event loop alone."""
        self._alarm = Alarm(self._end_late)
        self._asked = self._taken = 0
        self._asked_s = self._taken_s = 0.0
        """Calls that were asked for, which the event loop counts, and those of them that wait no longer."""
        self._lock = threading.Lock()
        """Of what was taken, of all that follows, and of what a `_Work` says of itself."""
        self._running = 0
        self._running_s = 0.0
        """Calls that have begun and do not hang, and what all of them are expected to take."""
        self._alive = 0
        self._hanging = 0
        self._noted = 0
        self._made = 0
        self._returned_at = time.monotonic()
        self._crowding = crowding or Crowding(count, max(2, processors.available()))
        self._turn = threading.Condition(self._lock)
        """Notified when one more call may run."""
        for _ in range(count):
            self._start_thread()

    def run(
        self,
        call: Callable[[], _Result],
        deadline: float = math.inf,
        cost_s: float = 0.0,
        is_begun: bool = False,
        title: str = "a call",
        took: Callable[[float], None] | None = None,
    ) -> "asyncio.Future[_Result]":
        """Have a call made in the next thread that is free. Who waits no longer for a call that has begun misses it.

        Args:
            call: what ends with no error but another exception is `Raised`.
            deadline: when who waits gets `DeadlineExceeded`, on the clock of `time.monotonic`.
            cost_s: how long the call, and those that will follow it, are expected to take, in seconds.
            is_begun: whether it goes before those that begin a request: what is begun is to be finished first.
            title: what the log calls it.
            took: told in the thread how long the call took, in seconds.
        """
        future: asyncio.Future[_Result] = self._loop.create_future()
        work = _Work(future, call, deadline, cost_s, title, took)
        self._out.add(work)
        self._alarm.by(deadline)
        self._asked += 1
        self._asked_s += cost_s
        (self._begun if is_begun else self._fresh).append(work)
        self._tokens.put(True)
        return future

    def note_hang(self, title: str, thread: int) -> None:
        """Say that a thread hangs, one of these or of whoever else runs user code. Call on the event loop."""
        self._noted += 1
        logger.error("%s does not return; %d thread(s) hang now. It is at %s", title, self._noted, _at(thread))
        self.on_hang(self._noted, True)

    def note_return(self) -> None:
        """Say that a thread hangs no longer."""
        self._noted -= 1
        self.on_hang(self._noted, False)

    @property
    def wait_s(self) -> float:
        """How long a call would wait now, by what those before it are expected to take; inf: there is no thread."""
        usable = min(self._alive - self._hanging, self._crowding.most)
        if usable <= 0:
            return math.inf
        # Of those that run, half is left on average.
        left_s = self._running_s / 2 if self._running >= usable else 0.0
        waiting_s = max(0.0, self._asked_s - self._taken_s) if self._asked != self._taken else 0.0
        return (waiting_s + left_s) / usable

    def close(self) -> None:
        """Begin no further call."""
        for _ in range(self._alive):
            self._tokens.put(False)

    # -- on the event loop

    def _start_thread(self) -> None:
        threading.Thread(target=self._work, name=f"{self._name} {self._made}", daemon=True).start()
        self._made += 1
        self._alive += 1

    def _end_late(self, now: float) -> float:
        for work in [work for work in self._out if work.deadline <= now]:
            self._out.discard(work)
            self._on_deadline(work)
        return min((work.deadline for work in self._out), default=math.inf)

    def _on_deadline(self, work: _Work) -> None:
        with self._lock:
            if work.call is not None:  # nothing is kept of what never will begin
                work.call = None
                self._taken += 1
                self._taken_s += work.cost_s
            hangs = work.hangs = work.has_begun and not work.is_over
            if hangs:
                self._hanging += 1
                self._stop_running(work)
            needs_thread = hangs and self._hanging <= self.most_hanging
        if not work.future.done():
            late = "did not return" if hangs else "had to wait, and did not begin,"
            work.future.set_exception(DeadlineExceeded(f"{work.title} {late} within the time given"))
        if not hangs:
            return
        self.note_hang(work.title, work.thread)
        if needs_thread:
            with self._lock, contextlib.suppress(RuntimeError):  # the system has no thread for us
                self._start_thread()
        self._loop.call_later(self._stuck_s, self._check_stuck)

    def _check_stuck(self) -> None:
        if self._alive > self._hanging:
            return
        left_s = self._returned_at + self._stuck_s - time.monotonic()
        if left_s > 0:
            self._loop.call_later(left_s, self._check_stuck)
        else:
            self.on_stuck()

    def _tell(self, work: _Work, result: object, error: BaseException | None, ended: float) -> None:
        if self._crowding.heard(time.monotonic() - ended):
            with self._turn:
                self._turn.notify()
        self._out.discard(work)
        if work.hangs:
            self.note_return()
        future = work.future
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    # -- in the threads

    def _work(self) -> None:
        me, is_needed = threading.get_ident(), True
        while is_needed and self._tokens.get():
            with self._lock:
                while self._running >= self._crowding.most:
                    self._turn.wait()
                work = (self._begun or self._fresh).popleft()
                call, work.call = work.call, None
                if call is None:
                    continue
                self._taken += 1
                self._taken_s += work.cost_s
                began = time.monotonic()
                if work.deadline <= began:  # the event loop is about to say so
                    continue
                if work.future.cancelled():
                    self._loop.call_soon_threadsafe(self._out.discard, work)
                    continue
                work.has_begun, work.thread = True, me
                self._running += 1
                self._running_s += work.cost_s
            result: object = None
            error: BaseException | None = None
            try:
                result = call()
            except BaseException as exc:  # whatever it is, it belongs to who waits, and ends nothing but the call
                error = exc
                if isinstance(exc, StopIteration) or not isinstance(exc, Exception):
                    error = Raised(f"raised {type(exc).__name__}").with_traceback(exc.__traceback__)
            self._returned_at = now = time.monotonic()
            if work.took is not None:
                work.took(now - began)
            with self._lock:
                work.is_over = True
                self._hanging -= work.hangs
                if not work.hangs:
                    self._stop_running(work)
                if self._alive - self._hanging > self.count:  # it hung, and another took its place
                    self._alive -= 1
                    is_needed = False
            try:
                self._loop.call_soon_threadsafe(self._tell, work, result, error, now)
            except RuntimeError:  # the loop has ended
                return
            del work, call, result, error  # nothing is kept until the next call

    def _stop_running(self, work: _Work) -> None:
        self._running -= 1
        self._turn.notify()
        self._running_s = self._running_s - work.cost_s if self._running else 0.0


def _at(thread: int) -> str:
    """Where a thread is now, for the log; innermost first."""
    frames = traceback.extract_stack(sys._current_frames().get(thread))[-_FRAMES:]
    return ", called from ".join(f"{frame.filename}:{frame.lineno} ({frame.name})" for frame in reversed(frames))
