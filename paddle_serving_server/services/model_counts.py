"""What is counted of a model in one version, whatever protocol asked it and however many processes it has."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from paddle_serving_client.errors import ErrNo
from paddle_serving_server.counting.sums import Batches, Counted, SeriesSum
from paddle_serving_server.engine.counted import MODEL, MODEL_FAILURE
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.service import Service

REASONS: Final = ("REJECTED", "CANCELED", "BACKEND", "OTHER")
"""Why a request failed, in the words of Triton."""
_REASON_OF: Final = {
    ErrNo.CLOSED: "REJECTED",
    ErrNo.TIMEOUT: "REJECTED",
    ErrNo.BACKEND: "BACKEND",
}


@dataclass(slots=True)
class ModelCounts:
    """Since the server started; times in microseconds, summed over requests."""

    success: int = 0
    success_us: int = 0
    failures: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
    fail_us: int = 0
    computed: int = 0
    """Requests; those that a cache answered are not among them."""
    rows: int = 0
    """Of these."""
    executions: int = 0
    queue_us: int = 0
    input_us: int = 0
    infer_us: int = 0
    output_us: int = 0
    pending: int = 0
    """Requests that wait or are being computed."""
    hits: int = 0
    hit_us: int = 0
    misses: int = 0
    miss_us: int = 0
    last_ms: int = 0
    """When the last answer was given, in milliseconds since 1970; 0: never."""
    batches: dict[int, Batches] = field(default_factory=dict)
    """By their size."""


def models(catalogue: Catalogue) -> Iterator[tuple[str, str, Service]]:
    """The models that answer: name, version and service, versions rising."""
    for name in catalogue.names:
        for version, service in reversed(catalogue.versions(name).items()):
            if service.signature.inputs:
                yield name, version, service


def of(counted: Counted, name: str, version: str) -> ModelCounts:
    """The counts of one version; nothing but zeros for one that nobody has asked.

    A service of several models counts what each of them did.
    """
    found = ModelCounts()
    for series in counted.summed(MODEL, service=name, version=version):
        _add(found, series)
    for labels, n in counted.counts_of(MODEL_FAILURE):
        if labels["service"] == name and labels["version"] == version:
            found.failures[_REASON_OF.get(ErrNo(int(labels["err_no"])), "OTHER")] += n
    return found


def _add(found: ModelCounts, series: SeriesSum) -> None:
    found.success += series.ok
    found.success_us += series.latencies.sum_us
    found.failures["CANCELED"] += series.called_off
    found.fail_us += series.failed_us
    found.computed += series.runs
    found.rows += series.own_rows
    found.executions += series.executions
    found.queue_us += series.queue_us
    found.input_us += series.input_us
    found.infer_us += series.infer_us
    found.output_us += series.output_us
    found.pending += series.inside
    found.hits += series.hits
    found.hit_us += series.hit_us
    found.misses += series.misses
    found.miss_us += series.miss_us
    found.last_ms = max(found.last_ms, series.last_ms)
    for size, batches in series.batches.items():
        known = found.batches.setdefault(size, Batches())
        known.count += batches.count
        known.input_us += batches.input_us
        known.infer_us += batches.infer_us
        known.output_us += batches.output_us
