"""What was counted, as Prometheus reads it: names of its conventions, and the few that Paddle Serving had."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from paddle_serving_client import __version__
from paddle_serving_server.counting.meter import CONNECTIONS, FAILURE, HANGING, HANGS, REQUEST, RESTARTS
from paddle_serving_server.counting.series import BOUNDS_US
from paddle_serving_server.counting.sums import Counted, Latencies, SeriesSum
from paddle_serving_server.engine import cache, shadow
from paddle_serving_server.engine.counted import MODEL, MODEL_FAILURE

if TYPE_CHECKING:  # imported when the first metrics are asked for: a server without them does not need it
    from prometheus_client.metrics_core import Metric

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OLD_LABELS: Final = {"model": "general", "version": "0"}
"""What Paddle Serving labels its metrics with, whatever is served."""
_BOUNDS: Final = tuple(us for us in BOUNDS_US if us >= 100 and str(us).rstrip("0") in ("1", "25", "5"))
"""Those buckets that are shown: 100 us to 50 s."""

_Counts = Sequence[tuple[Mapping[str, str], float]]


class Collector:
    """One look at the counts, for `prometheus_client`."""

    def __init__(self, counted: Counted, weights: Mapping[str, Mapping[str, float]], is_ready: bool) -> None:
        """Show counts.

        Args:
            counted: of all fronts.
            weights: of variants, by service and tag.
            is_ready: whether every engine is loaded and the server is not stopping.
        """
        self._counted = counted
        self._weights = weights
        self._is_ready = is_ready

    def collect(self) -> "Iterator[Metric]":
        """All metrics."""
        yield from self._of_the_server()
        yield from self._of_requests()
        yield from self._of_models()
        yield from self._of_trials()
        yield from self._old_ones()

    def _of_the_server(self) -> "Iterator[Metric]":
        counted = self._counted
        yield _gauge("info", "Always 1; the version is in the label.", [({"version": __version__}, 1)])
        yield _gauge("ready", "1 if every model is loaded and the server is not stopping.", [({}, self._is_ready)])
        yield _gauge("connections", "Open connections.", counted.counts_of(CONNECTIONS))
        hanging = "Threads whose step of a service has not returned by its deadline."
        yield _gauge("hanging_steps", hanging, counted.counts_of(HANGING))
        yield _counter("hangs", "Steps of services that did not return by their deadline.", counted.counts_of(HANGS))
        restarts = counted.counts_of(RESTARTS)
        yield _counter("restarts", "Processes that died and were started again, by kind.", restarts)

    def _of_requests(self) -> "Iterator[Metric]":
        found = self._counted.series_of(REQUEST)
        yield _counter("requests", "Calls of services, failed ones too.", [(at, s.ok + s.failed) for at, s in found])
        yield _counter("failures", "Calls refused or failed, by err_no.", self._counted.counts_of(FAILURE))
        yield _histogram("request_duration_seconds", "From a whole request to its answer; answered calls.", found)
        yield _counter("request_bytes", "Bodies of requests, in bytes.", [(at, s.bytes_in) for at, s in found])
        yield _counter("response_bytes", "Bodies of answers, in bytes.", [(at, s.bytes_out) for at, s in found])

    def _of_models(self) -> "Iterator[Metric]":
        found = self._counted.series_of(MODEL)
        yield _histogram("model_duration_seconds", "From asking a model to its answer; answered calls.", found)
        yield _counter(
            "model_failures", "Calls a model did not answer, by err_no.", self._counted.counts_of(MODEL_FAILURE)
        )
        yield _gauge("model_waiting", "Calls that wait for a model, or run.", [(at, s.inside) for at, s in found])
        yield _counter("model_runs", "Calls that a model computed.", [(at, s.runs) for at, s in found])
        queue = [(at, s.queue_us / 1e6) for at, s in found]
        yield _counter("model_queue_seconds", "Time that computed calls waited for their batch.", queue)
        run = [(at, s.run_us / 1e6) for at, s in found]
        yield _counter("model_run_seconds", "Time that the batches of computed calls ran.", run)
        rows = [(at, s.rows) for at, s in found]
        yield _counter("model_batch_rows", "Rows of the batches of computed calls, summed over these calls.", rows)

    def _of_trials(self) -> "Iterator[Metric]":
        weights = [
            ({"service": service, "variant": tag}, weight)
            for service, of_service in self._weights.items()
            for tag, weight in of_service.items()
        ]
        yield _gauge("variant_weight", "Weight of a variant, compared with the others of its service.", weights)
        counted = self._counted
        compared = [
            ({**labels, "result": kind.removeprefix("shadow_")}, n)
            for kind in (shadow.EQUAL, shadow.DIFFERENT, shadow.FAILED, shadow.DROPPED)
            for labels, n in counted.counts_of(kind)
        ]
        yield _counter("shadow_requests", "Copies of requests for a shadow, by what came of them.", compared)
        largest = [(labels, n / 1e9) for labels, n in counted.counts_of(shadow.LARGEST)]
        yield _gauge("shadow_largest_difference", "As a part of the output's largest value.", largest)
        lookups = [
            ({"result": result}, n)
            for kind, result in ((cache.HITS, "hit"), (cache.SHARED, "shared"), (cache.MISSES, "miss"))
            for _, n in counted.counts_of(kind)
        ]
        yield _counter("cache_lookups", "Requests looked up in the request cache, by what came of them.", lookups)
        yield _gauge("cache_bytes", "Size of the request caches of all fronts.", counted.counts_of(cache.BYTES))

    def _old_ones(self) -> "Iterator[Metric]":
        requests = [s for _, s in self._counted.series_of(REQUEST)]
        models = [s for at, s in self._counted.series_of(MODEL) if at["model"]]
        for name, text, value in (
            ("pd_query_request_success", "Calls answered.", sum(s.ok for s in requests)),
            ("pd_query_request_failure", "Calls refused or failed.", sum(s.failed for s in requests)),
            ("pd_inference_count", "Calls that a model computed.", sum(s.runs for s in models)),
            ("pd_query_request_duration_us", "Time of calls answered.", sum(s.latencies.sum_us for s in requests)),
            ("pd_inference_duration_us", "Time that models ran for calls.", sum(s.run_us for s in models)),
        ):
            yield _counter(name, f"{text} The name is that of Paddle Serving.", [(OLD_LABELS, value)], prefix="")


def exposition(collector: Collector) -> bytes:
    """The text that Prometheus reads."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return generate_latest(registry)


