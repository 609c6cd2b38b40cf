"""A model repository: which models are in it, and each of them opened, completed and checked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from paddle_serving_app.triton import checks, completion, folder, ignored, model_tensors, platforms, reading
from paddle_serving_app.triton.config import TritonModelConfig
from paddle_serving_app.triton.container_paths import ContainerPaths
from paddle_serving_client.errors import BadConfig, BadModel, ServingError
from paddle_serving_client.wire import triton_config
from paddle_serving_client.wire.proto import triton_model_config_pb2 as pb


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How models of a repository are opened."""

    complete: bool = True
    """Whether what a config leaves out is filled in; else it has to say everything (`--strict-model-config`)."""
    default_max_batch_size: int = completion.DEFAULT_MAX_BATCH_SIZE
    gpus: tuple[int, ...] = ()
    """Numbers of those that models may run on."""
    paths: ContainerPaths = ContainerPaths()
    config_name: str = ""
    """Of configs that count before config.pbtxt (`--model-config-name`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryModel:
    """One model of a repository, opened."""

    folder: Path
    config: TritonModelConfig
    is_whole: bool
    """Whether the config says everything; a model.py, or a library that loads the model, may have to add to it."""
    versions: tuple[int, ...]
    """Those that are to be served, rising; an ensemble without a numbered folder has version 1."""
    instances: int
    """Engines that its config asks for, those of all groups; 0: it does not say."""
    files: Mapping[int, Path]
    """The model file of each version; none for an ensemble."""
    notes: tuple[str, ...]
    """What people should know when it is loaded: what was completed, what is without effect."""

    @property
    def name(self) -> str:
        """What callers call it."""
        return self.config.name


@dataclass(frozen=True, slots=True)
class Listing:
    """What is in some repositories, not opened yet."""

    models: Mapping[str, Path] = field(default_factory=dict)
    """Folders by the names of their models, sorted."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Names that cannot be served, with the reason: two folders claim one, or its config cannot be read."""
    notes: tuple[str, ...] = ()


def listed(roots: Iterable[Path]) -> Listing:
    """The models of some repositories.

    A repository that has a config.pbtxt itself is one model. What holds neither a config nor a numbered folder with a
    file in it is none, and is said in the notes.

    Raises:
        BadModel: a repository is no folder, or cannot be read.
    """
    found: dict[str, list[Path]] = {}
    refused: dict[str, str] = {}
    notes: list[str] = []
    for root in roots:
        for path in _folders(root, notes):
            try:
                name = name_of(path)
            except ServingError as exc:
                refused[path.resolve().name] = str(exc)
            else:
                found.setdefault(name, []).append(path)
    for name, paths in found.items():
        if len(paths) > 1:
            places = " and ".join(str(path) for path in paths)
            refused[name] = f"model '{name}' is not unique across all model repositories: {places}"
    models = {name: found[name][0] for name in sorted(found) if name not in refused}
    return Listing(models, dict(sorted(refused.items())), tuple(notes))


def name_of(path: Path) -> str:
    """The name of the model in a folder: that of its config, else that of the folder.

    Raises:
        BadConfig, BadModel: its config cannot be read.
    """
    config = folder.config_of(path)
    return (config.name if config is not None else "") or path.resolve().name


