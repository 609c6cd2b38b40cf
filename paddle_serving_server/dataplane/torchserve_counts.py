"""Counts predictions under TorchServe's names, in the memory that all processes of a server share."""

from collections.abc import Iterable

from paddle_serving_client.message import Stage
from paddle_serving_server.counting.counters import GAUGE
from paddle_serving_server.counting.torchserve_names import (
    LATENCY_US,
    QUEUE_MS,
    QUEUE_US,
    REQUESTS,
    STATUSES,
    WORKER_MS,
)
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.services.catalogue import Catalogue


def asked(catalogue: Catalogue, model: str, version: str) -> None:
    """A prediction is asked for."""
    _count(catalogue, REQUESTS, model, version, 1)


def answered(catalogue: Catalogue, model: str, version: str, call: Call, stages: Iterable[Stage]) -> None:
    """It is there."""
    timed = {stage.name: stage for stage in stages}
    ends = max((stage.ended for stage in timed.values()), default=call.arrived)
    queue_ms = timed["queue"].ms if "queue" in timed else 0.0
    transfer_ms = timed["transfer"].ms if "transfer" in timed else 0.0
    _count(catalogue, LATENCY_US, model, version, int((ends - call.arrived) * 1e6))
    _count(catalogue, QUEUE_US, model, version, int(queue_ms * 1000))
    counters = catalogue.meter.counters
    counters.count(GAUGE + QUEUE_MS).set(int(queue_ms))
    counters.count(GAUGE + WORKER_MS).set(int(transfer_ms))


def status(catalogue: Catalogue, code: int) -> None:
    """An answer with a status has been given over HTTP."""
    if (name := STATUSES.get(code // 100)) is not None:
        catalogue.meter.counters.count(name).add()


def _count(catalogue: Catalogue, kind: str, model: str, version: str, n: int) -> None:
    catalogue.meter.counters.count(kind, model_name=model, model_version=version or "default").add(n)
