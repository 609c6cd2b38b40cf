"""TorchServe's management of models, whatever carried it: register, scale, remove, and set the default.

A model of theirs is an entry of the registry whose versions have a path and settings of their own each; what is told of
a version, and has no other place, is in the settings of its handler.
"""

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from paddle_serving_app.mar.settings import ModelSettings
from paddle_serving_client.errors import BadConfig, BadModel, Conflict, NoService, ServingError
from paddle_serving_server.config.torchserve import entries
from paddle_serving_server.config.torchserve.rules import StoreRules
from paddle_serving_server.config.values import ServedModel, VersionSettings
from paddle_serving_server.dataplane import torchserve_archives as archives
from paddle_serving_server.dataplane import torchserve_snapshots as snapshots
from paddle_serving_server.dataplane.torchserve_refused import Refused
from paddle_serving_server.process.states import State
from paddle_serving_server.services.catalogue import Catalogue

logger = logging.getLogger(__name__)

MOST_WORKERS: Final = 256
MOST_ROWS: Final = 65536
LONGEST_DELAY_MS: Final = 60_000
LONGEST_TIMEOUT_S: Final = 86_400
_background: Final[set[asyncio.Task[None]]] = set()
_NO_WORKER: Final = (
    'Model "{name}" has no worker to serve inference request. Please use scale workers API to add workers. '
    "If this is a sequence inference, please check if it is closed, or expired; or exceeds maxSequenceJobQueueSize"
)


def rules_of(catalogue: Catalogue) -> StoreRules:
    """The rules of a server that takes TorchServe's place."""
    rules = catalogue.config.torchserve
    assert rules is not None, "these routes are of such servers only"
    return rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What is to be registered."""

    url: str = ""
    """An archive: its name in the store, or an address that `allowed_urls` has."""
    content: bytes | memoryview = b""
    """The archive itself, where there is no address."""
    name: str = ""
    """Of the model; empty: as the archive says."""
    handler: str = ""
    """Must be empty: an archive has its own."""
    settings: ModelSettings = ModelSettings()
    """What the caller says; the archive counts where he says nothing."""


async def register(catalogue: Catalogue, asked: Registration) -> str:
    """Register an archive, and load it where it is to have workers; returns what was done, in words.

    Raises:
        Refused: in TorchServe's words.
    """
    rules = refuse_without_api(catalogue)
    if asked.handler:
        text = f"handler {asked.handler[:64]!r}: an archive has its own; leave it out"
        raise Refused(400, "BadRequestException", text)
    path = await archives.found(rules, asked.url, asked.content)
    try:
        name, version, workers = await _registered(catalogue, rules, path, asked)
    finally:
        archives.let_go(rules, path, catalogue.registry.index())
    more = "" if workers else ". Use scale workers API to add workers for the model."
    return f'Model "{name}" Version: {version} registered with {workers} initial workers{more}'


async def _registered(catalogue: Catalogue, rules: StoreRules, path: Path, asked: Registration) -> tuple[str, str, int]:
    try:
        own_name, version, own = await asyncio.to_thread(entries.described, path)
    except BadModel as exc:
        raise Refused(400, "InvalidModelException", str(exc)) from exc
    name = asked.name or own_name
    url = asked.url or f"{name}.mar"
    made = entries.settings_of(name, path, asked.settings.over(own), rules, url=url)
    before = _model(catalogue, name)
    if before is not None and version in dict(before.paths):
        text = f"Model version {version} is already registered for model {name}"
        raise Refused(409, "ConflictStatusException", text)
    try:
        if before is None:
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
            paths, others = (*before.paths, (version, str(path))), (*before.own, (version, made))
            await catalogue.registry.configure(name, paths=paths, own=others)
    except Conflict as exc:
        raise Refused(409, "ConflictStatusException", str(exc)) from exc
    except BadConfig as exc:
        raise Refused(400, "BadRequestException", str(exc)) from exc
    await _refuse_failed(catalogue, name, version, made)
    snapshots.keep(catalogue)
    return name, version, made.instances


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How a model is to be run from now on; None: as it was."""

    least: int | None = None
    """Workers."""
    most: int | None = None
    """None: `least`."""
    settings: ModelSettings = ModelSettings()
    """Batches and times, which TorchServe takes at registration only."""


