"""What a config asks for and does not get here: said at load, and never silently dropped."""

from paddle_serving_app.triton.config import DynamicBatching, TritonModelConfig
from paddle_serving_client.wire import triton_config
from paddle_serving_client.wire.proto import triton_model_config_pb2 as pb


def notes_of(config: TritonModelConfig) -> list[str]:
    """One line for each thing that is without effect, with what happens instead."""
    message = triton_config.parse_bytes(config.message)
    return [*_of_execution(message), *_of_batching(config), *_of_sequences(message), *_of_model(config, message)]


def _of_execution(message: pb.ModelConfig) -> list[str]:
    notes = []
    accelerators = message.optimization.execution_accelerators
    for where in ("gpu", "cpu"):
        names = [found.name for found in getattr(accelerators, f"{where}_execution_accelerator")]
        if names:
            notes.append(
                f"optimization.execution_accelerators.{where}_execution_accelerator ({', '.join(names)}) is without "
                "effect: which library runs the model is measured"
            )
    for field in ("graph", "cuda", "eager_batching", "gather_kernel_buffer_threshold", "priority"):
        value = getattr(message.optimization, field)
        if value.ListFields() if field in ("graph", "cuda") else value:
            notes.append(f"optimization.{field} is without effect")
    for group in message.instance_group:
        for field in ("rate_limiter", "secondary_devices", "profile", "passive", "host_policy"):
            value = getattr(group, field)
            if group.HasField(field) if field == "rate_limiter" else value:
                notes.append(f"instance_group.{field} is without effect")
    return notes


def _of_batching(config: TritonModelConfig) -> list[str]:
    notes = []
    batching = config.dynamic_batching
    if batching is not None and not config.max_batch_size:
        notes.append("dynamic_batching is without effect: max_batch_size is 0, so requests are not joined")
    elif batching is not None and set(batching.preferred_batch_size) - {config.max_batch_size}:
        notes.append(
            "dynamic_batching.preferred_batch_size is without effect: whatever waits is joined, up to max_batch_size"
        )
    return [*notes, *_of_queues(batching or DynamicBatching())]


def _of_queues(batching: DynamicBatching) -> list[str]:
    policies = [batching.default_queue_policy, *batching.priority_queue_policy.values()]
    given = {
        "priority_levels": (batching.priority_levels > 1, "requests are computed in the order in which they come"),
        "default_timeout_microseconds": (
            any(policy.default_timeout_us for policy in policies),
            "a request waits as long as it may take altogether",
        ),
        "allow_timeout_override": (
            any(policy.allow_timeout_override for policy in policies),
            "the parameter timeout of requests is not looked at; callers give deadlines with their calls",
        ),
        "max_queue_size": (
            any(policy.max_queue_size for policy in policies),
            "a queue has the bound that the server has for all of them",
        ),
    }
    return [
        f"dynamic_batching: {field} is without effect: {why}" for field, (is_given, why) in given.items() if is_given
    ]


def _of_sequences(message: pb.ModelConfig) -> list[str]:
    batching = message.sequence_batching
    given = {
        "direct.max_queue_delay_microseconds": batching.direct.max_queue_delay_microseconds,
        "direct.minimum_slot_utilization": batching.direct.minimum_slot_utilization,
        "oldest.max_queue_delay_microseconds": batching.oldest.max_queue_delay_microseconds,
        "oldest.preserve_ordering": batching.oldest.preserve_ordering,
    }
    why = "a request of a sequence is computed as soon as its instance is free"
    return [f"sequence_batching.{field} is without effect: {why}" for field, value in given.items() if value]


def _of_model(config: TritonModelConfig, message: pb.ModelConfig) -> list[str]:
    notes = []
    if config.cc_model_filenames:
        notes.append(f"cc_model_filenames is without effect: {config.default_model_filename} is loaded on every GPU")
    if message.model_operations.op_library_filename:
        notes.append("model_operations.op_library_filename is without effect: no library with operators is loaded")
    if message.model_repository_agents.agents:
        names = ", ".join(agent.name for agent in message.model_repository_agents.agents)
        notes.append(f"model_repository_agents ({names}) is without effect")
    if message.model_metrics.metric_control:
        notes.append("model_metrics is without effect: histograms have the buckets of this server")
    if config.response_cache:
        notes.append("response_cache is without effect: --request_cache_size of serve keeps answers of all models")
    if config.warmups:
        names = ", ".join(warmup.name for warmup in config.warmups)
        notes.append(f"model_warmup ({names}) is without effect: a model is run with made-up inputs when it is loaded")
    if message.ensemble_scheduling.max_inflight_requests:
        notes.append("ensemble_scheduling.max_inflight_requests is without effect: each step has a queue with a bound")
    if "EXECUTION_ENV_PATH" in config.parameters:
        notes.append(
            f"EXECUTION_ENV_PATH ({config.parameters['EXECUTION_ENV_PATH']}) is without effect: model.py runs in the "
            "Python of this server; install there what it imports"
        )
    return notes
