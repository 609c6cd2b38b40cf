"""From the message of a model's config to the values of `config`."""

from collections.abc import Mapping
from typing import Any, Literal

from paddle_serving_app.triton.config import (
    DynamicBatching,
    InstanceGroup,
    QueuePolicy,
    SequenceBatching,
    SequenceControl,
    SequenceState,
    Step,
    TensorConfig,
    TritonModelConfig,
    VersionPolicy,
    Warmup,
    WarmupInput,
)
from paddle_serving_client.errors import BadConfig
from paddle_serving_client.wire.kserve_about import TYPES
from paddle_serving_client.wire.proto import triton_model_config_pb2 as pb


def of_message(message: pb.ModelConfig) -> TritonModelConfig:
    """The values of a config.

    Raises:
        BadConfig: an enum has a number that stands for nothing.
    """
    batching = message.WhichOneof("scheduling_choice")
    return TritonModelConfig(
        name=message.name,
        platform=message.platform,
        backend=message.backend,
        max_batch_size=message.max_batch_size,
        inputs=tuple(_input(tensor) for tensor in message.input),
        outputs=tuple(_output(tensor) for tensor in message.output),
        version_policy=version_policy(message),
        instance_groups=tuple(_instance_group(group) for group in message.instance_group),
        dynamic_batching=_dynamic(message.dynamic_batching) if batching == "dynamic_batching" else None,
        sequence_batching=_sequence(message.sequence_batching) if batching == "sequence_batching" else None,
        steps=tuple(_step(step) for step in message.ensemble_scheduling.step),
        parameters=_sorted({key: value.string_value for key, value in message.parameters.items()}),
        default_model_filename=message.default_model_filename,
        cc_model_filenames=_sorted(message.cc_model_filenames),
        metric_tags=_sorted(message.metric_tags),
        warmups=tuple(_warmup(warmup) for warmup in message.model_warmup),
        response_cache=message.response_cache.enable,
        decoupled=message.model_transaction_policy.decoupled,
        message=message.SerializeToString(deterministic=True),
    )


def version_policy(message: pb.ModelConfig) -> VersionPolicy:
    """Which versions a config wants, which may be unfinished otherwise."""
    policy = message.version_policy
    match policy.WhichOneof("policy_choice"):
        case "specific":
            return VersionPolicy(latest=None, specific=tuple(policy.specific.versions))
        case "all":
            return VersionPolicy(latest=None)
        case "latest":
            return VersionPolicy(latest=max(1, policy.latest.num_versions))
        case _:
            return VersionPolicy()


def datatype_of(number: int) -> str:
    """The name of a `DataType` in requests.

    Raises:
        BadConfig: the number stands for nothing.
    """
    if not 0 <= number < len(TYPES):
        raise BadConfig(f"there is no data type of number {number}; there are 1 to {len(TYPES) - 1}")
    return TYPES[number]


def _sorted(values: Mapping[str, str]) -> Mapping[str, str]:
    return {key: values[key] for key in sorted(values)}


def _tensor(tensor: "pb.ModelInput | pb.ModelOutput") -> dict[str, Any]:
    reshape = tuple(tensor.reshape.shape) if tensor.HasField("reshape") else None
    fields = {"name": tensor.name, "datatype": datatype_of(tensor.data_type), "dims": tuple(tensor.dims)}
    return {**fields, "reshape": reshape, "is_shape_tensor": tensor.is_shape_tensor}


def _input(tensor: pb.ModelInput) -> TensorConfig:
    return TensorConfig(
        **_tensor(tensor),
        format=_enum(pb.ModelInput.Format, tensor.format, f"format of input {tensor.name!r}"),
        optional=tensor.optional,
        allow_ragged_batch=tensor.allow_ragged_batch,
    )


def _output(tensor: pb.ModelOutput) -> TensorConfig:
    return TensorConfig(**_tensor(tensor), label_filename=tensor.label_filename)


def _enum(kind: Any, number: int, what: str) -> Any:
    if number not in kind.values():
        raise BadConfig(f"{what}: there is no value of number {number}; there are {', '.join(kind.keys())}")
    return kind.Name(number)


