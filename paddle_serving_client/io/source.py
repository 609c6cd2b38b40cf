"""A trained model as its framework left it: which files of a folder it is made of, its inputs, its outputs.

`read` finds the model file and hands it to the plug-in in `formats/` that knows its kind. What a plug-in must offer is
`Format`; adding a kind of model is adding a module there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Final, Protocol, cast

from paddle_serving_client import model_config, plugins
from paddle_serving_client.errors import BadModel
from paddle_serving_client.io import formats
from paddle_serving_client.io.foreign import HEAD_BYTES, describe_file, describe_folder, head_of
from paddle_serving_client.manifest import open_regular
from paddle_serving_client.model_config import Variable

FIELDS: Final = "fields.yml"
"""In a model's folder: the fields that callers name, and how they become the inputs. Goes along, as it is."""
_MAX_DIM = (1 << 31) - 1  # the prototxt holds int32
_MAX_NAME_BYTES = 1 << 10


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file for the server folder."""

    name: str
    """Relative to the folder, with `/`."""
    parts: tuple[Path, ...]
    """The files that make it, one after the other; usually it is a copy of one."""
    content: bytes | None = None
    """What it holds, where that was made of its part and is no copy."""


@dataclass(frozen=True, slots=True)
class Source:
    """A trained model that was read and checked."""

    kind: str
    """For people: "Paddle 3 program"."""
    feeds: tuple[Variable, ...]
    """In the model's order; aliases are the names."""
    fetches: tuple[Variable, ...]
    files: tuple[ModelFile, ...]
    """The program first."""
    has_ordered_fetches: bool = True
    """False for the kinds that Paddle Serving 0.9 converted: scripts give it aliases in the order of the outputs'
    names."""

    may_lack_types: bool = False
    """Whether a model of the kind may leave the types of inputs and outputs to those who run it."""
    notes: tuple[str, ...] = ()
    """What was changed, for people."""

    def __str__(self) -> str:
        parts = [part.name for file in self.files for part in file.parts]
        more = f" and {len(parts) - 4} more" if len(parts) > 4 else ""
        return f"{self.kind}: {', '.join(parts[:4])}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names of model files: those of the source, or those wanted in the server folder."""

    model: str | None = None
    params: str | None = None
    signature: str | None = None
    """Of a model that can be called in several ways, the one that is wanted; None: the usual one."""


class Format(Protocol):
    """What a module in `formats/` offers."""

    EXPECTED: str
    """The files of such a model, for messages: "inference.json with inference.pdiparams (Paddle 3)"."""

    def may_be_model(self, name: str) -> bool:
        """Whether a file of that name is usually the model file of this kind."""

    def claims(self, head: bytes) -> bool:
        """Whether a file that begins with these bytes (at most `foreign.HEAD_BYTES`) can be of this kind."""

    def read(self, folder: Path, model: str, params: str | None, wanted: Names) -> Source:
        """Read and check a model.

        Args:
            folder: the model's folder.
            model: name of the model file in it; its first bytes were claimed.
            params: name of the parameter file; None: find it.
            wanted: the names asked for in the server folder; a name that libraries would not take is mended.

        Raises:
            BadModel: something is missing, damaged or does not belong together.
        """


def read(folder: str | Path, names: Names | None = None, wanted: Names | None = None) -> Source:
    """Read a trained model.

    A folder that is served already may be read, too, as the encryption of Paddle Serving's example does: its variables
    keep the aliases that they have there.

    Args:
        folder: where its files are; or the model file itself.
        names: its files; what is None is found by its usual name.
        wanted: the names for the server folder; what is None is chosen.

    Raises:
        BadModel: there is no model, more than one, or a damaged one; the message says what was found and what was
            expected.
    """
    folder, names, wanted = Path(folder), names or Names(), wanted or Names()
    if folder.is_file() and names.model is None:
        folder, names = folder.parent, replace(names, model=folder.name)
    if not folder.is_dir():
        found = "a file; give the folder it is in" if folder.exists() else "there is no such file or folder"
        raise BadModel(f"{folder}: {found}")
    model = names.model or _find_model(folder)
    head = head_of(folder / model, folder)
    known = sorted(_formats().values(), key=lambda plugin: not plugin.may_be_model(Path(model).name))
    plugin = next((plugin for plugin in known if plugin.claims(head)), None)
    if plugin is None:
        raise BadModel(f"{folder / model}: {describe_file(folder / model)}; expected {_expected()}")
    source = plugin.read(folder, model, names.params, wanted)
    _check(folder / model, "input", source.feeds)
    _check(folder / model, "output", source.fetches)
    return _with_fields(_named_as_served(source, folder), folder, model)


