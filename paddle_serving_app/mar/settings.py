"""How TorchServe is to run a model: what `model-config.yaml`, config.properties and a registration say of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from paddle_serving_app.mar import values

_NUMBERS: Final = {
    "minWorkers": ("min_workers", 0),
    "maxWorkers": ("max_workers", 0),
    "batchSize": ("batch_size", 1),
    "maxBatchDelay": ("max_batch_delay_ms", 0),
    "responseTimeout": ("response_timeout_s", 1),
    "startupTimeout": ("startup_timeout_s", 1),
    "maxRetryTimeoutInSec": ("max_retry_timeout_s", 0),
    "clientTimeoutInMills": ("client_timeout_ms", 0),
    "jobQueueSize": ("job_queue_size", 1),
    "maxRequestSize": ("max_request_bytes", 1),
    "maxResponseSize": ("max_response_bytes", 1),
}
"""By TorchServe's key: the name here, and the least value."""
_SPELLINGS: Final = {
    "job_queue_size": "jobQueueSize",
    "batch_size": "batchSize",
    "max_batch_delay": "maxBatchDelay",
    "initial_workers": "minWorkers",
}
"""Other ways in which people write some of them."""
_TRUTHS: Final = {"useVenv": "use_venv", "useJobTicket": "use_job_ticket", "continuousBatching": "continuous_batching"}
_TEXTS: Final = {"deviceType": "device_type", "parallelType": "parallel_type"}
KEYS: Final = frozenset((*_NUMBERS, *_SPELLINGS, *_TRUTHS, *_TEXTS))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """What is said of one model; None where nothing is, so that the next source of settings counts."""

    min_workers: int | None = None
    max_workers: int | None = None
    batch_size: int | None = None
    max_batch_delay_ms: int | None = None
    """How long a batch waits to become full."""
    response_timeout_s: int | None = None
    startup_timeout_s: int | None = None
    max_retry_timeout_s: int | None = None
    client_timeout_ms: int | None = None
    job_queue_size: int | None = None
    """How many requests may wait."""
    max_request_bytes: int | None = None
    max_response_bytes: int | None = None
    use_venv: bool | None = None
    use_job_ticket: bool | None = None
    continuous_batching: bool | None = None
    device_type: str | None = None
    parallel_type: str | None = None
    others: Mapping[str, Any] = field(default_factory=dict)
    """All keys that are none of these; handlers find theirs there."""

    def over(self, below: "ModelSettings") -> "ModelSettings":
        """These, and where they say nothing those of a source that counts less."""
        merged = {
            item.name: getattr(self, item.name) if getattr(self, item.name) is not None else getattr(below, item.name)
            for item in fields(self)
            if item.name != "others"
        }
        return ModelSettings(**merged, others={**below.others, **self.others})


def of(described: object, where: str) -> ModelSettings:
    """The settings in a mapping with TorchServe's keys.

    Raises:
        BadConfig: a value is of another kind; the message names `where` and the key.
    """
    given = {_SPELLINGS.get(key, key): value for key, value in values.mapping(described, where).items()}
    found: dict[str, Any] = {name: values.whole(given, key, where, least) for key, (name, least) in _NUMBERS.items()}
    found |= {name: values.truth(given, key, where) for key, name in _TRUTHS.items() if key in given}
    found |= {name: values.text(given, key, where) for key, name in _TEXTS.items() if key in given}
    others = {key: value for key, value in given.items() if key not in KEYS}
    return ModelSettings(**found, others=others)
