"""What KServe v2 is told of what models have done."""

from paddle_serving_client.wire.kserve_about import BatchStatistics, Duration, Statistics
from paddle_serving_server.dataplane import kserve_models
from paddle_serving_server.services import model_counts
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.model_counts import ModelCounts


def statistics(catalogue: Catalogue, name: str = "", version: str = "") -> list[Statistics]:
    """What was counted of a model over all protocols, in each version that answers.

    Args:
        catalogue: of this front.
        name: of the model; empty: all of them.
        version: the one that is meant; empty: all that answer.

    Raises:
        BadInput: there is no such model, or not in that version.
    """
    if name:
        kserve_models.find_counted(catalogue, name, version)
    counted = catalogue.meter.read()
    return [
        _statistics(model, its_version, model_counts.of(counted, model, its_version))
        for model, its_version, _ in model_counts.models(catalogue)
        if name in ("", model) and (not version or its_version == str(int(version)))
    ]


def _statistics(name: str, version: str, counts: ModelCounts) -> Statistics:
    times = counts.computed
    return Statistics(
        name=name,
        version=version,
        last_inference_ms=counts.last_ms,
        inference_count=counts.rows,
        execution_count=counts.executions,
        success=_duration(counts.success, counts.success_us),
        fail=_duration(sum(counts.failures.values()), counts.fail_us),
        queue=_duration(times, counts.queue_us),
        compute_input=_duration(times, counts.input_us),
        compute_infer=_duration(times, counts.infer_us),
        compute_output=_duration(times, counts.output_us),
        cache_hit=_duration(counts.hits, counts.hit_us),
        cache_miss=_duration(counts.misses, counts.miss_us),
        batches=tuple(
            BatchStatistics(
                size,
                _duration(of_size.count, of_size.input_us),
                _duration(of_size.count, of_size.infer_us),
                _duration(of_size.count, of_size.output_us),
            )
            for size, of_size in sorted(counts.batches.items())
        ),
    )


def _duration(count: int, us: int) -> Duration:
    return Duration(count, 1000 * us)
