"""What tritonserver was told, as what a server here is told."""

import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from paddle_serving_app import backend
from paddle_serving_app.triton import container_paths
from paddle_serving_client.errors import BadModel
from paddle_serving_server.config.listening import Listening, Role
from paddle_serving_server.config.triton.entries import Repositories
from paddle_serving_server.config.triton.flags import EVERY_MODEL, TritonFlags
from paddle_serving_server.config.triton.rules import RepositoryRules
from paddle_serving_server.config.values import Limits, ServedModel, ServerConfig

logger = logging.getLogger(__name__)

API: Final = "kserve"
_LEAST_TUNE_S: Final = 1.0
"""Of one model, in seconds; less tells nothing."""
_DEVICE: Final = re.compile(r"nvidia([0-9]+)")
_FOR_GPUS: Final = ("onnxruntime-gpu", "paddlepaddle-gpu")
"""Packages that run models on one."""


def rules(flags: TritonFlags, uploads: str = "") -> RepositoryRules:
    """How models are found and opened.

    Raises:
        BadConfig: a `--map` is none.
    """
    paths = container_paths.parse(flags.maps)
    return RepositoryRules(
        repositories=tuple(str(Path(paths.found(path) or path).absolute()) for path in flags.repositories),
        control_mode=flags.control_mode,
        is_open=True,
        completes=not flags.strict_config,
        config_name=flags.config_name,
        default_max_batch_size=flags.default_max_batch_size,
        maps=flags.maps,
        gpus=gpus(),
        backend_policy=flags.backend_policy,
        is_strict=flags.strict_readiness,
        server_name=flags.server_id,
        uploads=uploads,
    )


def repositories(paths: Sequence[str]) -> RepositoryRules | None:
    """Those of a server with a command line of its own: models come and go by who may manage it."""
    if not paths:
        return None
    absolute = tuple(str(Path(path).absolute()) for path in paths)
    return RepositoryRules(repositories=absolute, control_mode="explicit", gpus=gpus(), is_strict=False)


def models(its_rules: RepositoryRules | None) -> tuple[ServedModel, ...]:
    """All models of some repositories; what people should know of them is logged.

    Raises:
        BadModel: a repository cannot be read.
    """
    return () if its_rules is None else Repositories(its_rules, say).models()


def say(name: str, note: str) -> None:
    """Log what people should know of a model."""
    logger.warning("%s%s", f"model {name!r}: " if name else "", note)


def first_models(flags: TritonFlags, repositories: Repositories) -> tuple[ServedModel, ...]:
    """Those of the start.

    Raises:
        BadModel: one cannot be loaded, and the server is to end then; or a repository cannot be read.
        BadConfig: a `--map` is none.
    """
    is_every = flags.control_mode != "explicit" or flags.load_models == (EVERY_MODEL,)
    models = repositories.models(None if is_every else flags.load_models)
    faults = [f"failed to load '{m.name}': {m.triton.fault}" for m in models if m.triton is not None and m.triton.fault]
    if faults and flags.exit_on_error:
        raise BadModel(f"{'; '.join(faults)} (--exit-on-error=false serves the others)")
    return models


def server(flags: TritonFlags, its_rules: RepositoryRules, models: Sequence[ServedModel]) -> ServerConfig:
    """The whole of it: an address each for HTTP, gRPC and metrics; every protocol is answered at the first two."""
    grpc = Listening(host=flags.grpc_host, port=flags.grpc_port, apis=(API,))
    metrics = Listening(
        host=flags.metrics_host or flags.http_host, port=flags.metrics_port, roles=(Role.METRICS,)
    )  # fmt: skip
    listen = [grpc] if flags.allow_grpc and flags.allow_http else []
    return ServerConfig(
        host=flags.http_host if flags.allow_http else flags.grpc_host,
        port=flags.http_port if flags.allow_http else flags.grpc_port,
        apis=() if flags.allow_http else (API,),
        listen=(*listen, metrics) if flags.allow_metrics else tuple(listen),
        models=tuple(models),
        allow_broken_models=not flags.exit_on_error,
        reload_interval_s=0.0,  # what has changed is found out by the folders of the repository
        enable_prometheus=flags.allow_metrics,
        tune_s=_tune_s(len(models)) if flags.tunes else 0.0,
        grace_s=float(flags.exit_timeout_s),
        limits=Limits(max_body_bytes=flags.max_body_bytes, request_s=float(flags.request_timeout_s)),
        log_level=flags.log_level,
        triton=its_rules,
    )


def _tune_s(count: int) -> float:
    """How long it is measured for each model: a repository of many is to be there as soon as one of a few."""
    return max(_LEAST_TUNE_S, ServerConfig().tune_s / max(1, count))


def notes(flags: TritonFlags) -> Iterator[str]:
    """What has no effect here, for people."""
    for flag in flags.without_effect:
        yield f"{flag} is without effect"
    if flags.control_mode == "explicit":
        yield (
            "--model-control-mode=explicit: everybody who reaches this server may load models, and have it run the "
            "files that come with them; --http-address=127.0.0.1 and --grpc-address=127.0.0.1 keep it to this machine"
        )
    if flags.header_pattern:
        yield "--http-header-forward-pattern is without effect: headers are not handed on to models"
    if flags.cache_bytes:
        yield "--cache-config and --response-cache-byte-size are without effect: answers are not kept"
    if flags.load_retries:
        yield "--model-load-retry-count is without effect: what cannot be loaded once is refused"


def gpus(devices: Path = Path("/dev")) -> tuple[int, ...]:
    """The GPUs that models can run on: those of the machine, where a library is installed that uses them."""
    if not backend.version_of(*_FOR_GPUS):
        return ()
    found = (_DEVICE.fullmatch(path.name) for path in devices.iterdir())
    return tuple(sorted(int(match[1]) for match in found if match is not None))
