"""Whether the values of a config belong together, and belong to the model: what does not is said in Triton's words."""

import math
from collections.abc import Sequence
from typing import Final

from paddle_serving_app.triton import platforms
from paddle_serving_app.triton.completion import ModelTensor, ModelTensors
from paddle_serving_app.triton.config import ANY_VERSION, QueuePolicy, TensorConfig, TritonModelConfig, element_count
from paddle_serving_client import dtype
from paddle_serving_client.errors import BadConfig, BadModel
from paddle_serving_client.wire import triton_config
from paddle_serving_client.wire.kserve_about import type_name

_MAX_BATCH_SIZE: Final = 1 << 20


def check(config: TritonModelConfig, *, is_whole: bool = True) -> None:
    """Whether a completed config makes sense by itself.

    Args:
        config: to be checked.
        is_whole: whether nothing is to be added; a model.py may yet say its inputs and outputs.

    Raises:
        BadConfig: it does not; the message names the model.
    """
    name = config.name
    if not name:
        raise BadConfig("model configuration must specify 'name'")
    if config.is_ensemble and config.backend:
        raise BadConfig(f"Ensemble model '{name}' must have platform type 'ensemble' and empty backend type")
    if config.is_ensemble != bool(config.steps):
        raise BadConfig(f"ensemble scheduling must be set for ensemble {name} whose platform is {platforms.ENSEMBLE}")
    if config.max_batch_size < 0:
        raise BadConfig(f"'max_batch_size' must be non-negative value for {name}")
    if config.max_batch_size > _MAX_BATCH_SIZE:
        raise BadConfig(f"'max_batch_size' must be at most {_MAX_BATCH_SIZE} for {name}, got {config.max_batch_size}")
    for kind, tensors in (("input", config.inputs), ("output", config.outputs)):
        if not tensors and is_whole:
            raise BadConfig(f"model {name} must specify at least one '{kind}'; the model itself does not tell them")
        _refuse_twins(name, kind, [tensor.name for tensor in tensors])
        for tensor in tensors:
            _check_tensor(config, kind, tensor)
    _check_batching(config)
    _check_sequences(config)
    message = triton_config.parse_bytes(config.message)
    if message.batch_input or message.batch_output:
        raise BadConfig(f"batch_input and batch_output belong to ragged batches, which are not made here, for {name}")
    if config.response_cache and (config.sequence_batching is not None or config.decoupled):
        what = "'decoupled' transaction policy" if config.decoupled else "sequence batching scheduler"
        raise BadConfig(f"Response Cache does not currently support model {name} with {what}. Please disable the "
                        "response cache.")  # fmt: skip
    for step in config.steps:
        if not step.model_name:
            raise BadConfig(f"must specify 'model_name' in step of ensemble '{name}'")
        if step.model_version < ANY_VERSION:
            raise BadConfig(f"'model_version' of step '{step.model_name}' of ensemble '{name}' must be -1 or a version")
        for kind, mapped in (("input_map", step.input_map), ("output_map", step.output_map)):
            if not mapped:
                raise BadConfig(f"must specify '{kind}' in step of ensemble '{name}'")


def check_against_model(config: TritonModelConfig, tensors: ModelTensors) -> None:
    """Whether the inputs and outputs of a config are those of the model.

    Raises:
        BadModel: they are not: a name, a type or a shape is another.
    """
    wanted = {tensor.name for tensor in config.inputs} | filled_by_server(config)
    _refuse_unknown(config, "input", config.inputs, tensors.inputs)
    _refuse_unknown(config, "output", config.outputs, tensors.outputs)
    missing = [tensor.name for tensor in tensors.inputs if tensor.name not in wanted]
    if missing:
        raise BadModel(
            f"unable to load model '{config.name}', configuration expects {len(config.inputs)} inputs, model provides "
            f"{len(tensors.inputs)}: {', '.join(missing)}"
        )
    for kind, given, found in (("input", config.inputs, tensors.inputs), ("output", config.outputs, tensors.outputs)):
        known = {tensor.name: tensor for tensor in found}
        for tensor in given:
            _compare(config, kind, tensor, known[tensor.name])


def filled_by_server(config: TritonModelConfig) -> set[str]:
    """Inputs of the model that no caller sends: where a sequence begins and ends, and what is kept between requests."""
    sequences = config.sequence_batching
    if sequences is None:
        return set()
    return {control.input_name for control in sequences.controls} | {state.input_name for state in sequences.states}


def _check_tensor(config: TritonModelConfig, kind: str, tensor: TensorConfig) -> None:
    what = f"model {kind} '{tensor.name}'"
    of = f" for {config.name}"
    if not tensor.name:
        raise BadConfig(f"model {kind} must specify 'name'{of}")
    if tensor.datatype == "INVALID":
        raise BadConfig(f"{what} must specify 'data_type'{of}")
    if not tensor.dims:
        raise BadConfig(f"{what} must specify 'dims'{of}")
    rule = "must be integer >= 1, or -1 to indicate a variable-size dimension"
    if any(dim < 1 and dim != -1 for dim in tensor.dims):
        raise BadConfig(f"{what} dimension {rule}{of}")
    if tensor.format != "FORMAT_NONE" and len(tensor.dims) != 3:
        raise BadConfig(f"model {kind} NHWC/NCHW require 3 dims{of}")
    if tensor.is_shape_tensor:
        raise BadConfig(f"shape tensors are only supported for TensorRT platform{of}")
    if tensor.allow_ragged_batch:
        raise BadConfig(
            f"{what} has allow_ragged_batch{of}: requests of different shapes are not laid one behind the other here; "
            "without it, requests of one shape are joined"
        )
    if tensor.reshape is None:
        return
    if not tensor.reshape and not config.max_batch_size:
        raise BadConfig(
            f"{what} cannot have empty reshape for non-batching model as scalar tensors are not supported{of}"
        )
    if any(dim < 1 and dim != -1 for dim in tensor.reshape):
        raise BadConfig(f"{what} reshape dimensions {rule}{of}")
    if tensor.dims.count(-1) != tensor.reshape.count(-1):
        raise BadConfig(f"{what} has different number of variable-size dimensions for dims and reshape{of}")
    if _trunks(tensor.dims) != _trunks(tensor.reshape):
        raise BadConfig(f"{what} has different size for dims and reshape{of}")


