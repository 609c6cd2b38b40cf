"""From an archive and what is said of it to an entry of the registry."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from paddle_serving_app.handler import HandlerSpec
from paddle_serving_app.mar import archive as archives
from paddle_serving_app.mar.settings import ModelSettings
from paddle_serving_client.errors import BadModel
from paddle_serving_server.config.torchserve.rules import StoreRules
from paddle_serving_server.config.values import VersionSettings

KIND: Final = "torchserve"
FIRST_VERSION: Final = "1.0"
"""Of an archive that says none."""
_BATCH_SIZE, _BATCH_DELAY_MS, _RETRY_S = 1, 100, 300


def described(path: Path) -> tuple[str, str, ModelSettings]:
    """The name, the version and the settings of an archive.

    Raises:
        BadModel: it is none.
    """
    try:
        manifest, settings = archives.described(path)
    except OSError as exc:
        raise BadModel(f"{path}: {exc.strerror}") from exc
    return manifest.model_name, manifest.model_version or FIRST_VERSION, settings


def settings_of(
    name: str, path: Path, settings: ModelSettings, rules: StoreRules, at_start: bool = False, url: str = ""
) -> VersionSettings:
    """How a version is run.

    Args:
        name: of the model.
        path: of its archive.
        settings: what is said of it; where that is nothing, `rules` count.
        rules: of the server.
        at_start: whether the server starts with it.
        url: what callers are told of where it comes from; empty: the name of its file.
    """
    workers = settings.min_workers if settings.min_workers is not None else rules.workers
    batch_size = settings.batch_size or _BATCH_SIZE
    delay_ms = settings.max_batch_delay_ms if settings.max_batch_delay_ms is not None else _BATCH_DELAY_MS
    about = {
        "name": name,
        "url": url or path.name,
        "batch_size": batch_size,
        "max_batch_delay": delay_ms,
        "min_workers": workers,
        "max_workers": max(workers, settings.max_workers or workers),
        "response_timeout": settings.response_timeout_s or rules.response_timeout_s,
        "startup_timeout": settings.startup_timeout_s or rules.startup_timeout_s,
        "max_retry_timeout": settings.max_retry_timeout_s if settings.max_retry_timeout_s is not None else _RETRY_S,
        "client_timeout": settings.client_timeout_ms or 0,
        "job_queue_size": settings.job_queue_size or rules.job_queue_size,
        "limits_image_pixels": rules.limits_image_pixels,
        "at_start": at_start,
        "installs_requirements": rules.installs_requirements,
        "allows_pickled_weights": rules.allows_pickled_weights,
    }
    return of_about(about, path)


def changed(about: Mapping[str, Any], settings: ModelSettings) -> dict[str, Any]:
    """What is kept of a version, with other settings, as far as these say something."""
    given = {
        "batch_size": settings.batch_size,
        "max_batch_delay": settings.max_batch_delay_ms,
        "response_timeout": settings.response_timeout_s,
        "startup_timeout": settings.startup_timeout_s,
    }
    return {**about, **{key: value for key, value in given.items() if value is not None}}


def of_about(about: Mapping[str, Any], path: Path) -> VersionSettings:
    """The same, from what is kept of it in `HandlerSpec.settings`."""
    batch_size, workers = about["batch_size"], about["min_workers"]
    handler = HandlerSpec(kind=KIND, path=str(path), settings=dict(about), timeout_s=float(about["response_timeout"]))
    return VersionSettings(
        max_rows=batch_size,
        max_wait_ms=float(about["max_batch_delay"]) if batch_size > 1 else 0.0,
        instances=workers,
        handler=handler,
        is_loaded=workers > 0,
    )
