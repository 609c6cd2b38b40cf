"""What TensorFlow Serving is told, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Latest:
    """The versions with the highest numbers."""

    count: int = 1


@dataclass(frozen=True, slots=True)
class All:
    """Every version that is there."""


@dataclass(frozen=True, slots=True)
class Specific:
    """The versions of these numbers."""

    versions: tuple[int, ...]


Policy: TypeAlias = Latest | All | Specific


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """A model that is served."""

    name: str
    base_path: str
    """A folder with a numbered folder for each version."""
    policy: Policy = Latest()
    labels: Mapping[str, int] = field(default_factory=dict)
    """Versions by other names."""
    platform: str = "tensorflow"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchingParameters:
    """How requests are joined; None where the server decides."""

    max_batch_size: int | None = None
    """Rows."""
    batch_timeout_micros: int | None = None
    """How long a batch waits to become full."""
    max_enqueued_batches: int | None = None
    num_batch_threads: int | None = None
    allowed_batch_sizes: tuple[int, ...] = ()
    """The numbers of rows that the model is run with; a batch is filled up to the next one."""
    pads_variable_length_inputs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TfServingConfig:
    """The settings that have an effect; `notes` say of all others why they have none."""

    grpc_port: int = 8500
    """0: no gRPC."""
    rest_port: int = 8501
    """0: no REST."""
    models: tuple[ModelEntry, ...] = ()
    maps: tuple[tuple[str, str], ...] = ()
    """Where paths of a container are on this machine."""
    model_config_file: str = ""
    """Where `models` come from, for who reads it again."""
    config_poll_s: float = 0.0
    """How often that is done; 0: never."""
    version_poll_s: float = 1.0
    """How often new versions are looked for; 0: once."""
    is_batching: bool = False
    batching: BatchingParameters = BatchingParameters()
    monitoring_path: str = ""
    """Of the metrics, on the port of REST; empty: there are none."""
    rest_timeout_s: float = 30.0
    max_load_retries: int = 5
    threads: int = 0
    """Computing threads of a model; 0: the server decides."""
    labels_may_wait: bool = False
    """Whether a label may be given to a version that is not there yet."""
    is_tuned: bool = True
    """Whether the inference libraries are measured at the first load of a model."""
    manage_from: tuple[str, ...] = ("127.0.0.0/8", "::1")
    """Addresses and networks that may ask for other models."""
    manage_token: str = field(default="", repr=False)
    """What they have to send for it; empty: nothing."""
    notes: tuple[str, ...] = ()
    """For people: what is without effect, and why."""