def _trunks(dims: Sequence[int]) -> list[int]:
    """Elements between the dimensions that may vary; equal for dims of which one can be reshaped to the other."""
    ends = [at for at, dim in enumerate(dims) if dim == -1]
    return [math.prod(dims[a + 1 : b]) for a, b in zip([-1, *ends], [*ends, len(dims)], strict=True)]


def _check_batching(config: TritonModelConfig) -> None:
    batching = config.dynamic_batching
    if batching is None:
        return
    of = f" for {config.name}"
    if any(size < 1 for size in batching.preferred_batch_size):
        raise BadConfig(f"dynamic batching preferred size must be positive{of}")
    if any(size > config.max_batch_size for size in batching.preferred_batch_size):
        raise BadConfig(f"dynamic batching preferred size must be <= max batch size{of}")
    levels = batching.priority_levels
    if levels and not 1 <= batching.default_priority_level <= levels:
        raise BadConfig(f"default priority level must be in range [1, {levels}]{of}")
    if any(not 1 <= level <= levels for level in batching.priority_queue_policy):
        raise BadConfig(f"priority queue policy must have priority level in range [1, {levels}]{of}")
    if batching.preserve_ordering:
        if levels > 1:
            raise BadConfig(f"Only one priority level is allowed when 'preserve_ordering' is true{of}")
        policies: list[QueuePolicy] = [batching.default_queue_policy, *batching.priority_queue_policy.values()]
        if any(policy.timeout_action == "DELAY" for policy in policies):
            raise BadConfig(f"Queue policy can not have DELAY as timeout action when 'preserve_ordering' is true{of}")


def _check_sequences(config: TritonModelConfig) -> None:
    sequences = config.sequence_batching
    if sequences is None:
        return
    name = config.name
    if sequences.states:
        raise BadConfig(
            f"sequence_batching.state of {name} is not supported: no tensors are kept between requests here; let "
            "callers send the state, or keep it in a model.py by the id of the sequence"
        )
    if sequences.is_iterative:
        raise BadConfig(f"sequence_batching.iterative_sequence of {name} is not supported: requests are not put back")
    if config.is_ensemble:
        raise BadConfig(f"ensemble {name} has no sequences of its own: its models have them")
    _refuse_twins(name, "control input", [control.input_name for control in sequences.controls])
    if clash := {control.input_name for control in sequences.controls} & {tensor.name for tensor in config.inputs}:
        raise BadConfig(f"control input '{min(clash)}' of {name} is filled in by the server, and is an input, too")
    for control in sequences.controls:
        kinds = (
            ("UINT64", "INT64", "UINT32", "INT32", "BYTES") if control.false_true is None else ("FP32", "INT32", "BOOL")
        )
        if control.datatype not in kinds:
            raise BadConfig(
                f"control input '{control.input_name}' of {name}: data type {control.datatype}, expected one of "
                f"{', '.join(kinds)}"
            )


def _refuse_twins(model: str, kind: str, names: Sequence[str]) -> None:
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise BadConfig(f"model {kind} '{twins[0]}' is there more than once for {model}")


def _refuse_unknown(
    config: TritonModelConfig, kind: str, given: Sequence[TensorConfig], found: Sequence[ModelTensor]
) -> None:
    known = sorted(tensor.name for tensor in found)
    for tensor in given:
        if tensor.name not in known:
            raise BadModel(
                f"model '{config.name}': unexpected inference {kind} '{tensor.name}', allowed {kind}s are: "
                f"{', '.join(known)}"
            )


def _compare(config: TritonModelConfig, kind: str, given: TensorConfig, found: ModelTensor) -> None:
    row = dtype.ELEM_TYPES.get(found.elem_type)
    if row is not None and row.kserve != given.datatype:
        raise BadModel(
            f"unable to load model '{config.name}', configuration expects datatype {type_name(given.datatype)} for "
            f"{kind} '{given.name}', model provides {type_name(row.kserve) if row.kserve else row.name}"
        )
    if found.shape is None:
        return
    what = f"model '{config.name}', tensor '{given.name}': "
    if config.max_batch_size and found.shape[:1] != (-1,):
        raise BadModel(
            f"{what}for the model to support batching the shape should have at least 1 dimension and the first "
            f"dimension must be -1; but shape expected by the model is {_shape(found.shape)}"
        )
    full = (-1, *given.model_dims) if config.max_batch_size else given.model_dims
    fits = len(full) == len(found.shape) and all(
        model in (-1, dim) or dim == -1 for model, dim in zip(found.shape, full, strict=True)
    )
    if not fits and not (not found.shape and element_count(full) == 1):
        batched = (
            " (an initial batch dimension because max_batch_size > 0 followed by the explicit tensor shape, making "
            f"complete shape {_shape(full)})"
        )
        raise BadModel(
            f"{what}the model expects {len(found.shape)} dimensions (shape {_shape(found.shape)}) but the model "
            f"configuration specifies {len(full)} dimensions"
            f"{batched if config.max_batch_size else f' (shape {_shape(full)})'}"
        )


def _shape(dims: Sequence[int]) -> str:
    return f"[{','.join(map(str, dims))}]"