def is_model(path: Path) -> bool:
    """Whether a file has a name, and begins, as a model of some kind does."""
    return kind_of(path) is not None


def kind_of(path: Path) -> str | None:
    """The plug-in of `formats/` as whose model a file is named, and begins; None for every other file."""
    return _kind_of(path, _formats())


def models_in(folder: Path) -> dict[str, str]:
    """The model files of a folder by name, sorted, each with the plug-in of `formats/` that takes it."""
    known = _formats()
    kinds = {path.name: _kind_of(path, known) for path in sorted(folder.iterdir()) if not path.name.startswith(".")}
    return {name: kind for name, kind in kinds.items() if kind is not None}


def _kind_of(path: Path, known: Mapping[str, Format]) -> str | None:
    named = [name for name, plugin in known.items() if plugin.may_be_model(path.name)]
    if not named or not path.is_file():
        return None
    with open_regular(path) as stream:
        head = stream.read(HEAD_BYTES)
    return next((name for name in named if known[name].claims(head)), None)


def _named_as_served(source: Source, folder: Path) -> Source:
    """With the aliases of the config in the model's folder, where there is one."""
    if not (folder / model_config.SERVER_CONFIG).is_file():
        return source
    served = model_config.read(folder)

    def named(variables: tuple[Variable, ...], known: tuple[Variable, ...]) -> tuple[Variable, ...]:
        aliases = {variable.name: variable.alias for variable in known}
        return tuple(replace(variable, alias=aliases.get(variable.name, variable.alias)) for variable in variables)

    return replace(source, feeds=named(source.feeds, served.feeds), fetches=named(source.fetches, served.fetches))


def _with_fields(source: Source, folder: Path, model: str) -> Source:
    """With the description of its fields: that of the model, `NAME.fields.yml`, or that of the folder."""
    stem = model.removesuffix(PurePath(model).suffix)
    for name in (f"{stem}.{FIELDS}", FIELDS):
        if (folder / name).is_file():
            return replace(source, files=(*source.files, ModelFile(FIELDS, (folder / name,))))
    return source


def variable(name: str, elem_type: int, dims: Iterable[int], lod_level: int = 0) -> Variable:
    """An input or output as the prototxt describes it: dimensions that are not fixed are dropped, LoD is one -1."""
    shape = (-1,) if lod_level >= 1 else tuple(dim for dim in dims if dim >= 0)
    return Variable(name, name, elem_type, shape, is_lod=lod_level >= 1)


def _formats() -> Mapping[str, Format]:
    return {name: cast(Format, plugins.load(formats, name)) for name in plugins.names(formats)}


def _expected() -> str:
    return ", or ".join(plugin.EXPECTED for plugin in _formats().values())


def _find_model(folder: Path) -> str:
    found = models_in(folder)
    if len(found) == 1:
        return next(iter(found))
    if found:
        names = ", ".join(found)
        raise BadModel(
            f"{folder} holds {len(found)} models ({names}): say which with --model_filename, or give the file itself"
        )
    known = _formats().values()
    named = [path for path in sorted(folder.iterdir()) if any(plugin.may_be_model(path.name) for plugin in known)]
    if len(named) == 1 and named[0].is_file():
        raise BadModel(f"{named[0]}: {describe_file(named[0])}; expected {_expected()}")
    raise BadModel(f"{folder} holds no model: {describe_folder(folder)}; expected {_expected()}")


def _check(path: Path, kind: str, variables: tuple[Variable, ...]) -> None:
    if not variables:
        raise BadModel(f"{path}: the program has no {kind}: it was not saved for inference (save_inference_model)")
    seen = set()
    for var in variables:
        try:
            length = len(var.name.encode())
        except UnicodeEncodeError as exc:
            raise BadModel(f"{path}: an {kind} has a name that is not text: {var.name[:64]!r}") from exc
        if not 0 < length <= _MAX_NAME_BYTES:
            raise BadModel(f"{path}: an {kind} has a name of {length} bytes; expected 1 to {_MAX_NAME_BYTES}")
        if any(dim > _MAX_DIM for dim in var.shape):
            raise BadModel(f"{path}: {kind} {var.name!r} has shape {list(var.shape)}; a dimension is below 2**31")
        if var.name in seen:
            raise BadModel(f"{path}: {kind} {var.name!r} is there more than once")
        seen.add(var.name)
