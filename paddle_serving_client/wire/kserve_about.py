"""What KServe v2 says of a server and its models, and as JSON: metadata, config, statistics, the index."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from paddle_serving_client.wire import triton_config

EXTENSIONS: Final = (
    "classification",
    "sequence",
    "model_repository",
    "model_repository(unload_dependents)",
    "model_configuration",
    "binary_tensor_data",
    "parameters",
    "statistics",
    "trace",
    "logging",
)
"""What of Triton's extensions is served, in its order."""
TYPES: Final = (
    "INVALID", "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64",
    "BYTES", "BF16",
)  # fmt: skip
"""By their number in `DataType` of a model's config, which calls BYTES TYPE_STRING."""
READY: Final = "READY"
LOADING: Final = "LOADING"
UNLOADING: Final = "UNLOADING"
UNAVAILABLE: Final = "UNAVAILABLE"
"""What a version is doing."""
_STAGES: Final = (
    "success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss",
)  # fmt: skip
KIND: Final = ("KIND_AUTO", "KIND_GPU", "KIND_CPU")
"""By number; where an instance of a model runs."""
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ServerAbout:
    """The message `ServerMetadataResponse`."""

    name: str
    version: str
    extensions: tuple[str, ...] = EXTENSIONS


@dataclass(frozen=True, slots=True)
class TensorAbout:
    """One input or output."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    """With the batch axis; -1 is any length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAbout:
    """What metadata and config say of a model."""

    name: str
    version: str
    platform: str
    backend: str
    inputs: tuple[TensorAbout, ...]
    outputs: tuple[TensorAbout, ...]
    max_batch_size: int = 0
    """Rows that are computed together at most; then the dims of the config are without axis 0. 0: not batched."""
    instances: int = 1
    on_gpu: bool = False
    config: bytes = field(default=b"", repr=False)
    """All of its config as protobuf, where it has one of its own."""

    def dims(self, tensor: TensorAbout) -> tuple[int, ...]:
        """Its shape as the config has it."""
        return tensor.shape[1:] if self.max_batch_size else tensor.shape

    @property
    def kind(self) -> str:
        """Where it runs, as the config says it."""
        return "KIND_GPU" if self.on_gpu else "KIND_CPU"


@dataclass(frozen=True, slots=True)
class Duration:
    """How often, and how long altogether."""

    count: int = 0
    ns: int = 0


@dataclass(frozen=True, slots=True)
class BatchStatistics:
    """Batches of one size, and what they took."""

    batch_size: int
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration

    @property
    def durations(self) -> list[tuple[str, Duration]]:
        """All of them by name, in the order of their numbers in `InferBatchStatistics`."""
        return [(name, getattr(self, name)) for name in ("compute_input", "compute_infer", "compute_output")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """What is counted of a model, over all protocols since the server started."""

    name: str
    version: str
    last_inference_ms: int = 0
    """When the last answer was given, in milliseconds since 1970; 0: never."""
    inference_count: int = 0
    """Rows that were computed."""
    execution_count: int = 0
    """Batches that these were in."""
    success: Duration = Duration()
    fail: Duration = Duration()
    queue: Duration = Duration()
    compute_input: Duration = Duration()
    compute_infer: Duration = Duration()
    compute_output: Duration = Duration()
    cache_hit: Duration = Duration()
    cache_miss: Duration = Duration()
    batches: tuple[BatchStatistics, ...] = ()
    """By their size, rising."""

    @property
    def durations(self) -> list[tuple[str, Duration]]:
        """All of them by name, in the order of their numbers in `InferStatistics`."""
        return [(name, getattr(self, name)) for name in _STAGES]


@dataclass(frozen=True, slots=True)
class Indexed:
    """One version of a model in the index of the repository."""

    name: str
    version: str
    """Empty, and with it the state: it was never loaded."""
    state: str
    reason: str = ""


def type_name(datatype: str) -> str:
    """A datatype as a config says it."""
    return "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}"


# -- as JSON


def server_json(about: ServerAbout) -> Json:
    """The answer to `GET /v2`."""
    return {"name": about.name, "version": about.version, "extensions": about.extensions}


def metadata_json(about: ModelAbout, versions: Sequence[str]) -> Json:
    """The answer to `GET /v2/models/NAME`, or to that of one version."""
    return {
        "name": about.name,
        "versions": versions,
        "platform": about.platform,
        "inputs": [_tensor_json(tensor) for tensor in about.inputs],
        "outputs": [_tensor_json(tensor) for tensor in about.outputs],
    }


def _tensor_json(tensor: TensorAbout) -> Json:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}


def config_json(about: ModelAbout) -> Json:
    """The answer to `GET /v2/models/NAME/config`: what is at its default is said where Triton says it."""
    if about.config:
        return triton_config.to_fields(triton_config.parse_bytes(about.config))
    dynamic = {"dynamic_batching": {"preferred_batch_size": [], "max_queue_delay_microseconds": 0}}
    return {
        "name": about.name,
        "platform": about.platform,
        "backend": about.backend,
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": about.max_batch_size,
        "input": [{**_config_json(about, tensor), **_INPUT} for tensor in about.inputs],
        "output": [{**_config_json(about, tensor), **_OUTPUT} for tensor in about.outputs],
        "batch_input": [],
        "batch_output": [],
        **(dynamic if about.max_batch_size else {}),
        "instance_group": [{"name": about.name, "kind": about.kind, "count": about.instances, "gpus": []}],
        "default_model_filename": "",
        "cc_model_filenames": {},
        "metric_tags": {},
        "parameters": {},
        "model_warmup": [],
    }


_INPUT: Final = {"format": "FORMAT_NONE", "is_shape_tensor": False, "allow_ragged_batch": False, "optional": False}
_OUTPUT: Final = {"label_filename": "", "is_shape_tensor": False}


def _config_json(about: ModelAbout, tensor: TensorAbout) -> Json:
    return {"name": tensor.name, "data_type": type_name(tensor.datatype), "dims": about.dims(tensor)}


def statistics_json(models: Sequence[Statistics]) -> Json:
    """The answer to `GET /v2/models/NAME/stats`, and to `GET /v2/models/stats`."""
    return {"model_stats": [_statistics_json(model) for model in models]}


def _statistics_json(model: Statistics) -> Json:
    return {
        "name": model.name,
        "version": model.version,
        "last_inference": model.last_inference_ms,
        "inference_count": model.inference_count,
        "execution_count": model.execution_count,
        "inference_stats": _durations_json(model.durations),
        "response_stats": {},
        "batch_stats": [{"batch_size": b.batch_size, **_durations_json(b.durations)} for b in model.batches],
        "memory_usage": [],
    }


def _durations_json(durations: Sequence[tuple[str, Duration]]) -> Json:
    return {name: {"count": took.count, "ns": took.ns} for name, took in durations}


def index_json(models: Sequence[Indexed]) -> list[Json]:
    """The answer to `POST /v2/repository/index`."""
    fields = ("name", "version", "state", "reason")
    return [{field: value for field in fields if (value := getattr(model, field))} for model in models]
