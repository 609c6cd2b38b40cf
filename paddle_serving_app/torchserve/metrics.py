"""`context.metrics`: what a handler counts and measures goes into the log, one line for each metric, as there.

PreprocessTime.ms:1.5|#ModelName:my_model,Level:Model
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from paddle_serving_client.message import Measured

logger = logging.getLogger("MODEL_METRICS")

_OF_EVERY_BATCH: Final = ("HandlerTime", "PredictionTime")
"""What every handler says: a line of the log for each request is more than anybody reads."""
_MOST_MEASURED: Final = 256
"""Values that are kept until they are asked for."""


class MetricTypes(Enum):
    """What a metric's values mean."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Dimension:
    """A name and a value that say whose a metric is."""

    name: str
    value: str

    def __str__(self) -> str:
        return f"{self.name}:{self.value}"


@dataclass
class Metric:
    """A named number with a unit."""

    name: str
    value: float = 0.0
    unit: str = "count"
    dimensions: list[Any] = field(default_factory=list)
    metric_type: MetricTypes = MetricTypes.COUNTER

    on_value: Callable[["Metric", float], None] | None = field(default=None, repr=False, compare=False)
    """Hears of every value."""

    def add_or_update(self, value: float, dimension_values: list[str] | None = None, request_id: str = "") -> None:
        """Count on, or take the new value, as its type says."""
        self.value = self.value + value if self.metric_type is MetricTypes.COUNTER else value
        if self.on_value is not None:
            self.on_value(self, value)
        level = logging.DEBUG if self.name in _OF_EVERY_BATCH else logging.INFO
        if logger.isEnabledFor(level):
            said = ",".join(map(str, [*self.dimensions, *(dimension_values or [])]))
            logger.log(level, "%s.%s:%s|#%s", self.name, self.unit, value, said)

    update = add_or_update


class MetricsStore:
    """The metrics of one model."""

    def __init__(self, model_name: str = "") -> None:
        self.model_name = model_name
        self.cache: dict[str, Metric] = {}
        self._measured: deque[Measured] = deque(maxlen=_MOST_MEASURED)

    def drained(self) -> list[Measured]:
        """What was counted since this was asked last, the oldest first, as far as it was kept."""
        found = list(self._measured)
        self._measured.clear()
        return found

    def note_time(self, name: str, ms: float) -> None:
        """Count how long something of the server's own took, without a line in the log."""
        labels = {"ModelName": self.model_name, "Level": "Model"}
        self._measured.append(Measured(name, round(ms, 2), "ms", "gauge", labels))

    def _note(self, metric: Metric, value: float) -> None:
        labels = {str(one.name): str(one.value) for one in metric.dimensions if isinstance(one, Dimension)}
        self._measured.append(Measured(metric.name, float(value), metric.unit, metric.metric_type.value, labels))

    def add_metric(
        self,
        name: str,
        value: float,
        unit: str = "count",
        idx: str | None = None,
        dimensions: list[Any] | None = None,
        metric_type: MetricTypes = MetricTypes.COUNTER,
    ) -> None:
        """Say a value of a metric."""
        del idx
        metric = self.cache.get(name)
        if metric is None:
            own = [Dimension("ModelName", self.model_name), Dimension("Level", "Model")]
            metric = self.cache[name] = Metric(name, 0.0, unit, [*own, *(dimensions or [])], metric_type, self._note)
        metric.add_or_update(value)

    def add_counter(self, name: str, value: float, idx: str | None = None, dimensions: list[Any] | None = None) -> None:
        """Count."""
        self.add_metric(name, value, "count", idx, dimensions)

    def add_time(
        self,
        name: str,
        value: float,
        idx: str | None = None,
        unit: str = "ms",
        dimensions: list[Any] | None = None,
        metric_type: MetricTypes = MetricTypes.GAUGE,
    ) -> None:
        """Say how long something took."""
        self.add_metric(name, value, unit, idx, dimensions, metric_type)

    def add_size(
        self, name: str, value: float, idx: str | None = None, unit: str = "MB", dimensions: list[Any] | None = None
    ) -> None:
        """Say how large something is."""
        self.add_metric(name, value, unit, idx, dimensions, MetricTypes.GAUGE)

    def add_percent(self, name: str, value: float, idx: str | None = None, dimensions: list[Any] | None = None) -> None:
        """Say a part of a hundred."""
        self.add_metric(name, value, "percent", idx, dimensions, MetricTypes.GAUGE)

    def add_error(self, name: str, value: object, dimensions: list[Any] | None = None) -> None:
        """Say that something is wrong."""
        del dimensions
        logger.error("%s: %s", name, value)

    def get_metric(self, metric_name: str, metric_type: MetricTypes = MetricTypes.COUNTER) -> Metric:
        """A metric that was said before, or is about to be."""
        own = [Dimension("ModelName", self.model_name), Dimension("Level", "Model")]
        return self.cache.setdefault(metric_name, Metric(metric_name, 0.0, "count", own, metric_type, self._note))