def opened(path: Path, rules: Rules | None = None, override: str | None = None) -> RepositoryModel:
    """Open a model.

    Args:
        path: its folder.
        rules: how it is opened.
        override: a config as JSON that counts instead of the one in the folder, as requests to load a model may bring.

    Raises:
        BadConfig: its config cannot be read, or does not make sense.
        BadModel: a file is missing, or config and model do not belong together.
        OSError: a folder cannot be read.
    """
    rules = rules or Rules()
    message = _config(path, rules, override)
    name = path.resolve().name
    there = folder.versions(path)
    notes = list(there.notes)
    if message.name and message.name != name:
        notes.append(f"its config calls it {message.name!r}, and so do callers; its folder is {name!r}")
    chosen = _chosen(message, name, there.numbers, notes)
    notes += completion.fill_from_folder(message, name, folder.names_in(path / str(chosen[-1])))
    files: dict[int, Path] = {}
    if message.platform != platforms.ENSEMBLE:
        files = _files(path, message, there.numbers, chosen)
        notes += _pointers(path, chosen)
    tensors = [found for found in map(model_tensors.read, files.values()) if found is not None]
    if tensors and completion.needs_tensors(message):
        if not rules.complete:
            raise BadConfig(f"{path}: must specify inputs and outputs: what is left out is not filled in")
        notes += completion.fill_from_model(message, tensors[-1], rules.default_max_batch_size)
    instances = sum(group.count for group in message.instance_group)
    notes += completion.fill_defaults(message, rules.gpus)
    notes += _mapped(message, rules.paths)
    config = reading.of_message(message)
    is_whole = bool(config.inputs and config.outputs)
    checks.check(config, is_whole=is_whole or config.is_ensemble)
    for found in tensors:
        checks.check_against_model(config, found)
    notes += ignored.notes_of(config)
    return RepositoryModel(
        folder=path,
        config=config,
        is_whole=is_whole,
        versions=chosen,
        instances=max(0, instances),
        files=files,
        notes=tuple(notes),
    )


def _chosen(message: pb.ModelConfig, name: str, there: Sequence[int], notes: list[str]) -> tuple[int, ...]:
    """The versions to be served; an ensemble has no files, and so its first version is there without a folder."""
    numbers = there or (1,)
    policy = reading.version_policy(message)
    notes += [f"version {version} is specified, but there is no such folder" for version in policy.missing(numbers)]
    chosen = policy.chosen(numbers)
    if not chosen:
        raise BadModel(f"at least one version must be available under the version policy of model '{name}'")
    return chosen


def _files(path: Path, message: pb.ModelConfig, there: Sequence[int], chosen: Sequence[int]) -> dict[int, Path]:
    """The model file of each version."""
    platforms.kind_of(message.backend, message.platform, message.default_model_filename)
    if not there:
        missing = path / "1" / message.default_model_filename
        raise BadModel(
            f"{path}: there is no version folder, and so no {missing}: Git keeps no empty folder, and large files are "
            "often left out of it; put the model there"
        )
    return {version: folder.model_file(path, version, message.default_model_filename) for version in chosen}


def _folders(root: Path, notes: list[str]) -> list[Path]:
    try:
        if not root.is_dir():
            raise BadModel(f"failed to stat file {root}: there is no such folder; give a model repository")
        if (root / folder.CONFIG).is_file():
            notes.append(f"{root} has a {folder.CONFIG} itself: it is taken as one model, not as a folder of models")
            return [root]
        inside = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as exc:
        raise BadModel(f"{root}: {exc.strerror or exc}") from exc
    models = [path for path in inside if folder.is_model(path)]
    notes += [
        f"{path} is no model: it has neither {folder.CONFIG} nor a numbered folder with a file in it"
        for path in inside
        if path not in models and path.name != "__pycache__"
    ]
    return models


def _config(path: Path, rules: Rules, override: str | None) -> pb.ModelConfig:
    if override is not None:
        return triton_config.parse_json(override, f"the config that came with the request to load {path.name}")
    config = folder.config_of(path, rules.config_name)
    if config is None and not rules.complete:
        raise BadConfig(f"{path / folder.CONFIG} is missing: what is left out is not filled in")
    return pb.ModelConfig() if config is None else config


def _pointers(path: Path, versions: Sequence[int]) -> list[str]:
    """Notes on files beside the models that are not what they should be; who reads them gets a strange error else."""
    found = [file for version in versions for file in folder.lfs_pointers(path / str(version))]
    return [f"{file} is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`" for file in found]


def _mapped(message: pb.ModelConfig, paths: ContainerPaths) -> list[str]:
    """Put paths of this machine into parameters that name paths of a container."""
    notes = []
    for key in sorted(message.parameters):
        value = message.parameters[key].string_value
        here = paths.found(value)
        if here is not None:
            message.parameters[key].string_value = here
            notes.append(f"parameter {key}: {value} is {here} on this machine")
    return notes
