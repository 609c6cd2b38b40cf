"""Answers in parts: a batch of a handler in a thread of its own, which sends parts of its answers before it returns."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from paddle_serving_app.handler import Failure

_SENDS: Final = b"send_intermediate_predict_response"
_MOST_FILES: Final = 1000
_MOST_PARTS: Final = 4096
"""That wait to be taken; a stream whose caller is slower ends."""


def are_sent(folder: Path) -> bool:
    """Whether code in the folder of an archive sends parts."""
    files = [path for path in folder.rglob("*.py") if path.is_file()][:_MOST_FILES]
    return any(_SENDS in path.read_bytes() for path in files)


class PartStream:
    """The parts of one answer; see `handler.Stream`. Parts come in one thread, and are taken in another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parts: deque[Any] = deque()
        self._has_all = False
        self._is_open = True
        self._wake: Callable[[], None] = _nothing

    def put(self, part: Any, is_last: bool = False) -> None:
        """A part, or a `Failure`, behind which nothing comes."""
        with self._lock:
            if self._has_all or not self._is_open:
                return
            if len(self._parts) >= _MOST_PARTS:
                part = Failure(f"{_MOST_PARTS} parts wait to be taken: the caller is too slow")
            self._parts.append(part)
            self._has_all = is_last or isinstance(part, Failure)
        self._wake()

    def take(self) -> tuple[bool, Any]:
        """See `handler.Stream.take`."""
        with self._lock:
            if self._parts:
                part = self._parts.popleft()
            elif self._has_all:
                raise StopIteration
            else:
                return False, None
        if isinstance(part, Failure):
            raise part
        return True, part

    def on_part(self, wake: Callable[[], None]) -> None:
        """See `handler.Stream.on_part`."""
        self._wake = wake

    def close(self) -> None:
        """See `handler.Stream.close`."""
        with self._lock:
            self._is_open = False
            self._parts.clear()


class PartsRun:
    """One batch."""

    def __init__(self, work: Callable[[], Sequence[Any]], count: int) -> None:
        """`work` gives the results of so many requests, each a value or a `Failure`; it raises nothing."""
        self._work = work
        self._changed = threading.Condition()
        self._streams = tuple(PartStream() for _ in range(count))
        self._results: Sequence[Any] | None = None
        self.has_sent = False
        """Whether there were parts, so that the batch cannot be tried again."""
        self._last_sign = time.monotonic()

    @property
    def busy_since(self) -> float | None:
        """When it has shown last that it goes on, on the clock of `time.monotonic`; None: it is over."""
        return None if self._results is not None else self._last_sign

    def begin(self) -> Sequence[Any]:
        """The results; streams of parts, which go on coming, where there is a part before these are there."""
        threading.Thread(target=self._run, name="handler", daemon=True).start()
        with self._changed:
            self._changed.wait_for(lambda: self.has_sent or self._results is not None)
            return self._streams if self.has_sent or self._results is None else self._results

    def send(self, parts: Mapping[int, Any]) -> None:
        """A part of the answer of each of these requests."""
        with self._changed:
            self.has_sent, self._last_sign = True, time.monotonic()
            self._changed.notify_all()
        for place, part in parts.items():
            self._streams[place].put(part)

    def _run(self) -> None:
        results = self._work()
        with self._changed:
            self._results = results
            self._changed.notify_all()
        for stream, result in zip(self._streams, results, strict=True):
            stream.put(result, is_last=True)


def _nothing() -> None:
    """Nobody waits for parts yet."""
