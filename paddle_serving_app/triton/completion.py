"""What a config leaves out, filled in as Triton fills it in: from the folder, and from the model itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from paddle_serving_app.triton import platforms
from paddle_serving_client import dtype
from paddle_serving_client.errors import BadModel
from paddle_serving_client.wire.kserve_about import TYPES
from paddle_serving_client.wire.proto import triton_model_config_pb2 as pb

DEFAULT_MAX_BATCH_SIZE: Final = 4
"""Where a model can be batched and the config does not say how far: Triton's, unless `--backend-config` says it."""
_SEQUENCE_IDLE_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class ModelTensor:
    """An input or output as the model's own file says."""

    name: str
    elem_type: int
    """A code of `dtype.ELEM_TYPES`; `dtype.UNKNOWN` where the file does not say."""
    shape: tuple[int, ...] | None
    """With every axis; -1 may vary; None where the file does not say."""


@dataclass(frozen=True, slots=True)
class ModelTensors:
    """All inputs and outputs of a model."""

    inputs: tuple[ModelTensor, ...]
    outputs: tuple[ModelTensor, ...]

    @property
    def can_batch(self) -> bool:
        """Whether the first axis of every one may vary."""
        return all(tensor.shape is not None and tensor.shape[:1] == (-1,) for tensor in (*self.inputs, *self.outputs))


def fill_from_folder(config: pb.ModelConfig, folder_name: str, files: Sequence[str]) -> list[str]:
    """Fill in name, platform, backend and name of the model file.

    Args:
        config: is changed.
        folder_name: of the model.
        files: names in its version folder; empty where there is none.

    Returns:
        What people should know.

    Raises:
        BadModel: it cannot be told which backend the model has.
    """
    notes: list[str] = []
    config.name = config.name or folder_name
    if config.platform == platforms.ENSEMBLE or config.HasField("ensemble_scheduling"):
        config.platform = config.platform or platforms.ENSEMBLE
        return notes
    if not config.backend:
        if config.platform and not platforms.of_platform(config.platform):
            raise BadModel(f"unexpected platform type '{config.platform}' for {config.name}")
        config.backend = (
            platforms.of_platform(config.platform)
            or platforms.backend_of_file(config.default_model_filename)
            or platforms.backend_in(set(files))
            or _only_kind(files)
        )
        if config.platform == config.backend:
            notes.append(f'platform: "{config.platform}" is taken as backend: "{config.backend}"')
            config.platform = ""
    if not config.backend:
        raise BadModel(
            f"Invalid model name: Could not determine backend for model '{config.name}' with no backend in model "
            "configuration. Expected model name of the form 'model.<backend_name>'."
        )
    known = platforms.BACKENDS.get(config.backend)
    if known is not None:
        config.platform = config.platform or known.platform
    if not config.default_model_filename:
        config.default_model_filename = platforms.file_of(config.backend)
        others = _of_same_kind(config.default_model_filename, files)
        if config.default_model_filename not in files and len(others) == 1:
            notes.append(f"{config.default_model_filename} is not there; {others[0]} is taken")
            config.default_model_filename = others[0]
    return notes


def needs_tensors(config: pb.ModelConfig) -> bool:
    """Whether inputs or outputs are to be asked of the model: it does where one of both lists is empty."""
    return not (config.input or config.batch_input) or not config.output


def fill_from_model(
    config: pb.ModelConfig, tensors: ModelTensors, default_max_batch_size: int = DEFAULT_MAX_BATCH_SIZE
) -> list[str]:
    """Fill in inputs, outputs and max_batch_size.

    Args:
        config: is changed where it has no inputs or no outputs; else it says all that there is to say.
        tensors: of the model.
        default_max_batch_size: what `max_batch_size` becomes where the model can be batched and the config has none.

    Returns:
        What people should know.

    Raises:
        BadModel: the model cannot be batched and the config has a `max_batch_size`; or it does not say what a tensor
            is.
    """
    if not needs_tensors(config):
        return []
    notes: list[str] = []
    if not tensors.can_batch and config.max_batch_size:
        raise BadModel(
            f"autofill failed for model '{config.name}': model does not support batching while non-zero "
            "max_batch_size is specified"
        )
    if tensors.can_batch:
        if not config.max_batch_size:
            config.max_batch_size = max(default_max_batch_size, 0)
            notes.append(f"max_batch_size is not given, and the model can be batched: {config.max_batch_size} is taken")
        if config.max_batch_size > 1 and config.WhichOneof("scheduling_choice") is None:
            config.dynamic_batching.SetInParent()
    skipped = 1 if config.max_batch_size else 0
    if not config.input and not config.batch_input:
        for tensor in tensors.inputs:
            _fill_tensor(config, tensor, config.input.add(), skipped)
    if not config.output:
        for tensor in tensors.outputs:
            _fill_tensor(config, tensor, config.output.add(), skipped)
    return notes