def _counter(name: str, text: str, counts: _Counts, prefix: str = "paddle_serving_") -> "Metric":
    from prometheus_client.core import CounterMetricFamily

    return _filled(CounterMetricFamily(prefix + name, text, labels=_names(counts)), counts)


def _gauge(name: str, text: str, counts: _Counts) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    return _filled(GaugeMetricFamily("paddle_serving_" + name, text, labels=_names(counts)), counts)


def _filled(metric: "Metric", counts: _Counts) -> "Metric":
    names = _names(counts)
    for labels, value in counts:
        metric.add_metric([labels[name] for name in names], value)  # type: ignore[attr-defined]
    return metric


def _histogram(name: str, text: str, found: Sequence[tuple[Mapping[str, str], SeriesSum]]) -> "Metric":
    from prometheus_client.core import HistogramMetricFamily

    names = list(found[0][0]) if found else []
    metric = HistogramMetricFamily("paddle_serving_" + name, text, labels=names)
    for labels, series in found:
        metric.add_metric([labels[n] for n in names], _buckets(series.latencies), series.latencies.sum_us / 1e6)
    return metric


def _buckets(latencies: Latencies) -> list[tuple[str, float]]:
    below, found = 0, []
    for bound, n in zip(BOUNDS_US, latencies.buckets, strict=False):
        below += n
        if bound in _BOUNDS:
            found.append((f"{bound / 1e6:g}", float(below)))
    return [*found, ("+Inf", float(latencies.count))]


def _names(counts: _Counts) -> list[str]:
    return list(counts[0][0]) if counts else []
