"""Counts that every front adds to and any front can read: plain numbers in shared memory.

Each process of a server writes in a region of its own, so nothing is locked; a reader adds the regions up. When a
front dies, the one that takes its place takes its region too and counts on, so that no sum ever goes back.

    counters = Counters()                                   # of this process alone; a server shares memory
    series = counters.series("request", service="uci", protocol="http")
    series.add(us=850, now=time.monotonic(), bytes_in=120, bytes_out=80)
    counters.count("failures", service="uci", err_no="5000").add()
    counters.read().series
"""

import fcntl
import json
import logging
import mmap
import os
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

logger = logging.getLogger(__name__)

BOUNDS_US: Final = tuple(n * 10**k for k in range(7) for n in (10, 12, 16, 20, 25, 32, 40, 50, 63, 80))
"""Upper ends of the latency buckets, in microseconds, each included: 10 us to 80 s in steps of about a quarter."""

Key: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
"""What is counted: a kind, and its labels, in the order in which they are always given."""

_FAILED, _RUNS, _QUEUE_US, _RUN_US, _ROWS, _BYTES_IN, _BYTES_OUT, _INSIDE, _STAMP = range(9)
_SECONDS = 64
"""Seconds of which the number of requests is kept, one by one."""
_RING = 16
_BUCKETS = len(BOUNDS_US) + 1
_WINDOW_S = 10
_WINDOWS = 7
"""Stretches of ten seconds of which the latencies are kept: a minute, and the one that fills now."""
_WINDOW_SUM, _WINDOW_MAX = _BUCKETS, _BUCKETS + 1
_WINDOW_SIZE = _BUCKETS + 2
_OLDER = _RING + _SECONDS
"""The latencies of all stretches before those."""
_WINDOW = _OLDER + _WINDOW_SIZE
_VALUES = _WINDOW + _WINDOWS * _WINDOW_SIZE
_NOTHING = memoryview(bytes(8 * _WINDOW_SIZE)).cast("q")

_HEAD_BYTES = 4096
_SIZES, _LOST = 3, 2
_SERIES_KEY_BYTES, _SERIES_BYTES, _MAX_SERIES = 512, 8192, 4096
_COUNT_KEY_BYTES, _COUNT_BYTES, _MAX_COUNTS = 248, 256, 16_384
_COUNTS_AT = _HEAD_BYTES + _MAX_SERIES * _SERIES_BYTES
REGION_BYTES: Final = _COUNTS_AT + _MAX_COUNTS * _COUNT_BYTES
"""Of one process; the kernel gives it the pages that are written to, and no others."""
_MAX_LABEL = 128
GAUGE: Final = "now:"
"""Begins the kind of a count that goes up and down; it is zero again in a new process."""


MOST: Final = "most:"
"""Begins the kind of a count of which the largest of all processes is meant, not the sum."""


class Count:
    """One number."""

    __slots__ = ("_value",)

    def __init__(self, value: memoryview) -> None:
        self._value = value

    def add(self, n: int = 1) -> None:
        """Count on."""
        self._value[0] += n

    def set(self, n: int) -> None:
        """Say how many there are now."""
        self._value[0] = n

    def raise_to(self, n: int) -> None:
        """Keep the largest."""
        if n > self._value[0]:
            self._value[0] = n


