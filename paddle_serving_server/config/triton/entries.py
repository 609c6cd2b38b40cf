"""From the folders of model repositories to entries of the registry."""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from paddle_serving_app import backends
from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.handler import HandlerSpec
from paddle_serving_app.triton import ensemble, platforms, repository, serving
from paddle_serving_app.triton.config import TritonModelConfig
from paddle_serving_app.triton.repository import RepositoryModel
from paddle_serving_client import plugins
from paddle_serving_client.errors import BadModel, ServingError
from paddle_serving_server.config import things
from paddle_serving_server.config.triton.model import TritonModel, text_of
from paddle_serving_server.config.triton.rules import RepositoryRules
from paddle_serving_server.config.values import ServedModel, VersionSettings

HANDLER: Final = "triton_python"
"""The kind of handler that runs a model.py."""
_IR: Final = ".xml"
_MAX_FILES: Final = 4000
"""Of a model, whose times are looked at."""
_MAX_VERSIONS_BYTES: Final = 96 << 10
"""Of the configs of all versions of a model, which travel between processes together."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """A folder, as it was looked at."""

    stamp: str
    model: RepositoryModel | None
    """None: it cannot be loaded."""
    fault: str = ""


@dataclass(slots=True)
class Repositories:
    """The models of some repositories. Folders that have not changed are not opened again."""

    rules: RepositoryRules
    on_note: Callable[[str, str], None] = lambda name, note: None
    """Is told what people should know of a model, when that is opened."""
    _known: dict[Path, _Opened] = field(default_factory=dict)
    _said: set[str] = field(default_factory=set)

    def names(self) -> list[str]:
        """The names of all models that are there, loaded or not.

        Raises:
            BadModel: a repository cannot be read.
        """
        listing = repository.listed(self.rules.roots)
        return sorted({*listing.models, *listing.refused})

    def models(self, wanted: Collection[str] | None = None) -> tuple[ServedModel, ...]:
        """Models as entries; what cannot be loaded is an entry with its fault.

        Args:
            wanted: names; None: all. Those that the ensembles among them ask come with them.

        Returns:
            They, each behind those that it asks.

        Raises:
            BadModel: a repository cannot be read. BadConfig: a `--map` is none.
        """
        listing = repository.listed(self.rules.roots)
        for note in set(listing.notes) - self._said if wanted is None else ():
            self._said.add(note)
            self.on_note("", note)
        names = sorted({*listing.models, *listing.refused}) if wanted is None else list(wanted)
        found: dict[str, ServedModel] = {}
        opened: dict[str, _Opened] = {}

        def visit(name: str, path: tuple[str, ...]) -> None:
            if name in found or name in path:
                return
            folder = listing.models.get(name)
            if folder is None:
                if name in listing.refused or not path:
                    found[name] = _faulty(name, "", listing.refused.get(name, _UNKNOWN))
                return  # the ensemble says what is missing
            opened[name] = self._opened(folder)
            model = opened[name].model
            for step in model.config.steps if model is not None else ():
                visit(step.model_name, (*path, name))
            found[name] = self._entry(name, folder, opened)

        for name in names:
            visit(name, ())
        return tuple(found.values())

    def loaded_with(self, name: str, folder: Path, override: str) -> tuple[ServedModel, ...]:
        """A model with a config, and perhaps files, that came with a request to load it.

        Args:
            name: as callers have it.
            folder: of its files.
            override: the config as JSON.

        Returns:
            It, behind those that it asks.

        Raises:
            ServingError: it cannot be loaded.
        """
        model = repository.opened(folder, self.rules.opening, _with_name(override, name))
        if model.name != name:
            raise BadModel(f"the config calls the model {model.name!r}, the request {name!r}")
        for note in model.notes:
            self.on_note(name, note)
        steps = [step.model_name for step in model.config.steps]
        asked = [found for found in self.models(steps) if found.name != name] if steps else []
        if steps:
            folders = repository.listed(self.rules.roots).models
            known = {found.name: self._opened(folders[found.name]) for found in asked if found.name in folders}
            _check_steps(model.config, {**known, name: _Opened("", model)})
        return (*asked, _served(model, stamp_of(folder), self.rules))

    def folder_of(self, name: str) -> Path | None:
        """The folder of a model; None: there is none of that name, or it cannot be told which."""
        return repository.listed(self.rules.roots).models.get(name)

    def _opened(self, folder: Path) -> _Opened:
        stamp = stamp_of(folder)
        known = self._known.get(folder)
        if known is None or known.stamp != stamp:
            known = self._known[folder] = self._open(folder, stamp)
        return known

    def _open(self, folder: Path, stamp: str) -> _Opened:
        try:
            model = repository.opened(folder, self.rules.opening)
        except (ServingError, OSError) as exc:
            return _Opened(stamp, None, str(exc))
        for note in model.notes:
            self.on_note(model.name, note)
        return _Opened(stamp, model)

    def _entry(self, name: str, folder: Path, opened: Mapping[str, _Opened]) -> ServedModel:
        known = opened[name]
        if known.model is None:
            return _faulty(name, str(folder), known.fault, known.stamp)
        try:
            if known.model.config.is_ensemble:
                _check_steps(known.model.config, opened)
            return _served(known.model, known.stamp, self.rules)
        except ServingError as exc:
            return _faulty(name, str(folder), str(exc), known.stamp)


_UNKNOWN: Final = "failed to poll from model repository: there is no model of that name"


def _with_name(override: str, name: str) -> str:
    """A config as JSON that says its name; what is no JSON stays as it is, and is refused by who reads it."""
    try:
        fields = json.loads(override)
    except (ValueError, RecursionError):
        return override
    return json.dumps({"name": name, **fields}) if isinstance(fields, dict) else override


def stamp_of(folder: Path) -> str:
    """Another one whenever a file of a model has come, gone, or was written to."""
    found: list[tuple[str, int, int]] = []
    for at, inside, names in os.walk(folder):
        inside[:] = sorted(name for name in inside if name != "__pycache__" and not name.startswith("."))
        for name in sorted(names):
            path = os.path.join(at, name)
            try:
                stat = os.stat(path)
            except OSError:  # gone, or a link to nowhere
                continue
            found.append((os.path.relpath(path, folder), stat.st_size, stat.st_mtime_ns))
        if len(found) >= _MAX_FILES:
            break
    return hashlib.sha256(repr(found).encode()).hexdigest()[:16]


def _check_steps(config: TritonModelConfig, opened: Mapping[str, _Opened]) -> None:
    """Whether the models of an ensemble are there and fit; of those that say more when they are loaded, less is known.

    Raises:
        ServingError: they are not, or the ensemble asks itself.
    """
    models = {name: known.model for name, known in opened.items() if known.model is not None}
    for step in ensemble.ordered(config):
        if _asks(step.model_name, config.name, models, set()):
            raise BadModel(f"ensemble '{config.name}' asks itself, by way of '{step.model_name}'")
        if (known := opened.get(step.model_name)) is not None and known.model is None:
            raise BadModel(
                f"ensemble '{config.name}' depends on '{step.model_name}' which has no loaded version. Model "
                f"'{step.model_name}' loading failed with error: {known.fault}"
            )
    if all(step.model_name not in models or models[step.model_name].is_whole for step in config.steps):
        ensemble.check_models(config, {name: model.config for name, model in models.items()})


def _asks(name: str, whom: str, models: Mapping[str, RepositoryModel], seen: set[str]) -> bool:
    """Whether a model asks another one, or is it, at any remove."""
    if name == whom:
        return True
    if name in seen or name not in models:
        return False
    seen.add(name)
    return any(_asks(step.model_name, whom, models, seen) for step in models[name].config.steps)


def _faulty(name: str, folder: str, fault: str, stamp: str = "") -> ServedModel:
    return ServedModel(name=name, folder=folder, stamp=stamp, triton=TritonModel(folder=folder, fault=fault))


def _served(model: RepositoryModel, stamp: str, rules: RepositoryRules) -> ServedModel:
    """The entry of a model.

    Raises:
        BadModel: it cannot be served.
    """
    config = model.config
    if not things.NAME.fullmatch(config.name):
        raise BadModel(f"model name {config.name[:128]!r}: {things.NAME_RULE}")
    text = text_of(config)
    copies = len(model.versions) + 1  # in what is told of a model and of each version; a handler is told of it, too
    copies += 2 * len(model.versions) + 1 if config.backend == platforms.PYTHON else 0
    if len(text) * copies > _MAX_VERSIONS_BYTES:
        raise BadModel(f"model {config.name!r}: its config is too long for {len(model.versions)} versions")
    made = ServedModel(
        name=config.name,
        folder=str(model.folder.absolute()),
        paths=tuple(
            (str(version), str(model.files.get(version, model.folder).absolute())) for version in model.versions
        ),
        triton=TritonModel(folder=str(model.folder.absolute()), config=text),
        stamp=stamp,
        one_by_one=not config.max_batch_size,
        max_waiting=_max_waiting(config, model.instances),
    )
    if config.is_ensemble:
        return made
    if config.backend == platforms.PYTHON:
        return _of_python(made, model, rules)
    return _of_library(made, model, rules)


def _max_waiting(config: TritonModelConfig, instances: int) -> int:
    """The bound of its queue, behind what may be computed at once; 0: none of its own."""
    batching = config.dynamic_batching
    bound = 0 if batching is None else batching.default_queue_policy.max_queue_size
    return bound and bound + max(1, instances) * max(1, config.max_batch_size)


def _of_python(made: ServedModel, model: RepositoryModel, rules: RepositoryRules) -> ServedModel:
    """User code: each version has a handler of its own, which gets several requests at once where batching is on."""
    batching = model.config.dynamic_batching
    assert made.triton is not None
    about = {"config": made.triton.config, "complete": rules.completes}
    own = {
        str(version): VersionSettings(
            max_rows=max(1, model.config.max_batch_size) if batching is not None else 1,
            max_wait_ms=batching.max_queue_delay_us / 1000 if batching is not None else 0.0,
            instances=max(1, model.instances),
            handler=HandlerSpec(
                kind=HANDLER, path=str(model.files[version].absolute()), settings={**about, "version": version}
            ),
        )
        for version in model.versions
    }
    return replace(made, own=tuple(own.items()), handler=own[str(model.versions[-1])].handler)


def _of_library(made: ServedModel, model: RepositoryModel, rules: RepositoryRules) -> ServedModel:
    """A file that a library runs: which one is measured, unless the one is to be taken that the config names."""
    served = serving.version_of(model, model.versions[-1])
    if served.library not in plugins.names(backends):
        raise BadModel(
            f"{served.path}: backend {model.config.backend!r} needs the library {served.library!r}, which is not among "
            f"those of this server ({', '.join(plugins.names(backends))}); export the model to ONNX"
        )
    if served.path.suffix == _IR:
        raise BadModel(f"{served.path}: the IR of OpenVINO is not read here; give the ONNX model that it was made of")
    gpus = [group.gpus for group in model.config.instance_groups if group.kind == "KIND_GPU"]
    options = ModelOptions(
        backend=served.library if rules.backend_policy == "exact" else "", gpu_id=gpus[0][0] if gpus else None
    )
    return replace(
        made,
        options=options,
        max_rows=served.max_rows,
        max_wait_ms=served.max_wait_ms,
        instances=served.instances,
    )
