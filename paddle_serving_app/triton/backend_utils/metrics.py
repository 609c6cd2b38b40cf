"""`MetricFamily`: numbers of its own that a model.py counts; whoever shows them asks `families`."""

import bisect
import threading
from collections.abc import Mapping, Sequence
from typing import Final

from paddle_serving_app.triton.backend_utils.errors import TritonModelException

_KINDS: Final = ("COUNTER", "GAUGE", "HISTOGRAM")
_lock = threading.Lock()


class Metric:
    """One number of a family, or the counts of a histogram."""

    def __init__(self, kind: int, labels: Mapping[str, str], buckets: Sequence[float]) -> None:
        """Use `MetricFamily.Metric`."""
        self.labels = dict(labels)
        self.bounds = tuple(sorted(float(bound) for bound in buckets))
        """Of the buckets of a histogram: the largest value of each; one more has no end."""
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0
        self._kind = kind
        self._value = 0.0

    def value(self) -> float:
        """What it is now.

        Raises:
            TritonModelException: it is a histogram.
        """
        self._must_be("value", MetricFamily.COUNTER, MetricFamily.GAUGE)
        return self._value

    def increment(self, value: float = 1.0) -> None:
        """Add to it.

        Raises:
            TritonModelException: it is a histogram, or a counter that would fall.
        """
        self._must_be("increment", MetricFamily.COUNTER, MetricFamily.GAUGE)
        if value < 0 and self._kind == MetricFamily.COUNTER:
            raise TritonModelException(f"a counter does not fall; got {value}")
        with _lock:
            self._value += value

    def set(self, value: float) -> None:
        """Say what it is.

        Raises:
            TritonModelException: it is no gauge.
        """
        self._must_be("set", MetricFamily.GAUGE)
        self._value = float(value)

    def observe(self, value: float) -> None:
        """Count a value.

        Raises:
            TritonModelException: it is no histogram.
        """
        self._must_be("observe", MetricFamily.HISTOGRAM)
        with _lock:
            self.counts[bisect.bisect_left(self.bounds, value)] += 1
            self.total += value

    def _must_be(self, what: str, *kinds: int) -> None:
        if self._kind not in kinds:
            raise TritonModelException(f"a {_KINDS[self._kind].lower()} has no {what}()")


class MetricFamily:
    """Numbers of one name, which differ in their labels."""

    COUNTER: Final = 0
    GAUGE: Final = 1
    HISTOGRAM: Final = 2

    def __init__(self, name: str, description: str, kind: int) -> None:
        """Begin a family.

        Raises:
            TritonModelException: there is no such kind, or the name has a family of another kind.
        """
        if kind not in range(len(_KINDS)):
            raise TritonModelException(f"there is no kind {kind!r} of MetricFamily")
        self.name, self.description, self.kind = name, description, kind
        self.metrics: list[Metric] = []
        with _lock:
            known = _families.setdefault(name, self)
        if known.kind != kind:
            raise TritonModelException(f"metric '{name}' is a {_KINDS[known.kind].lower()} already")
        self.metrics = known.metrics

    def Metric(self, labels: Mapping[str, str] | None = None, buckets: Sequence[float] = ()) -> Metric:
        """One of its numbers, the same for the same labels.

        Raises:
            TritonModelException: buckets belong to a histogram, which needs them.
        """
        if (self.kind == MetricFamily.HISTOGRAM) != bool(buckets):
            raise TritonModelException(f"metric '{self.name}': buckets belong to a histogram, which needs them")
        with _lock:
            found = next((metric for metric in self.metrics if metric.labels == dict(labels or {})), None)
            if found is None:
                found = Metric(self.kind, labels or {}, buckets)
                self.metrics.append(found)
        return found


_families: dict[str, MetricFamily] = {}


def families() -> list[MetricFamily]:
    """All that were begun in this process."""
    with _lock:
        return list(_families.values())
