"""TorchServe's management of models, whatever carried it: register, scale, describe, remove, and set the default.

A model of theirs is an entry of the registry whose versions have a path and settings of their own each; what is told of
a version, and has no other place, is in the settings of its handler.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from paddle_serving_app.mar.settings import ModelSettings
from paddle_serving_client.errors import BadConfig, BadInput, BadModel, Conflict, NoService
from paddle_serving_server.config.torchserve import entries
from paddle_serving_server.config.torchserve.rules import StoreRules
from paddle_serving_server.config.values import ServedModel, VersionSettings
from paddle_serving_server.process.states import State
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.model_status import ModelStatus

ALL: Final = "all"
_NO_WORKER: Final = (
    'Model "{name}" has no worker to serve inference request. Please use scale workers API to add workers. '
    "If this is a sequence inference, please check if it is closed, or expired; or exceeds maxSequenceJobQueueSize"
)


class Refused(BadInput):
    """Something that TorchServe refuses, with its status and the name of its exception."""

    def __init__(self, status: int, kind: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.kind = kind


def rules_of(catalogue: Catalogue) -> StoreRules:
    """The rules of a server that takes TorchServe's place."""
    rules = catalogue.config.torchserve
    assert rules is not None, "these routes are of such servers only"
    return rules


async def register(
    catalogue: Catalogue, url: str, name: str, settings: ModelSettings, at_start: bool = False
) -> tuple[str, str, int]:
    """Register an archive of the store, and load it where it is to have workers.

    Args:
        catalogue: of the server.
        url: the name of the archive in the store.
        name: of the model; empty: as the archive says.
        settings: what the caller says; the archive counts where he says nothing.
        at_start: whether the server starts with it.

    Returns:
        The name, the version, and how many workers it has.

    Raises:
        Refused: in TorchServe's words.
    """
    rules = rules_of(catalogue)
    path = _in_store(rules, url)
    try:
        told, version, own = await asyncio.to_thread(entries.described, path)
    except BadModel as exc:
        raise Refused(400, "InvalidModelException", str(exc)) from exc
    name = name or told
    made = entries.settings_of(name, path, settings.over(own), rules, at_start)
    known = _model(catalogue, name)
    if known is not None and version in dict(known.paths):
        text = f"Model version {version} is already registered for model {name}"
        raise Refused(409, "ConflictStatusException", text)
    try:
        if known is None:
            model = ServedModel(
                name=name,
                folder=str(path),
                handler=made.handler,
                paths=((version, str(path)),),
                own=((version, made),),
                default_version=version,
            )
            await catalogue.registry.register(model)
        else:
            paths, others = (*known.paths, (version, str(path))), (*known.own, (version, made))
            await catalogue.registry.configure(name, paths=paths, own=others)
    except Conflict as exc:
        raise Refused(409, "ConflictStatusException", str(exc)) from exc
    except BadConfig as exc:
        raise Refused(400, "BadRequestException", str(exc)) from exc
    await _refuse_failed(catalogue, name, version, made)
    return name, version, made.instances


async def scale(catalogue: Catalogue, name: str, version: str, least: int, most: int) -> str:
    """Have a number of workers; returns the version that has them.

    Raises:
        Refused: in TorchServe's words.
    """
    model, version = found(catalogue, name, version)
    path, own = dict(model.paths)[version], dict(model.own)[version]
    assert own.handler is not None
    about = {**own.handler.settings, "min_workers": least, "max_workers": max(least, most)}
    made = entries.of_about(about, Path(path))
    await _configure(catalogue, model, version, made)
    await _refuse_failed(catalogue, name, version, made)
    return version


async def unregister(catalogue: Catalogue, name: str, version: str) -> None:
    """Remove a version, and with the last one the model.

    Raises:
        Refused: in TorchServe's words.
    """
    model, version = found(catalogue, name, version)
    if len(model.paths) == 1:
        await catalogue.registry.unregister(name)
        return
    if version == model.default_version:
        text = f"Cannot remove default version for model {name}"
        raise Refused(403, "InvalidModelVersionException", text)
    paths = tuple(pair for pair in model.paths if pair[0] != version)
    await catalogue.registry.configure(name, paths=paths, own=tuple(p for p in model.own if p[0] != version))


async def set_default(catalogue: Catalogue, name: str, version: str) -> None:
    """Say which version answers who asks for none.

    Raises:
        Refused: in TorchServe's words.
    """
    model = _known(catalogue, name)
    if version not in dict(model.paths):
        text = f"Model version {version} does not exist for model {name}"
        raise Refused(404, "ModelVersionNotFoundException", text)
    await catalogue.registry.set_default(name, version)


def listed(catalogue: Catalogue) -> list[dict[str, str]]:
    """Every model, by name, with the archive of its default version."""
    found_models = [s.model for s in catalogue.registry.index() if s.model is not None and s.model.own]
    return [
        {"modelName": model.name, "modelUrl": Path(dict(model.paths)[model.default_version]).name}
        for model in sorted(found_models, key=lambda model: model.name)
    ]


