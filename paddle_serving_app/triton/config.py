"""What the config of a model in a Triton repository says, as frozen values."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from paddle_serving_client import dtype
from paddle_serving_client.wire import triton_config

Kind = Literal["KIND_AUTO", "KIND_GPU", "KIND_CPU", "KIND_MODEL"]
ANY_VERSION: Final = -1
"""`model_version` of a step that takes what the policy of that model gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorConfig:
    """One input or output."""

    name: str
    datatype: str
    """As requests name it: FP32, BYTES."""
    dims: tuple[int, ...]
    """What callers send and get; -1 may vary; without the batch axis where the model has one."""
    reshape: tuple[int, ...] | None = None
    """What the model itself takes or gives, where that differs; likewise without the batch axis."""
    format: str = "FORMAT_NONE"
    optional: bool = False
    allow_ragged_batch: bool = False
    is_shape_tensor: bool = False
    label_filename: str = ""

    @property
    def elem_type(self) -> int:
        """The code of `dtype.ELEM_TYPES`."""
        return dtype.code_of_kserve(self.datatype)

    @property
    def model_dims(self) -> tuple[int, ...]:
        """What the model takes or gives, without the batch axis where it has one."""
        return self.dims if self.reshape is None else self.reshape


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPolicy:
    """Which of the numbered folders are served; where both are None, all."""

    latest: int | None = 1
    specific: tuple[int, ...] | None = None

    def chosen(self, there: Iterable[int]) -> tuple[int, ...]:
        """Those of the versions that are there, rising."""
        known = sorted(set(there))
        if self.specific is not None:
            return tuple(version for version in known if version in self.specific)
        return tuple(known if self.latest is None else known[max(0, len(known) - self.latest) :])

    def missing(self, there: Iterable[int]) -> tuple[int, ...]:
        """Those that are asked for by number and are not there, rising."""
        return tuple(sorted(set(self.specific or ()) - set(there)))


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceGroup:
    """Engines of a model that are alike."""

    name: str
    kind: Kind
    count: int
    """For each GPU where `gpus` lists several; 0: not said."""
    gpus: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePolicy:
    """What happens to requests that wait."""

    timeout_action: Literal["REJECT", "DELAY"] = "REJECT"
    default_timeout_us: int = 0
    """0: none."""
    allow_timeout_override: bool = False
    max_queue_size: int = 0
    """0: no bound of the model's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicBatching:
    """How requests are joined."""

    preferred_batch_size: tuple[int, ...] = ()
    max_queue_delay_us: int = 0
    preserve_ordering: bool = False
    priority_levels: int = 0
    """1 is the first to be run; 0: there are none."""
    default_priority_level: int = 0
    default_queue_policy: QueuePolicy = QueuePolicy()
    priority_queue_policy: Mapping[int, QueuePolicy] = field(default_factory=dict)
    """By level; the others have the default one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceControl:
    """An input that the server fills in, to tell a model where a sequence begins and ends."""

    input_name: str
    kind: str
    """CONTROL_SEQUENCE_START, _READY, _END or _CORRID."""
    datatype: str
    """FP32, INT32 or BOOL for the first three."""
    false_true: tuple[float, float] | None
    """The values for no and yes; None for CORRID."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceState:
    """A tensor that the server keeps between two requests of a sequence."""

    input_name: str
    output_name: str
    datatype: str
    dims: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceBatching:
    """How requests of one sequence get to the same instance."""

    max_idle_us: int
    is_oldest: bool = False
    """Whether the strategy is `oldest`; else each sequence has a place in a batch (`direct`)."""
    max_candidate_sequences: int = 0
    max_queue_delay_us: int = 0
    controls: tuple[SequenceControl, ...] = ()
    states: tuple[SequenceState, ...] = ()
    is_iterative: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One model of an ensemble."""

    model_name: str
    model_version: int
    """`ANY_VERSION`, or the number."""
    input_map: Mapping[str, str]
    """Name of the model's input -> tensor of the ensemble."""
    output_map: Mapping[str, str]
    """Name of the model's output -> tensor of the ensemble."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmupInput:
    """What one input gets."""

    datatype: str
    dims: tuple[int, ...]
    """Without the batch axis where the model has one."""
    data: Literal["zero", "random", "file"]
    file: str = ""
    """In the folder `warmup` of the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmup:
    """A request that is run before the model counts as ready."""

    name: str
    batch_size: int
    count: int
    """How often; 0 is once."""
    inputs: Mapping[str, WarmupInput]


@dataclass(frozen=True, slots=True, kw_only=True)
class TritonModelConfig:
    """The config of one model, whole: completed and checked."""

    name: str
    platform: str
    backend: str
    """Empty for an ensemble."""
    max_batch_size: int
    """0: tensors have no batch axis, and requests are never joined."""
    inputs: tuple[TensorConfig, ...]
    outputs: tuple[TensorConfig, ...]
    version_policy: VersionPolicy
    instance_groups: tuple[InstanceGroup, ...]
    dynamic_batching: DynamicBatching | None
    sequence_batching: SequenceBatching | None
    steps: tuple[Step, ...]
    """Of an ensemble."""
    parameters: Mapping[str, str]
    default_model_filename: str
    cc_model_filenames: Mapping[str, str]
    metric_tags: Mapping[str, str]
    warmups: tuple[Warmup, ...]
    response_cache: bool
    decoupled: bool
    """Whether a request may have any number of answers."""
    message: bytes = field(repr=False)
    """All of it as protobuf: what is not among the fields above is in it, too."""

    @property
    def is_ensemble(self) -> bool:
        """Whether it is made of other models, and has no file of its own."""
        return self.platform == "ensemble"

    def to_fields(self) -> dict[str, Any]:
        """As the answer to `GET /v2/models/NAME/config`."""
        return triton_config.to_fields(triton_config.parse_bytes(self.message))


def shape_of(config: TritonModelConfig, tensor: TensorConfig) -> tuple[int, ...]:
    """What metadata says of a tensor: its dims, with the batch axis where the model has one."""
    return (-1, *tensor.dims) if config.max_batch_size else tensor.dims


def element_count(dims: Sequence[int]) -> int:
    """Elements of a tensor; -1 where a dimension may vary."""
    return -1 if any(dim < 0 for dim in dims) else math.prod(dims)
