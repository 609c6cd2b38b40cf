"""Where the figures of one kind of call lie in shared memory, and how a process counts on them."""

import time
from bisect import bisect_left
from typing import Final, NamedTuple

BOUNDS_US: Final = tuple(n * 10**k for k in range(7) for n in (10, 12, 16, 20, 25, 32, 40, 50, 63, 80))
"""Upper ends of the latency buckets, in microseconds, each included: 10 us to 80 s in steps of about a quarter."""

(
    FAILED, RUNS, QUEUE_US, RUN_US, ROWS, BYTES_IN, BYTES_OUT, INSIDE, STAMP,
    FAILED_US, CALLED_OFF, OWN_ROWS, INPUT_US, OUTPUT_US, LAST_MS, HITS, HIT_US, MISSES, MISS_US,
) = range(19)  # fmt: skip
SECONDS = 64
"""Seconds of which the number of requests is kept, one by one."""
RING = 24
BUCKETS = len(BOUNDS_US) + 1
WINDOW_S = 10
WINDOWS = 7
"""Stretches of ten seconds of which the latencies are kept: a minute, and the one that fills now."""
WINDOW_SUM, WINDOW_MAX = BUCKETS, BUCKETS + 1
WINDOW_SIZE = BUCKETS + 2
OLDER = RING + SECONDS
"""The latencies of all stretches before those."""
WINDOW = OLDER + WINDOW_SIZE
BATCHES = WINDOW + WINDOWS * WINDOW_SIZE
"""What batches of each size took, by their rows; behind the last size, those that are larger."""
BATCH_SIZES: Final = 128
BATCH_INPUT, BATCH_INFER, BATCH_OUTPUT = 1, 2, 3
"""Behind how many there were, in rows."""
BATCH_SIZE = 4
ONE_BATCH: Final = 1 << 20
"""What a batch counts that is larger than those."""
VALUES = BATCHES + (BATCH_SIZES + 1) * BATCH_SIZE
_NOTHING = memoryview(bytes(8 * WINDOW_SIZE)).cast("q")


class Work(NamedTuple):
    """What it took to compute a call, or several that took the same; times in microseconds, of the whole batch."""

    queue_us: int
    input_us: int
    """To join what was asked."""
    run_us: int
    """All of it, without the queue."""
    output_us: int
    """To split what came of it."""
    batch_size: int
    """Rows of the batch; of user code, requests."""
    share: int
    """What of that are each call's."""
    rows: int
    """Of each call."""


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

    def add_failure(self, now: float, bytes_in: int = 0, us: int = 0) -> None:
        """Count a call that was refused or failed; its time says nothing about those that were answered."""
        v, second = self._v, int(now)
        if second != self._second:
            self._roll(second)
        v[RING + second % SECONDS] += 1
        v[FAILED] += 1
        v[FAILED_US] += us
        v[BYTES_IN] += bytes_in

    def enter(self, calls: int = 1) -> None:
        """A call is inside until it leaves or fails."""
        self._v[INSIDE] += calls

    def leave(self, us: int, now: float, work: Work | None, calls: int = 1) -> None:
        """Count a call that was answered after it has entered, and where the time went; or several, as one run.

        Args:
            us, now: see `add`.
            work: what it took; None for a call that needed no run.
        """
        self.add(us, now, calls=calls)
        v = self._v
        v[INSIDE] -= calls
        v[LAST_MS] = int(time.time() * 1000)
        if work is not None:
            v[RUNS] += calls
            v[ROWS] += work.batch_size * calls
            v[OWN_ROWS] += work.rows * calls
            self.spend(work, calls)
            self._add_batch(work, work.share * calls)

    def spend(self, work: Work, calls: int = 1) -> None:
        """Count what calls took that are counted elsewhere."""
        v = self._v
        v[QUEUE_US] += work.queue_us * calls
        v[RUN_US] += work.run_us * calls
        v[INPUT_US] += work.input_us * calls
        v[OUTPUT_US] += work.output_us * calls

    def look_up(self, is_hit: bool, us: int) -> None:
        """Count a call that was looked up in a cache, and what that took, in microseconds."""
        count, time_us = (HITS, HIT_US) if is_hit else (MISSES, MISS_US)
        self._v[count] += 1
        self._v[time_us] += us

    def leave_unanswered(self, calls: int = 1, called_off: bool = False) -> None:
        """A call that has entered is gone; `called_off`: nobody waited for its answer any more."""
        self._v[INSIDE] -= calls
        if called_off:
            self._v[CALLED_OFF] += calls

    def _add_batch(self, work: Work, share: int) -> None:
        """Count a batch by its parts: each adds as much as it has of it, and the sum is divided when it is read.

        Of batches that are larger than the last size, each adds its part itself.
        """
        size, v = work.batch_size, self._v
        infer_us = work.run_us - work.input_us - work.output_us
        at = BATCHES + min(size - 1, BATCH_SIZES) * BATCH_SIZE
        if size <= BATCH_SIZES:
            v[at] += share
            v[at + BATCH_INPUT] += work.input_us * share
            v[at + BATCH_INFER] += infer_us * share
            v[at + BATCH_OUTPUT] += work.output_us * share
        else:
            v[at] += ONE_BATCH * share // size
            v[at + BATCH_INPUT] += work.input_us * share // size
            v[at + BATCH_INFER] += infer_us * share // size
            v[at + BATCH_OUTPUT] += work.output_us * share // size

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
