"""The repository of KServe v2, whatever carried the question: which models there are, loading them, unloading them.

Where the server has model repositories, what is loaded comes out of them; else it is what is registered. Both are done
by the verbs of the registry, so an answer comes when a model has come to rest.
"""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary

from paddle_serving_client.errors import BackendFailed, BadInput, Busy, NoService, ServingError
from paddle_serving_client.wire.kserve_about import LOADING, READY, UNAVAILABLE, UNLOADING, Indexed
from paddle_serving_server.config.triton import served
from paddle_serving_server.config.triton.entries import Repositories
from paddle_serving_server.config.values import ServedModel, ServerConfig
from paddle_serving_server.dataplane import kserve_uploads
from paddle_serving_server.dataplane.kserve_uploads import UNEXPECTED, LoadAsked, Parameters
from paddle_serving_server.process.states import State
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.model_status import ModelStatus
from paddle_serving_server.services.registry import Outcome

_DEPENDENTS: Final = "unload_dependents"
_STATES: Final = {
    State.LOADING: LOADING,
    State.READY: READY,
    State.UNLOADING: UNLOADING,
    State.REFUSED: UNAVAILABLE,
    State.UNLOADED: UNAVAILABLE,
}
_known: WeakKeyDictionary[Catalogue, Repositories] = WeakKeyDictionary()


def is_open(config: ServerConfig) -> bool:
    """Whether everybody may ask for changes of the repository who may ask for inference, as in Triton."""
    return config.triton is not None and config.triton.is_open


async def index(catalogue: Catalogue, only_ready: bool = False) -> list[Indexed]:
    """Every version of every model by name, loaded or not; models that were never loaded have none.

    Raises:
        BadModel: a repository cannot be read.
    """
    found = [entry for status in catalogue.registry.index() for entry in _entries(catalogue, status)]
    if (repositories := _repositories(catalogue)) is not None and not only_ready:
        names = await asyncio.to_thread(repositories.names)
        found += [Indexed(name, "", "") for name in names if not catalogue.has(name)]
    return sorted((e for e in found if not only_ready or e.state == READY), key=_place)


async def load(catalogue: Catalogue, name: str, asked: LoadAsked) -> None:
    """Load a model, and those that an ensemble asks; what answers already goes on until another one does.

    Raises:
        Busy: models are not loaded by callers here. BackendFailed: it cannot be loaded.
    """
    _refuse_other_modes(catalogue)
    repositories = _repositories(catalogue)
    if repositories is None:
        if asked != LoadAsked():
            raise BadInput("there is no model repository here: no config and no files are taken")
        _refuse_failed(name, await _registered(catalogue, name))
        return
    before = _upload_of(catalogue, name)
    for model in await asyncio.to_thread(_read, repositories, name, asked):
        if model.name == name or not _is_ready(catalogue, model):
            _refuse_failed(model.name, await catalogue.registry.register(model, replaces=True))
    if before is not None and before != _upload_of(catalogue, name):
        await asyncio.to_thread(shutil.rmtree, before, ignore_errors=True)


async def unload(catalogue: Catalogue, name: str, parameters: Parameters) -> None:
    """Unload a model; one that is not there is unloaded already.

    Args:
        catalogue: of the server.
        name: of the model.
        parameters: of the request; `unload_dependents`: those, too, that an ensemble asks, and no other one does.

    Raises:
        Busy: models are not unloaded by callers here. BackendFailed: there is no such parameter.
    """
    if any(key != _DEPENDENTS or not isinstance(value, bool) for key, value in parameters.items()):
        raise BackendFailed(UNEXPECTED)
    _refuse_other_modes(catalogue)
    if name not in catalogue.registry:
        return
    asked = _steps(catalogue.registry.status(name))
    before = _upload_of(catalogue, name)
    await catalogue.registry.unload(name)
    if before is not None:
        await asyncio.to_thread(shutil.rmtree, before, ignore_errors=True)
    if parameters.get(_DEPENDENTS):
        still = {step for status in catalogue.registry.index() if status.versions for step in _steps(status)}
        for step in asked - still:
            await unload(catalogue, step, parameters)


# -- details


