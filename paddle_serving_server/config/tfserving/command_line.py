"""The command line of `tensorflow_model_server`, with its files and variables, to one `TfServingConfig`."""

import argparse
import os
from collections.abc import Mapping, Sequence
from typing import Final

from paddle_serving_client import program
from paddle_serving_client.errors import BadConfig
from paddle_serving_server.config import container_paths, tokens
from paddle_serving_server.config.tfserving import files
from paddle_serving_server.config.tfserving.values import BatchingParameters, ModelEntry, TfServingConfig

_NAME, _BASE_PATH = "MODEL_NAME", "MODEL_BASE_PATH"
"""Variables of its image: the model is in MODEL_BASE_PATH/MODEL_NAME."""
_DEFAULT_NAME, _DEFAULT_BASE_PATH = "model", "/models"
_MANAGE: Final = "addresses and networks that may ask for other models (default: this machine)"
IGNORED: Final = {
    "rest_api_num_threads": "--fronts says how many processes accept connections",
    "grpc_max_threads": "--fronts says how many processes accept connections",
    "grpc_channel_arguments": "gRPC is answered by a server of its own",
    "grpc_socket_path": "sockets of the file system are not listened on",
    "enable_model_warmup": "every model is tried before it answers",
    "num_request_iterations_for_warmup": "every model is tried before it answers",
    "tensorflow_intra_op_parallelism": "tensorflow_session_parallelism says how many threads",
    "tensorflow_inter_op_parallelism": "the inference library decides",
    "per_process_gpu_memory_fraction": "the inference library takes what it needs",
    "allow_growth": "the inference library takes what it needs",
    "saved_model_tags": "the graph that is tagged `serve` is served",
    "flush_filesystem_caches": "files are copied before they are loaded",
    "num_load_threads": "each model is loaded by a process of its own",
    "num_unload_threads": "each model is unloaded by the end of its process",
    "load_retry_interval_micros": "a process that dies is started again after a while",
    "platform_config_file": "there is one platform",
    "enable_signature_method_name_check": "signatures are called by their names",
    "xla_cpu_compilation_enabled": "the inference library decides",
    "enable_profiler": "`trace` records what a server does",
    "thread_pool_factory_config_file": "the inference library decides",
    "remove_unused_fields_from_bundle_metagraph": "the graph is read as it is",
    "prefer_tflite_model": "TensorFlow Lite is not served",
    "num_tflite_pools": "TensorFlow Lite is not served",
}
"""Flags that are understood, and why they change nothing."""


