"""What all processes of a server have counted, added up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from paddle_serving_server.counting.series import (
    BATCH_INFER,
    BATCH_INPUT,
    BATCH_OUTPUT,
    BATCH_SIZE,
    BATCH_SIZES,
    BATCHES,
    BOUNDS_US,
    BUCKETS,
    BYTES_IN,
    BYTES_OUT,
    CALLED_OFF,
    FAILED,
    FAILED_US,
    HIT_US,
    HITS,
    INPUT_US,
    INSIDE,
    LAST_MS,
    MISS_US,
    MISSES,
    OLDER,
    ONE_BATCH,
    OUTPUT_US,
    OWN_ROWS,
    QUEUE_US,
    RING,
    ROWS,
    RUN_US,
    RUNS,
    SECONDS,
    STAMP,
    WINDOW,
    WINDOW_MAX,
    WINDOW_S,
    WINDOW_SIZE,
    WINDOW_SUM,
    WINDOWS,
    window_at,
)

Key: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
"""What is counted: a kind, and its labels, in the order in which they are always given."""


@dataclass(slots=True)
class Latencies:
    """How long calls took, in microseconds."""

    buckets: list[int] = field(default_factory=lambda: [0] * BUCKETS)
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
        self.buckets = [a + b for a, b in zip(self.buckets, window[:BUCKETS], strict=True)]
        self.sum_us += window[WINDOW_SUM]
        self.max_us = max(self.max_us, window[WINDOW_MAX])


@dataclass(slots=True)
class Batches:
    """Batches of one size, and what they took, in microseconds."""

    count: int = 0
    input_us: int = 0
    infer_us: int = 0
    output_us: int = 0


@dataclass(slots=True)
class SeriesSum:
    """What all processes counted in series of one key."""

    failed: int = 0
    runs: int = 0
    queue_us: int = 0
    run_us: int = 0
    rows: int = 0
    """Of the batches of all calls."""
    failed_us: int = 0
    called_off: int = 0
    """Calls whose answer nobody waited for any more."""
    own_rows: int = 0
    """Of the calls that were computed."""
    input_us: int = 0
    output_us: int = 0
    """What of `run_us` went into joining and splitting batches."""
    last_ms: int = 0
    """When the last answer was given, in milliseconds since 1970; 0: never."""
    hits: int = 0
    hit_us: int = 0
    misses: int = 0
    miss_us: int = 0
    """Of the cache."""
    bytes_in: int = 0
    bytes_out: int = 0
    inside: int = 0
    """Calls that are not answered yet."""
    latencies: Latencies = field(default_factory=Latencies)
    """Of all answered calls since the server started."""
    recent: Latencies = field(default_factory=Latencies)
    """Of those of the last minute."""
    seconds: list[int] = field(default_factory=lambda: [0] * SECONDS)
    """Calls in each of the last seconds, the one that is not over first."""
    batch_parts: list[int] = field(default_factory=lambda: [0] * ((BATCH_SIZES + 1) * BATCH_SIZE))
    """As they lie in `series`."""

    @property
    def ok(self) -> int:
        """Calls that were answered."""
        return self.latencies.count

    @property
    def infer_us(self) -> int:
        """What of `run_us` the model itself took."""
        return self.run_us - self.input_us - self.output_us

    @property
    def executions(self) -> int:
        """Batches that were run, whatever their size."""
        return sum(batches.count for batches in self.batches.values()) + self._larger

    @property
    def batches(self) -> dict[int, Batches]:
        """Those that were run, by their size, up to the largest that is told apart."""
        found = {}
        for size in range(1, BATCH_SIZES + 1):
            parts = self.batch_parts[(size - 1) * BATCH_SIZE : size * BATCH_SIZE]
            if parts[0]:
                times = (parts[k] // size for k in (BATCH_INPUT, BATCH_INFER, BATCH_OUTPUT))
                # Who called off his part of a batch has not counted it: it was run nevertheless.
                found[size] = Batches(-(-parts[0] // size), *times)
        return found

    @property
    def _larger(self) -> int:
        return round(self.batch_parts[BATCH_SIZES * BATCH_SIZE] / ONE_BATCH)

    def per_second(self, seconds: int) -> float:
        """Calls a second over the last whole seconds, at most 60 of them."""
        return sum(self.seconds[1 : seconds + 1]) / seconds

    def add(self, v: memoryview, now: float) -> None:
        """Add the values of one process."""
        self.failed += v[FAILED]
        self.runs += v[RUNS]
        self.queue_us += v[QUEUE_US]
        self.run_us += v[RUN_US]
        self.rows += v[ROWS]
        self.failed_us += v[FAILED_US]
        self.called_off += v[CALLED_OFF]
        self.own_rows += v[OWN_ROWS]
        self.input_us += v[INPUT_US]
        self.output_us += v[OUTPUT_US]
        self.last_ms = max(self.last_ms, v[LAST_MS])
        self.hits += v[HITS]
        self.hit_us += v[HIT_US]
        self.misses += v[MISSES]
        self.miss_us += v[MISS_US]
        parts = v[BATCHES : BATCHES + len(self.batch_parts)].tolist()
        if any(parts):
            self.batch_parts = [a + b for a, b in zip(self.batch_parts, parts, strict=True)]
        self.bytes_in += v[BYTES_IN]
        self.bytes_out += v[BYTES_OUT]
        self.inside += v[INSIDE]
        second, last = int(now), v[STAMP]
        for age in range(SECONDS):
            if last - SECONDS < second - age <= last:
                self.seconds[age] += v[RING + (second - age) % SECONDS]
        self.latencies.add(v[OLDER:WINDOW].tolist())
        oldest = second // WINDOW_S - WINDOWS
        for k in range(last // WINDOW_S - WINDOWS + 1, last // WINDOW_S + 1):
            at = window_at(k * WINDOW_S)
            window = v[at : at + WINDOW_SIZE].tolist()
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

    def summed(self, kind: str, **labels: str) -> list[SeriesSum]:
        """The series of a kind that have these labels, whatever others they have."""
        wanted = labels.items()
        return [found for (its, at), found in self.series.items() if its == kind and wanted <= dict(at).items()]

    def counts_of(self, kind: str) -> list[tuple[Mapping[str, str], int]]:
        """The counts of a kind, with their labels."""
        return [(dict(labels), found) for (its, labels), found in sorted(self.counts.items()) if its == kind]