def _entries(catalogue: Catalogue, status: ModelStatus) -> Iterator[Indexed]:
    """What the index says of one entry."""
    name = status.name
    if name in catalogue and not catalogue[name].signature.inputs and catalogue[name].triton is None:
        return  # it takes no tensors
    if status.model is None:
        if name in catalogue:
            yield Indexed(name, catalogue[name].version, READY if catalogue.is_ready else LOADING)
        return
    answering = {version.version for version in status.versions if version.state is State.READY}
    for version in status.versions:
        state = _STATES[version.state]
        if state != READY and version.version in answering:
            continue  # another try at what answers
        yield Indexed(name, version.version, state, version.reason if state == UNAVAILABLE else "")
    if not status.versions:
        yield Indexed(name, max(dict(status.model.paths), key=_number, default="1"), UNAVAILABLE, "unloaded")


def _place(entry: Indexed) -> tuple[str, int]:
    return entry.name, _number(entry.version)


def _number(version: str) -> int:
    return int(version) if version.isdecimal() else 0


def _refuse_other_modes(catalogue: Catalogue) -> None:
    rules = catalogue.config.triton
    if rules is not None and rules.control_mode != "explicit":
        raise Busy("explicit model load / unload is not allowed if polling is enabled")


def _repositories(catalogue: Catalogue) -> Repositories | None:
    rules = catalogue.config.triton
    if rules is None:
        return None
    if catalogue not in _known:
        _known[catalogue] = Repositories(rules, served.say)
    return _known[catalogue]


def _read(repositories: Repositories, name: str, asked: LoadAsked) -> tuple[ServedModel, ...]:
    """What is to be registered: the model, behind those that it asks.

    Raises:
        BackendFailed: it cannot be loaded.
    """
    failed = f"failed to load '{name[:128]}', failed to poll from model repository"
    made: Path | None = None
    try:
        if asked.files is not None and not asked.config:
            raise BadInput("files come with a config only")
        if not asked.config:
            models = repositories.models([name])
        else:
            folder = repositories.folder_of(name)
            if asked.files is not None:
                made = folder = kserve_uploads.written(repositories.rules, name, asked.files)
            if folder is None:
                raise BackendFailed(failed)
            models = repositories.loaded_with(name, folder, asked.config)
    except (ServingError, OSError) as exc:
        if made is not None:
            shutil.rmtree(made.parent, ignore_errors=True)
        raise BackendFailed(failed if str(exc) == failed else f"{failed}: {exc}") from exc
    last = models[-1].triton
    if last is not None and last.fault:
        raise BackendFailed(f"{failed}: {last.fault}" if last.folder else failed)
    return models


def _upload_of(catalogue: Catalogue, name: str) -> Path | None:
    """The folder that the files of a model were written to, if they came with a request."""
    rules = catalogue.config.triton
    status = catalogue.statuses.get(name)
    if rules is None or not rules.uploads or status is None or status.model is None or status.model.triton is None:
        return None
    folder = Path(status.model.triton.folder)
    return folder.parent if folder.parent.parent == Path(rules.uploads) else None


def _is_ready(catalogue: Catalogue, model: ServedModel) -> bool:
    """Whether a model answers as it is in the repository now."""
    status = catalogue.statuses.get(model.name)
    return status is not None and status.model == model and status.state is State.READY


async def _registered(catalogue: Catalogue, name: str) -> Outcome:
    try:
        return await catalogue.registry.load(name)
    except NoService as exc:
        raise BackendFailed(f"failed to load '{name[:128]}', failed to poll from model repository") from exc


def _refuse_failed(name: str, outcome: Outcome) -> None:
    if not outcome.refusal:
        return
    found = [v.version for v in outcome.status.versions if v.state is State.REFUSED] or ["1"]
    raise BackendFailed(
        f"load failed for model '{name}': version {found[0]} is at UNAVAILABLE state: {outcome.refusal}"
    )


def _steps(status: ModelStatus) -> set[str]:
    """The models that an ensemble asks."""
    about = None if status.model is None else status.model.triton
    return {step.model_name for step in about.parsed.steps} if about is not None and about.config else set()