def parse(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> TfServingConfig:
    """Read the command line, and what it names.

    Raises:
        BadConfig: a value is out of range, or a file cannot be read. Wrong flags end the process, as argparse does.
    """
    args = _parser().parse_args(argv)
    maps = tuple(map(container_paths.parse, args.map))
    for name in ("port", "rest_api_port"):
        if not 0 <= getattr(args, name) <= 65535:
            raise BadConfig(f"--{name} must be 0 to 65535, got {getattr(args, name)}")
    for name in ("file_system_poll_wait_seconds", "model_config_file_poll_wait_seconds", "rest_api_timeout_in_ms"):
        if getattr(args, name) < 0 and name != "file_system_poll_wait_seconds":
            raise BadConfig(f"--{name} must be at least 0, got {getattr(args, name):g}")
    if args.batching_parameters_file and not args.enable_batching:
        raise BadConfig("--batching_parameters_file needs --enable_batching")
    if not args.port and not args.rest_api_port:
        raise BadConfig("--port and --rest_api_port are both 0: nobody could ask")
    config_file = container_paths.here(args.model_config_file, maps)
    monitoring = container_paths.here(args.monitoring_config_file, maps)
    parameters = container_paths.here(args.batching_parameters_file, maps)
    return TfServingConfig(
        grpc_port=args.port,
        rest_port=args.rest_api_port,
        models=files.models(config_file, maps) if config_file else (_one(args, environment, maps),),
        maps=maps,
        model_config_file=config_file,
        config_poll_s=args.model_config_file_poll_wait_seconds,
        version_poll_s=max(0.0, args.file_system_poll_wait_seconds),
        is_batching=args.enable_batching,
        batching=files.batching(parameters) if parameters else BatchingParameters(),
        monitoring_path=files.monitoring_path(monitoring) if monitoring else "",
        rest_timeout_s=args.rest_api_timeout_in_ms / 1000,
        max_load_retries=args.max_num_load_retries,
        threads=args.tensorflow_session_parallelism,
        is_tuned=args.tune == "load",
        manage_from=tuple(args.manage_from),
        manage_token=tokens.of(args.manage_from, args.manage_token_file),
        labels_may_wait=args.allow_version_labels_for_unavailable_models,
        notes=tuple(
            f"--{name} has no effect: {why}" for name, why in IGNORED.items() if getattr(args, name) is not None
        ),
    )


def _one(args: argparse.Namespace, environment: Mapping[str, str], maps: container_paths.Maps) -> ModelEntry:
    """The model of the flags; else that of the variables, as the image has it."""
    name = args.model_name or environment.get(_NAME) or _DEFAULT_NAME
    if args.model_base_path:
        return files.entry(name, args.model_base_path, "--model_base_path", maps)
    if _NAME not in environment and _BASE_PATH not in environment:
        raise BadConfig("--model_base_path, or --model_config_file, says where the models are; both are missing")
    base_path = f"{environment.get(_BASE_PATH) or _DEFAULT_BASE_PATH}/{environment.get(_NAME) or _DEFAULT_NAME}"
    return files.entry(name, base_path, f"{_BASE_PATH} and {_NAME}", maps)


def _truth(text: str) -> bool:
    if text.lower() in ("true", "1", "t", "yes"):
        return True
    if text.lower() in ("false", "0", "f", "no"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program.name("python -m paddle_serving_server.tensorflow_model_server"),
        description="Serve models of TensorFlow Serving, with its APIs and its flags.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--port", type=int, default=8500, help="of gRPC; 0: none (default 8500)")
    add("--rest_api_port", type=int, default=8501, help="of REST; 0: none (default 8501)")
    add("--model_name", default="", help="of the model in --model_base_path (default: model)")
    add("--model_base_path", default="", metavar="FOLDER", help="with a numbered folder for each version")
    add("--model_config_file", default="", metavar="FILE", help="several models, with policies and labels")
    add("--model_config_file_poll_wait_seconds", type=float, default=0, metavar="S", help="how often it is read again")
    add("--file_system_poll_wait_seconds", type=float, default=1, metavar="S", help="how often versions are looked for")
    switch = {"type": _truth, "nargs": "?", "const": True, "default": False, "metavar": "true"}
    add("--enable_batching", **switch, help="join requests")  # type: ignore[arg-type]
    add("--batching_parameters_file", default="", metavar="FILE", help="how")
    add("--monitoring_config_file", default="", metavar="FILE", help="metrics on the port of REST")
    add("--rest_api_timeout_in_ms", type=float, default=30000, metavar="MS", help="(default 30000)")
    add("--max_num_load_retries", type=int, default=5, help="(default 5)")
    add("--tensorflow_session_parallelism", type=int, default=0, help="computing threads (default: the server decides)")
    add("--allow_version_labels_for_unavailable_models", **switch, help="labels may wait for versions")  # type: ignore[arg-type]
    add("--tune", choices=("load", "off"), default="load", help="whether new models are measured (default: load)")
    add("--manage_from", nargs="+", default=list(TfServingConfig().manage_from), metavar="ADDRESS", help=_MANAGE)
    add("--manage_token_file", default=None, metavar="FILE", help="the token that they have to send")
    add("--map", action="append", default=[], metavar="/PATH=FOLDER", help="where a path of a container is here")
    for name in IGNORED:
        add(f"--{name}", nargs="?", const="true", default=None, metavar="VALUE", help="without effect")
    return parser
