"""What was counted, as Triton says it to Prometheus: its names, labels, units and words, for dashboards made for it.

The names of its counters have no `_total` at their end, which `prometheus_client` would not let them be without.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from paddle_serving_server.counting.sums import Counted
from paddle_serving_server.services import model_counts
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.model_counts import ModelCounts
from paddle_serving_server.services.service import Service
from paddle_serving_server.showing.machine_load import MachineLoad

_COUNTERS: Final = {
    "nv_inference_request_success": ("Number of successful inference requests, all batch sizes", "success"),
    "nv_inference_count": ("Number of inferences performed (does not include cached requests)", "rows"),
    "nv_inference_exec_count": (
        "Number of model executions performed (does not include cached requests)",
        "executions",
    ),
    "nv_inference_request_duration_us": (
        "Cumulative inference request duration in microseconds (includes cached requests)",
        "success_us",
    ),
    "nv_inference_queue_duration_us": (
        "Cumulative inference queuing duration in microseconds (includes cached requests)",
        "queue_us",
    ),
    "nv_inference_compute_input_duration_us": (
        "Cumulative compute input duration in microseconds (does not include cached requests)",
        "input_us",
    ),
    "nv_inference_compute_infer_duration_us": (
        "Cumulative compute inference duration in microseconds (does not include cached requests)",
        "infer_us",
    ),
    "nv_inference_compute_output_duration_us": (
        "Cumulative inference compute output duration in microseconds (does not include cached requests)",
        "output_us",
    ),
}
"""By their names: what they are, and which of `ModelCounts` they show."""
_OF_CACHES: Final = {
    "nv_cache_num_hits_per_model": ("Number of cache hits per model", "hits"),
    "nv_cache_num_misses_per_model": ("Number of cache misses per model", "misses"),
    "nv_cache_hit_duration_per_model": ("Total cache hit duration per model, in microseconds", "hit_us"),
    "nv_cache_miss_duration_per_model": ("Total cache miss duration per model, in microseconds", "miss_us"),
}
_FAILURES: Final = ("nv_inference_request_failure", "Number of failed inference requests, all batch sizes")
_PENDING: Final = (
    "nv_inference_pending_request_count",
    "Instantaneous number of pending requests awaiting execution per-model.",
)
_Labels = Mapping[str, str]
_Samples = Iterable[tuple[_Labels, float]]


def exposition(catalogue: Catalogue, counted: Counted, load: MachineLoad) -> bytes:
    """The text that Prometheus reads, of the models that answer now and of the machine.

    Args:
        catalogue: of this front.
        counted: of all fronts.
        load: of the machine, now.
    """
    return "".join([*_of_models(catalogue, counted), *_of_machine(load)]).encode()


def _of_models(catalogue: Catalogue, counted: Counted) -> Iterator[str]:
    found = [
        (_labels(name, version, service), model_counts.of(counted, name, version))
        for name, version, service in model_counts.models(catalogue)
    ]
    for place, (name, (text, field)) in enumerate(_COUNTERS.items()):
        yield from _family(name, text, "counter", _values(found, field))
        if not place:  # where Triton says it
            failures = (
                ({**labels, "reason": reason}, n) for labels, counts in found for reason, n in counts.failures.items()
            )
            yield from _family(*_FAILURES, "counter", failures)
    yield from _family(*_PENDING, "gauge", _values(found, "pending"))
    if catalogue.config.cache_bytes:
        for name, (text, field) in _OF_CACHES.items():
            yield from _family(name, text, "counter", _values(found, field))


def _of_machine(load: MachineLoad) -> Iterator[str]:
    for name, text, value in (
        ("nv_cpu_utilization", "CPU utilization rate [0.0 - 1.0]", load.busy),
        ("nv_cpu_memory_total_bytes", "CPU total memory (RAM), in bytes", load.memory_bytes),
        ("nv_cpu_memory_used_bytes", "CPU used memory (RAM), in bytes", load.used_bytes),
    ):
        yield from _family(name, text, "gauge", [({}, value)])


def _labels(name: str, version: str, service: Service) -> _Labels:
    """With the tags of the model's config, each behind an underscore, as Triton has them."""
    tags = {} if service.triton is None else service.triton.metric_tags
    return {**{f"_{tag}": value for tag, value in tags.items()}, "model": name, "version": version}


def _values(found: Iterable[tuple[_Labels, ModelCounts]], field: str) -> _Samples:
    return [(labels, getattr(counts, field)) for labels, counts in found]


def _family(name: str, text: str, kind: str, samples: _Samples) -> Iterator[str]:
    yield f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
    for labels, value in samples:
        said = ",".join(f'{label}="{_escaped(labels[label])}"' for label in sorted(labels))
        yield (
            f"{name}{f'{{{said}}}' if said else ''} {value:g}\n"
            if isinstance(value, float)
            else (f"{name}{f'{{{said}}}' if said else ''} {value}\n")
        )


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
