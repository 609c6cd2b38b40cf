"""What TensorFlow Serving was told, as what a server here is told."""

from collections.abc import Iterable

from google.protobuf.message import DecodeError

from paddle_serving_app.backend import ModelOptions
from paddle_serving_client.errors import BadInput
from paddle_serving_client.wire.proto import tfserving_config_pb2 as pb
from paddle_serving_server.config.listening import Listening
from paddle_serving_server.config.tfserving import files
from paddle_serving_server.config.tfserving.values import All, BatchingParameters, ModelEntry, Specific, TfServingConfig
from paddle_serving_server.config.values import Limits, ServedModel, ServerConfig
from paddle_serving_server.config.versions import VersionPolicy

API = "tfserving"


def models(entries: Iterable[ModelEntry], options: ModelOptions) -> tuple[ServedModel, ...]:
    """Entries of the registry, one for each model.

    Raises:
        BadConfig: more versions or labels than a model may have.
    """
    return tuple(
        ServedModel(
            name=entry.name,
            folder=entry.base_path,
            options=options,
            versions=_policy(entry),
            labels=tuple((label, str(version)) for label, version in entry.labels.items()),
        )
        for entry in entries
    )


def models_of(config: bytes, options: ModelOptions) -> tuple[ServedModel, ...]:
    """The same of a `ModelServerConfig` that a caller has sent.

    Raises:
        BadInput: it is none. BadConfig: it says something impossible.
    """
    message = pb.ModelServerConfig()
    try:
        message.ParseFromString(config)
    except DecodeError as exc:
        raise BadInput(f"config is no ModelServerConfig: {exc}") from exc
    return models(files.entries(message, "config"), options)


def server(config: TfServingConfig) -> tuple[ServerConfig, list[str]]:
    """The whole of it: REST on the first port, gRPC on another one.

    Returns:
        The settings, and what of the batching parameters has no effect here, for people.

    Raises:
        BadConfig: as `models`.
    """
    options = ModelOptions(threads=config.threads)
    batching = config.batching
    limits = Limits(request_s=config.rest_timeout_s or Limits().request_s)
    if batching.max_enqueued_batches is not None:
        waiting = batching.max_enqueued_batches * (batching.max_batch_size or 1)
        limits = Limits(request_s=limits.request_s, max_waiting=min(waiting, 10**6))
    grpc = (Listening(host="0.0.0.0", port=config.grpc_port, apis=(API,)),)
    return ServerConfig(
        port=config.rest_port or config.grpc_port,
        listen=grpc if config.rest_port and config.grpc_port else (),
        models=models(config.models, options),
        options=options,
        max_rows=batching.max_batch_size or 0,
        max_wait_ms=(batching.batch_timeout_micros or 0) / 1000,
        reload_interval_s=config.version_poll_s,
        enable_prometheus=bool(config.monitoring_path),
        limits=limits,
        tune_s=ServerConfig().tune_s if config.is_tuned else 0.0,
        manage_from=config.manage_from,
        manage_token=config.manage_token,
    ), [*config.notes, *_notes(batching), *_monitoring(config.monitoring_path)]


def _policy(entry: ModelEntry) -> VersionPolicy:
    """Versions may differ in everything, as there."""
    policy = entry.policy
    if isinstance(policy, All):
        return VersionPolicy(latest=0, every=True)
    if isinstance(policy, Specific):
        return VersionPolicy(latest=0, numbers=policy.versions)
    return VersionPolicy(latest=policy.count, apart=True)


def _notes(batching: BatchingParameters) -> list[str]:
    notes = []
    if batching.num_batch_threads is not None:
        notes.append("num_batch_threads has no effect: one engine process runs a model, with the processors there are")
    if batching.allowed_batch_sizes:
        notes.append("allowed_batch_sizes has no effect: models are run with as many rows as there are")
    if batching.pads_variable_length_inputs:
        notes.append("pad_variable_length_inputs has no effect: requests of different lengths are run apart")
    return notes


def _monitoring(path: str) -> list[str]:
    if path in ("", files.MONITORING_PATH):
        return []
    return [f"the metrics are at {files.MONITORING_PATH}, not at {path}"]
