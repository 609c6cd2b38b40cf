"""The lines of a handler's engine to the fronts, in a thread of their own, and what passes between both threads."""

import contextlib
import logging
import os
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from paddle_serving_client.errors import DeadlineExceeded
from paddle_serving_server.engine import handler_packets, messages, values
from paddle_serving_server.engine.front_line import FrontLine
from paddle_serving_server.engine.front_lines import FrontLines, Job
from paddle_serving_server.engine.handler_streams import Streams

logger = logging.getLogger(__name__)

EXIT_STUCK: Final = 75
_LOOK_S: Final = 0.5
"""How often it is looked whether a batch takes too long."""
_FINISH_S: Final = 2.0
_FINISH_LOOK_S: Final = 0.005


class HandlerLines(FrontLines):
    """The lines to the fronts, in a thread of their own, and what passes between that and the main thread."""

    def __init__(self, listener: socket.socket, line: socket.socket, hello: bytes) -> None:
        super().__init__(listener, line, hello)
        self._changed = threading.Condition()
        """Around what both threads write: the queue, what is due, when the batch must be done."""
        self._due: deque[tuple[FrontLine, bytes, int | None]] = deque()
        self._is_busy = False
        """Whether a batch was taken, and is not over."""
        self._batch_ends = float("inf")
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.setblocking(False)
        self.selector.register(self._ours, selectors.EVENT_READ)
        self.on_told: Callable[[int, bytes, list[int]], None] = lambda number, message, fds: None
        """Takes the answers to questions."""
        self.on_gone: Callable[[FrontLine], None] = lambda front: None
        self.current: Sequence[Job] = ()
        """The batch that the handler works on."""
        self.streams: Streams | None = None
        self.busy_since: Callable[[], float | None] = lambda: None
        """Whether the handler goes on with a batch that it has returned from; see `handler.Busy`."""
        self._limit_s = float("inf")

    # -- the thread of the lines

    def serve(self) -> None:
        """Listen until the supervisor says stop or is gone."""
        while not self.is_stopping:
            with self._changed:
                looks = self._is_busy or self._batch_ends < float("inf") or self.waiting or self._due
            self.listen(_LOOK_S if looks else None)
            if time.monotonic() > self._batch_ends:
                logger.error("the handler takes longer than anybody waits for it; another process takes its place")
                os._exit(EXIT_STUCK)
        with self._changed:
            self.end()
            self._changed.notify_all()

    def listen(self, timeout: float | None) -> None:
        """See `FrontLines.listen`."""
        events = self.selector.select(timeout)
        with self._changed:
            count = len(self.waiting)
            self.take(events)
            self._send_due()
            if len(self.waiting) != count:
                self._changed.notify_all()

    def _send_due(self) -> None:
        due, self._due = self._due, deque()
        for front, message, fd in due:
            if front in self.fronts:
                front.send(message, fd)
            elif fd is not None:
                os.close(fd)
        for front in {front for front, _, _ in due}:
            self.mind(front)

    def ready(self, key: selectors.SelectorKey) -> None:
        """See `FrontLines.ready`: the main thread has something to send."""
        with contextlib.suppress(BlockingIOError):
            self._ours.recv(4096)

    def came(self, front: FrontLine, kind: int, message: bytes, fds: list[int]) -> None:
        """See `FrontLines.came`."""
        if kind == messages.TOLD:
            self.on_told(messages.kind_and_id(message)[1], message, fds)

    def called_off(self, front: FrontLine, number: int) -> None:
        """See `FrontLines.called_off`."""
        for job in self.current:
            if job.front is front and job.run.id == number:
                job.cancelled.set()

    def gone(self, front: FrontLine) -> None:
        """See `FrontLines.gone`."""
        self.on_gone(front)

    # -- any thread

    def post(self, front: FrontLine, message: bytes, fd: int | None) -> None:
        """Send a message to a front, at once where nothing stands before it; `fd` is closed when it has left."""
        with self._changed:
            if not self._due and front.send_now(message, fd):
                return
            self._due.append((front, message, fd))
        self.wake()

    def wake(self) -> None:
        """Have the lines' thread look, and the main thread too."""
        with contextlib.suppress(BlockingIOError):  # it is woken already
            self._theirs.send(b"x")
        with self._changed:
            self._changed.notify_all()

    # -- the main thread

    def next_batch(self, most: int, wait_s: float) -> list[Job] | None:
        """Wait for requests, and for company for them; None: it is over."""
        with self._changed:
            self._is_busy = False
            while True:
                if self.is_stopping:
                    return None
                self._refuse_late()
                if jobs := self._due_now(most, wait_s):
                    self._is_busy = True
                    return jobs
                self._changed.wait(self._patience(wait_s))

    def begin(self, jobs: Sequence[Job], ends: float) -> None:
        """The handler begins with these, and must be done at that moment on the clock of `time.monotonic`."""
        self.current = jobs
        self._batch_ends, self._limit_s = ends, ends - time.monotonic()
        with self._changed:  # past what waits in line: a handler may end the process at its first step
            blocked = [job for job in jobs if not job.front.send_now(messages.begun(job.run.id))]
        for job in blocked:
            self.post(job.front, messages.begun(job.run.id), None)

    def end_batch(self) -> None:
        """It is done with them."""
        self.current = ()
        self._batch_ends = float("inf")

    def finish(self) -> None:
        """Wait until everything that was posted has left, or nobody takes it."""
        until = time.monotonic() + _FINISH_S
        while time.monotonic() < until:
            with self._changed:
                if not (self._due or any(front.outbox for front in self.fronts)):
                    return
            time.sleep(_FINISH_LOOK_S)

    def _patience(self, wait_s: float) -> float | None:
        """Until somebody has waited long enough for company, or too long altogether."""
        moments = [job.run.deadline if is_part(job) else job.run.sent + wait_s for job in self.waiting]
        return None if not moments else max(0.001, min(moments) - time.monotonic())

    def _due_now(self, most: int, wait_s: float) -> list[Job]:
        assert self.streams is not None
        self.streams.drop_gone()
        for job in self.waiting:  # parts of streams do not wait for company, but for their part
            if is_part(job) and self.streams.is_due(values.of_arrays(job.feed.arrays)["stream"]):
                self.waiting.remove(job)
                return [job]
        if self._goes_on():
            return []
        calls = [job for job in self.waiting if not is_part(job)]
        if not calls or (len(calls) < most and calls[0].run.sent + wait_s > time.monotonic()):
            return []
        chosen = calls[:most]
        self.waiting = deque(job for job in self.waiting if job not in chosen)
        return chosen

    def _goes_on(self) -> bool:
        """Whether the handler goes on with a batch; it has as long for each sign of that as for a whole one."""
        since = self.busy_since()
        is_news = since is not None and self._batch_ends == float("inf")
        self._batch_ends = float("inf") if since is None else since + self._limit_s
        if is_news:
            self.wake()
        return since is not None

    def _refuse_late(self) -> None:
        now = time.monotonic()
        for job in [job for job in self.waiting if job.run.deadline < now]:
            self.waiting.remove(job)
            late = DeadlineExceeded("waited for the handler beyond its deadline")
            self.post(job.front, messages.failed(job.run.id, late), None)


def is_part(job: Job) -> bool:
    """Whether a part of a stream is asked for."""
    return job.run.outputs == bytes(handler_packets.PART)
