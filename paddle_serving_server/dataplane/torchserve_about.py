"""What is told of models in TorchServe's words: the list of them, their descriptions, and whether all have workers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from paddle_serving_server.config.values import ServedModel
from paddle_serving_server.counting.sums import Counted
from paddle_serving_server.dataplane import torchserve_models
from paddle_serving_server.engine.counted import MODEL
from paddle_serving_server.engine.replicas import PROCESSES
from paddle_serving_server.process import machine
from paddle_serving_server.services.catalogue import Catalogue

ALL: Final = "all"
"""In the place of a version: each of them."""
HEALTHY: Final = "Healthy"
UNHEALTHY: Final = "Unhealthy"
_FIRST_WORKER: Final = 9000


def health(catalogue: Catalogue) -> str:
    """`HEALTHY`, where every model that is to have workers has them."""
    for entry in catalogue.registry.index():
        if (model := entry.model) is None:
            continue
        answering = catalogue.versions(model.name)
        if any(own.is_loaded and version not in answering for version, own in model.own):
            return UNHEALTHY
    return HEALTHY


def listed(catalogue: Catalogue) -> list[dict[str, str]]:
    """Every model, by name, with the archive of its default version."""
    found_models = [s.model for s in catalogue.registry.index() if s.model is not None and s.model.own]
    return [
        {"modelName": model.name, "modelUrl": _settings(model, model.default_version)["url"]}
        for model in sorted(found_models, key=lambda model: model.name)
    ]


def page(catalogue: Catalogue, begin: int, limit: int) -> dict[str, Any]:
    """A part of the list, and where the next one begins, if there is more."""
    models = listed(catalogue)
    more = {"nextPageToken": str(begin + limit)} if begin + limit < len(models) else {}
    return {**more, "models": models[begin : begin + limit]}


def described(catalogue: Catalogue, name: str, version: str, is_customized: bool = False) -> list[dict[str, Any]]:
    """What is told of a version; empty: of the default one; `ALL`: of each.

    Raises:
        Refused: in TorchServe's words.
    """
    if version == ALL:
        model = torchserve_models.known(catalogue, name)
        versions = list(dict(model.paths))
    else:
        model, version = torchserve_models.found(catalogue, name, version)
        versions = [version]
    counted = catalogue.meter.read()
    more: dict[str, Any] = {"customizedMetadata": {}} if is_customized else {}
    return [{**_described(catalogue, model, one, counted), **more} for one in versions]


def load_ms(catalogue: Catalogue) -> dict[str, float]:
    """How long each worker took to load, by its name."""
    found = {}
    for status in catalogue.registry.index():
        for version in dict(status.model.own) if status.model is not None else ():
            for number, process in enumerate(_processes(catalogue, status.name, version), _FIRST_WORKER):
                found[f"W-{number}-{status.name}_{version}"] = float(process["load_ms"])
    return found


def _described(catalogue: Catalogue, model: ServedModel, version: str, counted: Counted) -> dict[str, Any]:
    about = _settings(model, version)
    workers = _workers(catalogue, model.name, version)
    waiting = _waiting(counted, model.name) if workers and version == model.default_version else 0
    return {
        "modelName": model.name,
        "modelVersion": version,
        "modelUrl": about["url"],
        "runtime": "python",
        "minWorkers": about["min_workers"],
        "maxWorkers": about["max_workers"],
        "batchSize": about["batch_size"],
        "maxBatchDelay": about["max_batch_delay"],
        "responseTimeout": about["response_timeout"],
        "startupTimeout": about["startup_timeout"],
        "maxRetryTimeoutInSec": about["max_retry_timeout"],
        "clientTimeoutInMills": about["client_timeout"],
        "parallelType": "",
        "parallelLevel": 0,
        "deviceType": "cpu",
        "continuousBatching": False,
        "useJobTicket": False,
        "useVenv": False,
        "stateful": False,
        "sequenceMaxIdleMSec": 0,
        "sequenceTimeoutMSec": 0,
        "maxNumSequence": 0,
        "maxSequenceJobQueueSize": 0,
        "loadedAtStartup": about["at_start"],
        "workers": workers,
        "jobQueueStatus": {
            "remainingCapacity": max(0, about["job_queue_size"] - waiting),
            "pendingRequests": waiting,
        },
    }


def _settings(model: ServedModel, version: str) -> Mapping[str, Any]:
    """What is kept of a version."""
    handler = dict(model.own)[version].handler
    assert handler is not None
    return handler.settings


def _workers(catalogue: Catalogue, name: str, version: str) -> list[dict[str, Any]]:
    processes = _processes(catalogue, name, version)
    return [_worker(number, process) for number, process in enumerate(processes, _FIRST_WORKER)]


def _processes(catalogue: Catalogue, name: str, version: str) -> Sequence[Mapping[str, Any]]:
    """What the processes of a version say of themselves; none where it does not answer."""
    if (service := catalogue.versions(name).get(version)) is None:
        return []
    plan = next(iter(service.model_plans.values()))
    processes = plan.get(PROCESSES, ())
    assert isinstance(processes, Sequence)
    return processes


def _worker(number: int, process: Mapping[str, Any]) -> dict[str, Any]:
    began = datetime.fromtimestamp(process["started"], UTC)
    return {
        "id": str(number),
        "startTime": f"{began:%Y-%m-%dT%H:%M:%S}.{began.microsecond // 1000:03}Z",
        "status": "READY",
        "memoryUsage": machine.resident_bytes(process["pid"]),
        "pid": process["pid"],
        "gpu": False,
        "gpuUsage": "N/A",
    }


def _waiting(counted: Counted, name: str) -> int:
    """Requests that wait for a model, or are in work."""
    return sum(series.inside for labels, series in counted.series_of(MODEL) if labels["service"] == name)