def _instance_group(group: pb.ModelInstanceGroup) -> InstanceGroup:
    kind = _enum(pb.ModelInstanceGroup.Kind, group.kind, "kind of an instance_group")
    return InstanceGroup(name=group.name, kind=kind, count=group.count, gpus=tuple(group.gpus))


def _queue_policy(policy: pb.ModelQueuePolicy) -> QueuePolicy:
    return QueuePolicy(
        timeout_action=_enum(pb.ModelQueuePolicy.TimeoutAction, policy.timeout_action, "timeout_action"),
        default_timeout_us=policy.default_timeout_microseconds,
        allow_timeout_override=policy.allow_timeout_override,
        max_queue_size=policy.max_queue_size,
    )


def _dynamic(batching: pb.ModelDynamicBatching) -> DynamicBatching:
    return DynamicBatching(
        preferred_batch_size=tuple(batching.preferred_batch_size),
        max_queue_delay_us=batching.max_queue_delay_microseconds,
        preserve_ordering=batching.preserve_ordering,
        priority_levels=batching.priority_levels,
        default_priority_level=batching.default_priority_level,
        default_queue_policy=_queue_policy(batching.default_queue_policy),
        priority_queue_policy={
            level: _queue_policy(batching.priority_queue_policy[level])
            for level in sorted(batching.priority_queue_policy)
        },
    )


def _sequence(batching: pb.ModelSequenceBatching) -> SequenceBatching:
    is_oldest = batching.HasField("oldest")
    delay = batching.oldest if is_oldest else batching.direct
    return SequenceBatching(
        max_idle_us=batching.max_sequence_idle_microseconds,
        is_oldest=is_oldest,
        max_candidate_sequences=batching.oldest.max_candidate_sequences,
        max_queue_delay_us=delay.max_queue_delay_microseconds,
        controls=tuple(_control(given.name, control) for given in batching.control_input for control in given.control),
        states=tuple(_state(state) for state in batching.state),
        is_iterative=batching.iterative_sequence,
    )


def _control(input_name: str, control: pb.ModelSequenceBatching.Control) -> SequenceControl:
    kind = _enum(pb.ModelSequenceBatching.Control.Kind, control.kind, f"kind of control input {input_name!r}")
    values: dict[str, Any]
    values = {"INT32": control.int32_false_true, "FP32": control.fp32_false_true, "BOOL": control.bool_false_true}
    given = {name: tuple(float(value) for value in pair) for name, pair in values.items() if pair}
    if kind == "CONTROL_SEQUENCE_CORRID":
        return SequenceControl(
            input_name=input_name, kind=kind, datatype=datatype_of(control.data_type), false_true=None
        )
    if len(given) != 1 or any(len(pair) != 2 for pair in given.values()):
        raise BadConfig(
            f"control input {input_name!r}, {kind}: exactly one of int32_false_true, fp32_false_true and "
            "bool_false_true is given, with two values"
        )
    ((datatype, (no, yes)),) = given.items()
    return SequenceControl(input_name=input_name, kind=kind, datatype=datatype, false_true=(no, yes))


def _state(state: pb.ModelSequenceBatching.State) -> SequenceState:
    datatype, dims = datatype_of(state.data_type), tuple(state.dims)
    return SequenceState(input_name=state.input_name, output_name=state.output_name, datatype=datatype, dims=dims)


def _step(step: pb.ModelEnsembling.Step) -> Step:
    return Step(
        model_name=step.model_name,
        model_version=step.model_version,
        input_map=_sorted(step.input_map),
        output_map=_sorted(step.output_map),
    )


def _warmup(warmup: pb.ModelWarmup) -> Warmup:
    inputs = {name: _warmup_input(warmup.inputs[name]) for name in sorted(warmup.inputs)}
    return Warmup(name=warmup.name, batch_size=warmup.batch_size, count=warmup.count, inputs=inputs)


def _warmup_input(given: pb.ModelWarmup.Input) -> WarmupInput:
    kinds: dict[str | None, Literal["zero", "random", "file"]]
    kinds = {"random_data": "random", "input_data_file": "file"}
    data = kinds.get(given.WhichOneof("input_data_type"), "zero")
    datatype, dims = datatype_of(given.data_type), tuple(given.dims)
    return WarmupInput(datatype=datatype, dims=dims, data=data, file=given.input_data_file)