async def change(catalogue: Catalogue, name: str, version: str, asked: Change, waits: bool) -> tuple[int, str]:
    """Have a number of workers, and other settings; what answers goes on until they are there.

    Returns:
        The status, and what was done, or is being done where the caller does not wait, in words.

    Raises:
        Refused: in TorchServe's words.
    """
    model, wanted = found(catalogue, name, version)
    own = dict(model.own)[wanted].handler
    assert own is not None
    least = own.settings["min_workers"] if asked.least is None else asked.least
    most = max(least, own.settings["max_workers"]) if asked.least is None else least
    most = most if asked.most is None else asked.most
    if most < least:
        raise Refused(400, "BadRequestException", "max_worker cannot be less than min_worker.")
    about = {**entries.changed(own.settings, asked.settings), "min_workers": least, "max_workers": most}
    work = _change(catalogue, model, wanted, entries.of_about(about, Path(dict(model.paths)[wanted])))
    if not waits:
        task = asyncio.ensure_future(_unheard(work))
        _background.add(task)
        task.add_done_callback(_background.discard)
        return 202, "Processing worker updates..."
    await work
    more = f", version: {version}" if version else ""
    return 200, f"Workers scaled to {least} for model: {name}{more}"


async def _change(catalogue: Catalogue, model: ServedModel, version: str, made: VersionSettings) -> None:
    await _configure(catalogue, model, version, made)
    await _refuse_failed(catalogue, model.name, version, made)
    snapshots.keep(catalogue)


async def _unheard(work: Awaitable[None]) -> None:
    """Nobody waits: what was wrong is in the log."""
    try:
        await work
    except ServingError as exc:
        logger.error("%s", exc)


async def unregister(catalogue: Catalogue, name: str, version: str) -> str:
    """Remove a version, and with the last one the model; returns what was done, in words.

    Raises:
        Refused: in TorchServe's words.
    """
    rules = refuse_without_api(catalogue)
    model, version = found(catalogue, name, version)
    if len(model.paths) == 1:
        await catalogue.registry.unregister(name)
    elif version == model.default_version:
        text = f"Cannot remove default version for model {name}"
        raise Refused(403, "InvalidModelVersionException", text)
    else:
        paths = tuple(pair for pair in model.paths if pair[0] != version)
        await catalogue.registry.configure(name, paths=paths, own=tuple(p for p in model.own if p[0] != version))
    archives.drop_unused(rules, catalogue.registry.index())
    snapshots.keep(catalogue)
    return f'Model "{name}" unregistered'


async def set_default(catalogue: Catalogue, name: str, version: str) -> str:
    """Say which version answers who asks for none; returns what was done, in words.

    Raises:
        Refused: in TorchServe's words.
    """
    model = known(catalogue, name)
    if version not in dict(model.paths):
        text = f"Model version {version} does not exist for model {name}"
        raise Refused(404, "ModelVersionNotFoundException", text)
    await catalogue.registry.set_default(name, version)
    snapshots.keep(catalogue)
    return f'Default version successfully updated for model "{name}" to "{version}"'


def refuse_without_api(catalogue: Catalogue) -> StoreRules:
    """Refuse registering and removing where that is not allowed; the server's rules.

    Raises:
        Refused: it is not.
    """
    rules = rules_of(catalogue)
    if not rules.has_model_api:
        raise Refused(405, "MethodNotAllowedException", "Model API disabled: start with --enable-model-api")
    return rules


def found(catalogue: Catalogue, name: str, version: str) -> tuple[ServedModel, str]:
    """The model, and which of its versions is meant.

    Raises:
        Refused: it is not there, or not in that version.
    """
    model = known(catalogue, name)
    version = version or model.default_version
    if version not in dict(model.paths):
        text = f"Model version: {version[:64]} does not exist for model: {name}"
        raise Refused(404, "ModelVersionNotFoundException", text)
    return model, version


def timeout_s(catalogue: Catalogue, name: str, version: str) -> float:
    """How long a model has for an answer; who calls one that nobody could answer is refused before he is read.

    Raises:
        Refused: the model has no worker, or is not there.
    """
    model, version = found(catalogue, name, version)
    if version in catalogue.versions(name):
        own = dict(model.own)[version].handler
        assert own is not None
        return float(own.settings["response_timeout"])
    known = [one for one in catalogue.registry.status(name).versions if one.version == version]
    why = "".join(f" ({one.state}{': ' if one.reason else ''}{one.reason})" for one in known[:1])
    raise Refused(503, "ServiceUnavailableException", _NO_WORKER.format(name=name) + why)


# -- details


def _model(catalogue: Catalogue, name: str) -> ServedModel | None:
    status = catalogue.statuses.get(name)
    return None if status is None or status.model is None or not status.model.own else status.model


def known(catalogue: Catalogue, name: str) -> ServedModel:
    if (model := _model(catalogue, name)) is None:
        raise Refused(404, "ModelNotFoundException", f"Model not found: {name[:128]}")
    return model


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