class Series:
    """One kind of call: how many, how long, how large. One thread writes."""

    __slots__ = ("_second", "_v", "_window")

    def __init__(self, values: memoryview) -> None:
        self._v = values
        self._second = values[_STAMP]
        self._window = _window_at(self._second)

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
        v[_RING + second % _SECONDS] += calls
        window = self._window
        v[window + bisect_left(BOUNDS_US, us)] += calls
        v[window + _WINDOW_SUM] += us * calls
        if us > v[window + _WINDOW_MAX]:
            v[window + _WINDOW_MAX] = us
        if bytes_in:
            v[_BYTES_IN] += bytes_in
            v[_BYTES_OUT] += bytes_out

    def add_failure(self, now: float, bytes_in: int = 0) -> None:
        """Count a call that was refused or failed; its time says nothing about those that were answered."""
        v, second = self._v, int(now)
        if second != self._second:
            self._roll(second)
        v[_RING + second % _SECONDS] += 1
        v[_FAILED] += 1
        v[_BYTES_IN] += bytes_in

    def enter(self, calls: int = 1) -> None:
        """A call is inside until it leaves or fails."""
        self._v[_INSIDE] += calls

    def leave(self, us: int, now: float, queue_ms: float, run_ms: float, rows: int, calls: int = 1) -> None:
        """Count a call that was answered after it has entered, and where the time went; or several, as one run.

        Args:
            us, now: see `add`.
            queue_ms, run_ms: what it waited for its batch, and what that took, in milliseconds.
            rows: those of the batch; 0 for a call that needed no run.
        """
        self.add(us, now, calls=calls)
        v = self._v
        v[_INSIDE] -= calls
        if rows:
            v[_RUNS] += calls
            v[_QUEUE_US] += int(queue_ms * 1000) * calls
            v[_RUN_US] += int(run_ms * 1000) * calls
            v[_ROWS] += rows * calls

    def leave_unanswered(self, calls: int = 1) -> None:
        """A call that has entered is gone."""
        self._v[_INSIDE] -= calls

    def _roll(self, second: int) -> None:
        """Begin a second: what is as old as the rings are long makes room, latencies by joining the older ones."""
        v, last = self._v, self._second
        for k in range(max(last + 1, second - _SECONDS + 1), second + 1):
            v[_RING + k % _SECONDS] = 0
        window = second // _WINDOW_S
        for k in range(max(last // _WINDOW_S + 1, window - _WINDOWS + 1), window + 1):
            self._retire(_window_at(k * _WINDOW_S))
        v[_STAMP] = self._second = second
        self._window = _window_at(second)

    def _retire(self, window: int) -> None:
        v = self._v
        for k in range(_WINDOW_MAX):
            v[_OLDER + k] += v[window + k]
        v[_OLDER + _WINDOW_MAX] = max(v[_OLDER + _WINDOW_MAX], v[window + _WINDOW_MAX])
        v[window : window + _WINDOW_SIZE] = _NOTHING


def _window_at(second: int) -> int:
    """Where the latencies of a second are."""
    return _WINDOW + second // _WINDOW_S % _WINDOWS * _WINDOW_SIZE


@dataclass(slots=True)
class Latencies:
    """How long calls took, in microseconds."""

    buckets: list[int] = field(default_factory=lambda: [0] * _BUCKETS)
    """By `BOUNDS_US`, and those beyond the last."""
    sum_us: int = 0
    max_us: int = 0

    @property
    def count(self) -> int:
        """How many calls."""
        return sum(self.buckets)

    @property
    def mean_us(self) -> float:
        """On average; 0 without calls."""
        return self.sum_us / max(1, self.count)

    def quantile_us(self, part: float) -> float:
        """The time within which `part` of the calls were answered, to about an eighth; 0 without calls."""
        rank, below = part * self.count, 0
        for k, n in enumerate(self.buckets):
            if n and below + n >= rank:
                low = BOUNDS_US[k - 1] if k else 0
                high = min(BOUNDS_US[k] if k < len(BOUNDS_US) else self.max_us, self.max_us)
                return max(0.0, low + (high - low) * (rank - below) / n)
            below += n
        return float(self.max_us)

    def add(self, window: Sequence[int]) -> None:
        """Add those of another process or time: the buckets, their sum and their largest."""
        self.buckets = [a + b for a, b in zip(self.buckets, window[:_BUCKETS], strict=True)]
        self.sum_us += window[_WINDOW_SUM]
        self.max_us = max(self.max_us, window[_WINDOW_MAX])


@dataclass(slots=True)
class SeriesSum:
    """What all processes counted in series of one key."""

    failed: int = 0
    runs: int = 0
    queue_us: int = 0
    run_us: int = 0
    rows: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    inside: int = 0
    """Calls that are not answered yet."""
    latencies: Latencies = field(default_factory=Latencies)
    """Of all answered calls since the server started."""
    recent: Latencies = field(default_factory=Latencies)
    """Of those of the last minute."""
    seconds: list[int] = field(default_factory=lambda: [0] * _SECONDS)
    """Calls in each of the last seconds, the one that is not over first."""

    @property
    def ok(self) -> int:
        """Calls that were answered."""
        return self.latencies.count

    def per_second(self, seconds: int) -> float:
        """Calls a second over the last whole seconds, at most 60 of them."""
        return sum(self.seconds[1 : seconds + 1]) / seconds

    def add(self, v: memoryview, now: float) -> None:
        """Add the values of one process."""
        self.failed += v[_FAILED]
        self.runs += v[_RUNS]
        self.queue_us += v[_QUEUE_US]
        self.run_us += v[_RUN_US]
        self.rows += v[_ROWS]
        self.bytes_in += v[_BYTES_IN]
        self.bytes_out += v[_BYTES_OUT]
        self.inside += v[_INSIDE]
        second, last = int(now), v[_STAMP]
        for age in range(_SECONDS):
            if last - _SECONDS < second - age <= last:
                self.seconds[age] += v[_RING + (second - age) % _SECONDS]
        self.latencies.add(v[_OLDER:_WINDOW].tolist())
        oldest = second // _WINDOW_S - _WINDOWS
        for k in range(last // _WINDOW_S - _WINDOWS + 1, last // _WINDOW_S + 1):
            at = _window_at(k * _WINDOW_S)
            window = v[at : at + _WINDOW_SIZE].tolist()
            self.latencies.add(window)
            if k > oldest:
                self.recent.add(window)


@dataclass(slots=True)
class Counted:
    """What a whole server has counted."""

    lost: int = 0
    """Names that found no more room, and are not counted."""
    series: dict[Key, SeriesSum] = field(default_factory=dict)
    counts: dict[Key, int] = field(default_factory=dict)

    def series_of(self, kind: str) -> list[tuple[Mapping[str, str], SeriesSum]]:
        """The series of a kind, with their labels."""
        return [(dict(labels), found) for (its, labels), found in sorted(self.series.items()) if its == kind]

    def counts_of(self, kind: str) -> list[tuple[Mapping[str, str], int]]:
        """The counts of a kind, with their labels."""
        return [(dict(labels), found) for (its, labels), found in sorted(self.counts.items()) if its == kind]


class Counters:
    """The counts of one process, next to those of the others."""

    def __init__(self, file: str = "") -> None:
        """Take the first region of shared memory that no living process has.

        Args:
            file: where it is, from `shared_memory`; empty for memory of this process alone.
        """
        self._fd = os.open(file, os.O_RDWR | os.O_CLOEXEC) if file else -1
        size = os.fstat(self._fd).st_size if file else REGION_BYTES
        self._memory = memoryview(mmap.mmap(self._fd, size))
        start = _claim(self._fd, size) if file else 0
        self._mine = self._memory[start : start + REGION_BYTES]
        self._sizes = self._mine[: 8 * _SIZES].cast("q")
        """How many series and counts there are; a reader looks at no more. And how many found no room."""
        self._series = {key: Series(values) for key, values in _series_in(self._mine)}
        self._counts = {key: Count(value) for key, value in _counts_in(self._mine)}
        for _, values in _series_in(self._mine):
            values[_INSIDE] = 0
        for key, count in self._counts.items():
            if key[0].startswith(GAUGE):
                count.set(0)

    def series(self, kind: str, /, **labels: str) -> Series:
        """The series of that kind and labels, made when it is new."""
        key = _key(kind, labels)
        if key not in self._series:
            place = self._place(key, 0, _MAX_SERIES, _HEAD_BYTES, _SERIES_BYTES, _SERIES_KEY_BYTES)
            self._series[key] = Series(place[: 8 * _VALUES].cast("q"))
        return self._series[key]

    def count(self, kind: str, /, **labels: str) -> Count:
        """The count of that kind and labels, made when it is new."""
        key = _key(kind, labels)
        if key not in self._counts:
            place = self._place(key, 1, _MAX_COUNTS, _COUNTS_AT, _COUNT_BYTES, _COUNT_KEY_BYTES)
            self._counts[key] = Count(place.cast("q"))
        return self._counts[key]

    def read(self, now: float) -> Counted:
        """Add up what all processes have counted."""
        found = Counted()
        for start in range(0, len(self._memory), REGION_BYTES):
            region = self._memory[start : start + REGION_BYTES]
            found.lost += region[: 8 * _SIZES].cast("q")[_LOST]
            for key, values in _series_in(region):
                found.series.setdefault(key, SeriesSum()).add(values, now)
            for key, value in _counts_in(region):
                before = found.counts.get(key, 0)
                found.counts[key] = max(before, value[0]) if key[0].startswith(MOST) else before + value[0]
        return found

    def _place(self, key: Key, which: int, most: int, base: int, size: int, key_size: int) -> memoryview:
        """Room for the values of a new key; beyond what fits, room that nobody reads."""
        text = json.dumps(key).encode()
        number = self._sizes[which]
        if number >= most or len(text) > key_size:
            self._sizes[_LOST] += 1
            logger.warning("%s is not counted: there is no more room for counts", text.decode())
            return memoryview(bytearray(size - key_size))
        start = base + number * size
        self._mine[start : start + len(text)] = text
        self._sizes[which] = number + 1
        return self._mine[start + key_size : start + size]


def shared_memory(processes: int) -> tuple[int, str]:
    """Memory for the counts of so many processes, and the name under which those find it that inherit it.

    It is on no disk: writing to a page of a mapped file that the disk has no room for ends a process.

    Returns:
        A file descriptor, to be handed to every child, and the name for `Counters`.
    """
    fd = os.memfd_create("counters", os.MFD_CLOEXEC)
    os.truncate(fd, processes * REGION_BYTES)
    return fd, f"/proc/self/fd/{fd}"


def _claim(fd: int, size: int) -> int:
    """Lock a region; the kernel unlocks it when this process ends."""
    for start in range(0, size, REGION_BYTES):
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, start)
        except OSError:
            continue
        return start
    raise OSError("every region for counts is taken")


def _key(kind: str, labels: Mapping[str, str]) -> Key:
    return kind, tuple((name, value[:_MAX_LABEL]) for name, value in labels.items())


def _series_in(region: memoryview) -> list[tuple[Key, memoryview]]:
    count = region[:16].cast("q")[0]
    places = (
        region[at : at + _SERIES_BYTES] for at in range(_HEAD_BYTES, _HEAD_BYTES + count * _SERIES_BYTES, _SERIES_BYTES)
    )
    return [(_read_key(p[:_SERIES_KEY_BYTES]), p[_SERIES_KEY_BYTES:][: 8 * _VALUES].cast("q")) for p in places]


def _counts_in(region: memoryview) -> list[tuple[Key, memoryview]]:
    count = region[:16].cast("q")[1]
    places = (
        region[at : at + _COUNT_BYTES] for at in range(_COUNTS_AT, _COUNTS_AT + count * _COUNT_BYTES, _COUNT_BYTES)
    )
    return [(_read_key(p[:_COUNT_KEY_BYTES]), p[_COUNT_KEY_BYTES:].cast("q")) for p in places]


def _read_key(raw: memoryview) -> Key:
    kind, labels = json.loads(bytes(raw).rstrip(b"\0"))
    return kind, tuple((name, value) for name, value in labels)
