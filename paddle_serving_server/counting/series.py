"""Where the figures of one kind of call lie in shared memory, and how a process counts on them."""

from bisect import bisect_left
from typing import Final

BOUNDS_US: Final = tuple(n * 10**k for k in range(7) for n in (10, 12, 16, 20, 25, 32, 40, 50, 63, 80))
"""Upper ends of the latency buckets, in microseconds, each included: 10 us to 80 s in steps of about a quarter."""

FAILED, RUNS, QUEUE_US, RUN_US, ROWS, BYTES_IN, BYTES_OUT, INSIDE, STAMP = range(9)
SECONDS = 64
"""Seconds of which the number of requests is kept, one by one."""
RING = 16
BUCKETS = len(BOUNDS_US) + 1
WINDOW_S = 10
WINDOWS = 7
"""Stretches of ten seconds of which the latencies are kept: a minute, and the one that fills now."""
WINDOW_SUM, WINDOW_MAX = BUCKETS, BUCKETS + 1
WINDOW_SIZE = BUCKETS + 2
OLDER = RING + SECONDS
"""The latencies of all stretches before those."""
WINDOW = OLDER + WINDOW_SIZE
VALUES = WINDOW + WINDOWS * WINDOW_SIZE
_NOTHING = memoryview(bytes(8 * WINDOW_SIZE)).cast("q")


class Series:
    """One kind of call: how many, how long, how large. One thread writes."""

    __slots__ = ("_second", "_v", "_window")

    def __init__(self, values: memoryview) -> None:
        self._v = values
        self._second = values[STAMP]
        self._window = window_at(self._second)

    def add(self, us: int, now: float, bytes_in: int = 0, bytes_out: int = 0, calls: int = 1) -> None:
        """Count a call that was answered, or several that took the same time.

        Args:
            us: how long it took, in microseconds.
            now: the clock of `time.monotonic`.
            bytes_in, bytes_out: sizes of the bodies.
        """
        v, second = self._v, int(now)
        if second != self._second:
            self._roll(second)
        v[RING + second % SECONDS] += calls
        window = self._window
        v[window + bisect_left(BOUNDS_US, us)] += calls
        v[window + WINDOW_SUM] += us * calls
        if us > v[window + WINDOW_MAX]:
            v[window + WINDOW_MAX] = us
        if bytes_in:
            v[BYTES_IN] += bytes_in
            v[BYTES_OUT] += bytes_out

    def add_failure(self, now: float, bytes_in: int = 0) -> None:
        """Count a call that was refused or failed; its time says nothing about those that were answered."""
        v, second = self._v, int(now)
        if second != self._second:
            self._roll(second)
        v[RING + second % SECONDS] += 1
        v[FAILED] += 1
        v[BYTES_IN] += bytes_in

    def enter(self, calls: int = 1) -> None:
        """A call is inside until it leaves or fails."""
        self._v[INSIDE] += calls

    def leave(self, us: int, now: float, queue_ms: float, run_ms: float, rows: int, calls: int = 1) -> None:
        """Count a call that was answered after it has entered, and where the time went; or several, as one run.

        Args:
            us, now: see `add`.
            queue_ms, run_ms: what it waited for its batch, and what that took, in milliseconds.
            rows: those of the batch; 0 for a call that needed no run.
        """
        self.add(us, now, calls=calls)
        v = self._v
        v[INSIDE] -= calls
        if rows:
            v[RUNS] += calls
            v[QUEUE_US] += int(queue_ms * 1000) * calls
            v[RUN_US] += int(run_ms * 1000) * calls
            v[ROWS] += rows * calls

    def leave_unanswered(self, calls: int = 1) -> None:
        """A call that has entered is gone."""
        self._v[INSIDE] -= calls

    def _roll(self, second: int) -> None:
        """Begin a second: what is as old as the rings are long makes room, latencies by joining the older ones."""
        v, last = self._v, self._second
        for k in range(max(last + 1, second - SECONDS + 1), second + 1):
            v[RING + k % SECONDS] = 0
        window = second // WINDOW_S
        for k in range(max(last // WINDOW_S + 1, window - WINDOWS + 1), window + 1):
            self._retire(window_at(k * WINDOW_S))
        v[STAMP] = self._second = second
        self._window = window_at(second)

    def _retire(self, window: int) -> None:
        v = self._v
        for k in range(WINDOW_MAX):
            v[OLDER + k] += v[window + k]
        v[OLDER + WINDOW_MAX] = max(v[OLDER + WINDOW_MAX], v[window + WINDOW_MAX])
        v[window : window + WINDOW_SIZE] = _NOTHING


def window_at(second: int) -> int:
    """Where the latencies of a second are."""
    return WINDOW + second // WINDOW_S % WINDOWS * WINDOW_SIZE
