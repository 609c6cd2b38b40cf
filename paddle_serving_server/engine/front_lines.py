"""An engine's end of the lines to all fronts: who connects, what they ask for, what is due to them."""

import selectors
import socket
import threading
from collections import deque
from dataclasses import dataclass, field

from paddle_serving_client.errors import Stopping
from paddle_serving_server.engine import batch, messages, segments
from paddle_serving_server.engine.front_line import FrontLine


@dataclass(slots=True, eq=False)
class Job:
    """A request inside the engine."""

    front: FrontLine
    run: messages.Run
    feed: batch.Feed
    cancelled: threading.Event = field(default_factory=threading.Event)
    """Nobody waits for its answer any more."""


class FrontLines:
    """All of them, and the requests that wait. When the supervisor's line closes, it is to stop.

    Args:
        listener: where fronts connect.
        line: to the supervisor.
        hello: what every front is told first.
    """

    def __init__(self, listener: socket.socket, line: socket.socket, hello: bytes) -> None:
        self._listener = listener
        self._line = line
        self._hello = hello
        self.waiting: deque[Job] = deque()
        """In the order in which they came."""
        self.fronts: set[FrontLine] = set()
        self.selector = selectors.DefaultSelector()
        self.is_stopping = False
        listener.setblocking(False)
        self.selector.register(listener, selectors.EVENT_READ)
        self.selector.register(line, selectors.EVENT_READ)

    def came(self, front: FrontLine, kind: int, message: bytes, fds: list[int]) -> None:
        """A message of a kind that is not known here."""

    def called_off(self, front: FrontLine, number: int) -> None:
        """Nobody waits for the answer to a request that is worked on."""

    def gone(self, front: FrontLine) -> None:
        """A front has closed its end."""

    def ready(self, key: selectors.SelectorKey) -> None:
        """Something that was registered elsewhere can be read."""

    def listen(self, timeout: float | None) -> None:
        """Take what has come, or wait for it so many seconds; None: for ever."""
        self.take(self.selector.select(timeout))

    def take(self, ready: list[tuple[selectors.SelectorKey, int]]) -> None:
        """Take what these can give now."""
        for key, events in ready:
            if key.fileobj is self._listener:
                self._accept()
            elif key.fileobj is self._line:
                self.is_stopping = True
            elif isinstance(front := key.data, FrontLine):
                if events & selectors.EVENT_READ:
                    self._receive(front)
                self.mind(front)
            else:
                self.ready(key)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * messages.MAX_PACKET_BYTES)
        front = FrontLine(sock)
        self.fronts.add(front)
        self.selector.register(sock, selectors.EVENT_READ, front)
        front.send(self._hello)
        self.mind(front)

    def _receive(self, front: FrontLine) -> None:
        while (received := front.receive()) is not None:
            packet, fds = received
            if not packet:
                front.is_open = False
                return
            for message in messages.unbundle(packet):
                self._take(front, message, fds)

    def _take(self, front: FrontLine, message: bytes, fds: list[int]) -> None:
        kind, number = messages.kind_and_id(message)
        if kind == messages.RUN:
            self._enqueue(front, messages.read_run(message))
        elif kind == messages.ATTACH:
            number, size = messages.read_attach(message)
            front.segments[number] = segments.attach(number, size, fds[0])
        elif kind == messages.DETACH:
            segments.discard(front.segments.pop(number))
        elif kind == messages.CANCEL:
            self._cancel(front, number)
        else:
            self.came(front, kind, message, fds)

    def _enqueue(self, front: FrontLine, run: messages.Run) -> None:
        values = run.inline if run.segment == messages.INLINE else front.segments[run.segment].memory
        layout = run.layout
        self.waiting.append(Job(front, run, batch.Feed(layout.arrays(values), layout.rows, layout.kind)))

    def _cancel(self, front: FrontLine, number: int) -> None:
        for job in self.waiting:
            if job.front is front and job.run.id == number:
                self.waiting.remove(job)
                front.send(messages.failed(number, Stopping("cancelled")))
                return
        self.called_off(front, number)

    def mind(self, front: FrontLine) -> None:
        """Send what is due, watch for what the front can do next, or forget it when its end is closed."""
        front.flush()
        if front.is_open:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if front.outbox else 0)
            if events != front.watched:
                front.watched = events
                self.selector.modify(front.socket, events, front)
            return
        if front in self.fronts:
            self.fronts.remove(front)
            self.selector.unregister(front.socket)
            self.waiting = deque(job for job in self.waiting if job.front is not front)
            front.close()
            self.gone(front)

    def end(self) -> None:
        """Tell whoever waits that nothing more is answered."""
        for job in self.waiting:
            job.front.send(messages.failed(job.run.id, Stopping("the engine is stopping")))
            job.front.flush()