def fill_defaults(config: pb.ModelConfig, gpus: Sequence[int] = ()) -> list[str]:
    """Say what stays unsaid: the version policy, instance groups, sizes of batches.

    Args:
        config: is changed.
        gpus: numbers of those that models may run on; empty: there is none.

    Returns:
        What people should know.
    """
    if not config.HasField("version_policy"):
        config.version_policy.latest.num_versions = 1
    batching = config.WhichOneof("scheduling_choice")
    if batching == "dynamic_batching":
        _fill_preferred(config, config.dynamic_batching)
    elif batching == "sequence_batching":
        sequences = config.sequence_batching
        sequences.max_sequence_idle_microseconds = sequences.max_sequence_idle_microseconds or _SEQUENCE_IDLE_US
        if sequences.HasField("oldest"):
            _fill_preferred(config, sequences.oldest)
    if config.platform == platforms.ENSEMBLE:
        if not config.HasField("model_transaction_policy"):
            config.model_transaction_policy.decoupled = False
        return []
    for memory in (config.optimization.input_pinned_memory, config.optimization.output_pinned_memory):
        if not memory.ListFields():
            memory.enable = True
    return _fill_groups(config, gpus)


def _fill_preferred(
    config: pb.ModelConfig, batching: "pb.ModelDynamicBatching | pb.ModelSequenceBatching.StrategyOldest"
) -> None:
    if not batching.preferred_batch_size and config.max_batch_size > 0:
        batching.preferred_batch_size.append(config.max_batch_size)


def _fill_groups(config: pb.ModelConfig, gpus: Sequence[int]) -> list[str]:
    notes: list[str] = []
    kinds = pb.ModelInstanceGroup
    if not config.instance_group:
        config.instance_group.add().name = config.name
    for at, group in enumerate(config.instance_group):
        group.name = group.name or f"{config.name}_{at}"
        wanted = list(group.gpus)
        if group.kind == kinds.KIND_AUTO:
            fits = bool(gpus) and set(wanted) <= set(gpus)
            group.kind = kinds.KIND_GPU if fits else kinds.KIND_CPU
        if group.kind == kinds.KIND_GPU and not (gpus and set(wanted) <= set(gpus)):
            here = f"has the GPUs {', '.join(map(str, gpus))}" if gpus else "has no GPU that can be used"
            asked = f"KIND_GPU{f', GPUs {wanted}' if wanted else ''}"
            notes.append(f"instance_group {group.name}: {asked}; this machine {here}: it runs on the CPU")
            group.kind = kinds.KIND_CPU
        if group.kind == kinds.KIND_GPU:
            group.gpus.extend(gpus if not wanted else ())
        else:
            group.ClearField("gpus")
        if group.count < 1:
            known = platforms.BACKENDS.get(config.backend)
            on_cpu = group.kind == kinds.KIND_CPU
            group.count = known.default_cpu_instances if known is not None and on_cpu else 1
    return notes


def _fill_tensor(
    config: pb.ModelConfig, tensor: ModelTensor, into: "pb.ModelInput | pb.ModelOutput", skipped: int
) -> None:
    row = dtype.ELEM_TYPES.get(tensor.elem_type)
    if row is None or not row.kserve or tensor.shape is None:
        what = "element type" if tensor.shape is not None else "shape"
        raise BadModel(
            f"model '{config.name}', tensor '{tensor.name}': the model does not say its {what}; "
            "say inputs and outputs in config.pbtxt"
        )
    into.name = tensor.name
    into.data_type = TYPES.index(row.kserve)  # type: ignore[assignment]  # an enum is a number
    dims = tensor.shape[skipped:]
    into.dims.extend(dims or (1,))
    if not dims and config.max_batch_size:
        into.reshape.SetInParent()


def _only_kind(files: Sequence[str]) -> str:
    """The backend that all model files of a folder are of, whatever they are called."""
    found = {platforms.backend_of_file(file) for file in files} - {"", platforms.PYTHON}
    return found.pop() if len(found) == 1 else ""


def _of_same_kind(file: str, files: Sequence[str]) -> list[str]:
    """The files that end as one does; modules beside a model.py are none of its kind."""
    ending = f".{file.rpartition('.')[2]}"
    return [other for other in files if other.endswith(ending)] if file != "model.py" else []
