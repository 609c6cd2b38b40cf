"""What is counted while load is on, second by second and in all. No clock in here: callers say the time.

Latencies of the whole run are kept as a histogram whose bins are 0.5 % wide, so that a day's run takes no more memory
than a minute's; percentiles are exact to that, minimum and maximum exactly.
"""

import math
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

MAX_KINDS = 50
"""Different errors that are told apart; further ones are counted as one."""
_OTHER = "other errors"
_WHOLE_S = 0.9
"""From here on it is a second, and not what is left over at the end."""
_FINEST_S = 1e-6
_LN_STEP = math.log(1.005)
_BINS = math.ceil(math.log(1e4 / _FINEST_S) / _LN_STEP)


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from request to answer, of good answers."""

    p50: float
    p90: float
    p99: float
    max: float
    mean: float

    def as_ms(self) -> dict[str, float]:
        """The same in milliseconds, for JSON."""
        return {name: round(getattr(self, name) * 1000, 4) for name in ("p50", "p90", "p99", "max", "mean")}


@dataclass(frozen=True, slots=True)
class Second:
    """One second of the run (the last may be shorter)."""

    at: float
    """When it ended, in seconds from the start of measuring; negative: warming up."""
    rate: float
    """Good answers in a second."""
    latency: Latency | None
    """None where nothing was answered."""
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run gave."""

    seconds: float
    """Measured, without the warm-up."""
    answers: int
    """Good ones."""
    errors: Mapping[str, int]
    """By what they said, most frequent first."""
    rates: tuple[float, ...]
    """Good answers in each whole second."""
    latency: Latency | None
    sent_bytes: int
    received_bytes: int
    waiting: int = 0
    """Open loop: requests that were due and had no answer at the end."""
    oldest_s: float = 0.0
    """Open loop: since when the oldest of these was due."""
    late_s: float = 0.0
    """Open loop: the longest time by which the generator itself sent too late."""
    cpu: float = 0.0
    """Processor time that the generator took, as a share of one core."""
    first_body: bytes = b""
    """Of the first good HTTP answer, as far as it is kept."""

    @property
    def rate(self) -> float:
        """Good answers per second."""
        return self.answers / self.seconds if self.seconds else 0.0

    @property
    def deviation(self) -> float:
        """Standard deviation of `rates`; 0 for fewer than two."""
        return float(np.std(self.rates, ddof=1)) if len(self.rates) > 1 else 0.0

    @property
    def failed(self) -> int:
        """Requests that failed."""
        return sum(self.errors.values())

    def as_json(self) -> dict[str, object]:
        """For a file: times in milliseconds where the name says so, else seconds."""
        return {
            "seconds": round(self.seconds, 3),
            "answers": self.answers,
            "rate": round(self.rate, 3),
            "deviation": round(self.deviation, 3),
            "rates": [round(rate, 3) for rate in self.rates],
            "latency_ms": self.latency.as_ms() if self.latency else None,
            "errors": dict(self.errors),
            "failed": self.failed,
            "sent_bytes": self.sent_bytes,
            "received_bytes": self.received_bytes,
            "waiting": self.waiting,
            "oldest_ms": round(self.oldest_s * 1000, 3),
            "late_ms": round(self.late_s * 1000, 3),
            "cpu": round(self.cpu, 4),
        }


class Tally:
    """Counts. `start` begins anew, `end_second` closes a second, `result` the whole."""

    def __init__(self) -> None:
        self.start(0.0, 0.0)

    def start(self, now: float, cpu_now: float) -> None:
        """Forget what was before: from here on it counts."""
        self.latencies = array("d")
        """Of this second. The generator appends to it directly: it is its hottest line."""
        self.sent_bytes = 0
        self.received_bytes = 0
        self.waiting = 0
        self.oldest_s = 0.0
        self.late_s = 0.0
        self._errors: Counter[str] = Counter()
        self._errors_now = 0
        self._rates: list[float] = []
        self._bins = np.zeros(_BINS, np.int64)
        self._answers = 0
        self._max = self._sum = 0.0
        self._started = self._second_from = now
        self._cpu_from = cpu_now

    def fail(self, error: str) -> None:
        """Count a request that failed."""
        known = error in self._errors or len(self._errors) < MAX_KINDS
        self._errors[error if known else _OTHER] += 1
        self._errors_now += 1

    @property
    def has_open_second(self) -> bool:
        """Whether anything was counted since the last `end_second`."""
        return bool(self.latencies) or self._errors_now > 0

    def end_second(self, now: float) -> Second:
        """Close the second that has run since the last call."""
        seconds = np.frombuffer(self.latencies, np.float64)
        elapsed = now - self._second_from
        rate = len(seconds) / max(elapsed, 1e-9)
        if elapsed > _WHOLE_S:
            self._rates.append(rate)
        latency = None
        if len(seconds):
            p50, p90, p99 = np.percentile(seconds, (50, 90, 99))
            latency = Latency(float(p50), float(p90), float(p99), float(seconds.max()), float(seconds.mean()))
            places = np.log(np.maximum(seconds, _FINEST_S) / _FINEST_S) / _LN_STEP
            self._bins += np.bincount(np.minimum(places.astype(np.int64), _BINS - 1), minlength=_BINS)
            self._answers += len(seconds)
            self._sum += float(seconds.sum())
            self._max = max(self._max, latency.max)
        second = Second(now - self._started, rate, latency, self._errors_now)
        self.latencies = array("d")
        self._second_from, self._errors_now = now, 0
        return second

    def result(self, now: float, cpu_now: float, first_body: bytes = b"") -> Result:
        """What it was in all; call `end_second` before."""
        elapsed = now - self._started
        return Result(
            seconds=elapsed,
            answers=self._answers,
            errors=dict(self._errors.most_common()),
            rates=tuple(self._rates),
            latency=self._latency(),
            sent_bytes=self.sent_bytes,
            received_bytes=self.received_bytes,
            waiting=self.waiting,
            oldest_s=self.oldest_s,
            late_s=self.late_s,
            cpu=(cpu_now - self._cpu_from) / elapsed if elapsed > 0 else 0.0,
            first_body=first_body,
        )

    def _latency(self) -> Latency | None:
        if not self._answers:
            return None
        p50, p90, p99 = (self._percentile(share) for share in (0.50, 0.90, 0.99))
        return Latency(p50, p90, p99, self._max, self._sum / self._answers)

    def _percentile(self, share: float) -> float:
        place = int(np.searchsorted(np.cumsum(self._bins), share * self._answers))
        return min(_FINEST_S * math.exp((place + 0.5) * _LN_STEP), self._max)