def described(catalogue: Catalogue, name: str, version: str) -> list[dict[str, Any]]:
    """What is told of a version; empty: of the default one; `ALL`: of each.

    Raises:
        Refused: in TorchServe's words.
    """
    if version == ALL:
        model = _known(catalogue, name)
        versions = list(dict(model.paths))
    else:
        model, version = found(catalogue, name, version)
        versions = [version]
    status = catalogue.registry.status(name)
    return [_described(status, model, one) for one in versions]


def found(catalogue: Catalogue, name: str, version: str) -> tuple[ServedModel, str]:
    """The model, and which of its versions is meant.

    Raises:
        Refused: it is not there, or not in that version.
    """
    model = _known(catalogue, name)
    version = version or model.default_version
    if version not in dict(model.paths):
        text = f"Model version: {version[:64]} does not exist for model: {name}"
        raise Refused(404, "ModelVersionNotFoundException", text)
    return model, version


def refuse_without_workers(catalogue: Catalogue, name: str, version: str) -> None:
    """Refuse a call that nobody could answer, before it is read.

    Raises:
        Refused: the model has no worker, or is not there.
    """
    model, version = found(catalogue, name, version)
    if version in catalogue.versions(name):
        return
    known = [one for one in catalogue.registry.status(name).versions if one.version == version]
    why = "".join(f" ({one.state}{': ' if one.reason else ''}{one.reason})" for one in known[:1])
    raise Refused(503, "ServiceUnavailableException", _NO_WORKER.format(name=name) + why)


# -- details


def _model(catalogue: Catalogue, name: str) -> ServedModel | None:
    status = catalogue.statuses.get(name)
    return None if status is None or status.model is None or not status.model.own else status.model


def _known(catalogue: Catalogue, name: str) -> ServedModel:
    if (model := _model(catalogue, name)) is None:
        raise Refused(404, "ModelNotFoundException", f"Model not found: {name[:128]}")
    return model


def _in_store(rules: StoreRules, url: str) -> Path:
    """The archive that is meant.

    Raises:
        Refused: it is not in the store.
    """
    if not url:
        raise Refused(400, "BadRequestException", "Parameter url is required.")
    if ".." in url:
        raise Refused(404, "ModelNotFoundException", f"Relative path is not allowed in url: {url[:256]}")
    path = Path(rules.store) / url
    if not rules.store or url.startswith("/") or "://" in url or "\0" in url or not path.exists():
        raise Refused(404, "ModelNotFoundException", f"Model not found at: {url[:256]}")
    return path


async def _configure(catalogue: Catalogue, model: ServedModel, version: str, made: VersionSettings) -> None:
    own = tuple((one, made if one == version else settings) for one, settings in model.own)
    try:
        await catalogue.registry.configure(model.name, own=own)
    except NoService:
        raise Refused(404, "ModelNotFoundException", f"Model not found: {model.name}") from None


async def _refuse_failed(catalogue: Catalogue, name: str, version: str, made: VersionSettings) -> None:
    """A version that could not be loaded stays registered, without workers.

    Raises:
        Refused: it could not.
    """
    if not made.is_loaded or version in catalogue.versions(name):
        return
    status = catalogue.registry.status(name)
    reasons = [v.reason for v in status.versions if v.version == version and v.state is State.REFUSED]
    assert made.handler is not None
    without = entries.of_about({**made.handler.settings, "min_workers": 0, "max_workers": 0}, Path(made.handler.path))
    if (model := _model(catalogue, name)) is not None and version in dict(model.paths):
        await _configure(catalogue, model, version, without)
    text = f"Failed to start workers for model {name} version: {version}"
    raise Refused(500, "InternalServerException", ": ".join([text, *reasons[:1]]))


def _described(status: ModelStatus, model: ServedModel, version: str) -> dict[str, Any]:
    own = dict(model.own)[version]
    assert own.handler is not None
    about: Mapping[str, Any] = own.handler.settings
    is_ready = any(one.version == version and one.state is State.READY for one in status.versions)
    worker = {"status": "READY", "gpu": False, "gpuUsage": "N/A"}
    return {
        "modelName": model.name,
        "modelVersion": version,
        "modelUrl": about["url"],
        "runtime": "python",
        "minWorkers": about["min_workers"],
        "maxWorkers": about["max_workers"],
        "batchSize": about["batch_size"],
        "maxBatchDelay": about["max_batch_delay"],
        "responseTimeout": about["response_timeout"],
        "startupTimeout": about["startup_timeout"],
        "maxRetryTimeoutInSec": 300,
        "clientTimeoutInMills": 0,
        "parallelType": "",
        "parallelLevel": 0,
        "deviceType": "cpu",
        "continuousBatching": False,
        "useJobTicket": False,
        "useVenv": False,
        "stateful": False,
        "sequenceMaxIdleMSec": 0,
        "sequenceTimeoutMSec": 0,
        "maxNumSequence": 0,
        "maxSequenceJobQueueSize": 0,
        "loadedAtStartup": about["at_start"],
        "workers": [{"id": str(9000 + k), **worker} for k in range(own.instances)] if is_ready else [],
        "jobQueueStatus": {"remainingCapacity": about["job_queue_size"], "pendingRequests": 0},
    }
