"""What a path holds: a model, whatever its layout on disk; found out, opened and verified here and nowhere else.

Each module of `layouts/` knows one kind of thing. Where several claim a path, the one counts that yields to no other of
them (`Layout.YIELDS_TO`); where that leaves more than one, the path is refused, and nobody guesses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from paddle_serving_app import layouts, model_files
from paddle_serving_app.signature import Signature
from paddle_serving_client import manifest, model_config, plugins
from paddle_serving_client.errors import BadModel
from paddle_serving_client.io import foreign
from paddle_serving_client.manifest import Verdict
from paddle_serving_client.model_config import ModelSpec

_MAX_LOOKS = 200
"""At what is in a folder, for a hint."""
_MAX_HINTS = 4


class Layout(Protocol):
    """What a module of `layouts/` offers; `refuse_misfit`, too, where it says more of a model than its files."""

    LOOKS_FOR: str
    """What it takes, for messages: "an ONNX model: a file NAME.onnx, ..."."""
    YIELDS_TO: Sequence[str]
    """The layouts that count before it where both claim a path: those that say more about what is there."""

    def claims(self, path: Path) -> bool:
        """Whether a path that exists is of this kind; looks at names and first bytes only.

        Raises:
            BadModel: a file cannot be read.
            OSError: a folder cannot be listed.
        """

    def served(self, path: Path) -> Path:
        """The Serving folder that stands for a path: itself, or what it is converted to, made if it is not there.

        Raises:
            BadModel: the model is damaged, or cannot be served.
        """

    def name_of(self, path: Path) -> str:
        """What people call the model: a name for its service, which may have characters that no service has."""


@dataclass(frozen=True, slots=True)
class ModelPackage:
    """A model on disk, opened: its files are those of its manifest, and its config can be read."""

    path: Path
    """What was given."""
    layout: str
    """The module of `layouts/` that knows it."""
    folder: Path
    """The Serving folder that holds the files."""
    spec: ModelSpec
    """The inputs and outputs, as its config says."""
    verdict: Verdict
    """Which files were compared with the manifest."""


def of(path: str | Path) -> str:
    """The layout of what is at a path, by the name of its module; looks at names and first bytes only.

    Raises:
        BadModel: there is nothing, or what no layout knows, or what several claim; the message says what was found and
            what each layout looks for.
    """
    path = Path(path)
    try:
        if not path.exists():
            raise BadModel(f"{path}: there is no such file or folder")
        first = _first(path)
        if len(first) == 1:
            return first[0]
        raise BadModel(_claimed_by_several(path, first) if first else _claimed_by_none(path))
    except OSError as exc:
        raise BadModel(f"{path}: {exc.strerror or exc}") from exc


def is_model(path: str | Path) -> bool:
    """Whether there is one layout that knows what is at a path."""
    try:
        return Path(path).exists() and len(_first(Path(path))) == 1
    except (BadModel, OSError):
        return False


def served(path: str | Path) -> Path:
    """The Serving folder that stands for a path, not verified yet; see `Layout.served`.

    Raises:
        BadModel: as `of`, or the model is damaged.
    """
    return _layout(of(path)).served(Path(path))


def name_of(path: str | Path) -> str:
    """What people call the model at a path: by its layout, or, where none knows it, as the path is called."""
    path = Path(path)
    return _layout(of(path)).name_of(path) if is_model(path) else path.resolve().name


def opened(path: str | Path) -> ModelPackage:
    """Open a model: its files are compared with their digests, and its config is read.

    Raises:
        BadModel: as `of`; or a file is damaged, missing, or leads out of the folder.
        BadConfig: the config cannot be read.
    """
    path = Path(path)
    layout = of(path)
    folder = _layout(layout).served(path)
    verdict = manifest.verify(folder)
    model_files.refuse_links_out(folder)
    try:
        spec = model_config.read(folder)
    except FileNotFoundError as exc:
        raise BadModel(f"{path} has no {model_config.SERVER_CONFIG}; it is no whole Serving folder") from exc
    return ModelPackage(path, layout, folder, spec, verdict)


def refuse_misfit(path: str | Path, signature: Signature) -> None:
    """Refuse a model, once it is loaded, that its layout says more of than it takes and gives; see `Layout`.

    Raises:
        BadConfig, BadModel: what is said does not fit the model, or is not known here.
    """
    check = getattr(_layout(of(path)), "refuse_misfit", None)
    if check is not None:
        check(Path(path), signature)


def expected() -> str:
    """What all layouts look for, for messages."""
    return "; ".join(layout.LOOKS_FOR for layout in _layouts().values())


def _layouts() -> Mapping[str, Layout]:
    return {name: _layout(name) for name in plugins.names(layouts)}


def _layout(name: str) -> Layout:
    return cast(Layout, plugins.load(layouts, name))


def _first(path: Path) -> list[str]:
    """The layouts that claim a path and come before all others that do; one that is beaten already is not asked."""
    claiming: dict[str, Layout] = {}
    for name, layout in sorted(_layouts().items(), key=lambda item: len(item[1].YIELDS_TO)):
        if claiming.keys().isdisjoint(layout.YIELDS_TO) and layout.claims(path):
            claiming[name] = layout
    return [name for name, layout in claiming.items() if claiming.keys().isdisjoint(layout.YIELDS_TO)]


def _claimed_by_several(path: Path, names: Sequence[str]) -> str:
    return f"{path} is claimed by {' and '.join(names)}: {foreign.describe_folder(path)}; give the file itself"


def _claimed_by_none(path: Path) -> str:
    found = f"{foreign.describe_folder(path)}{_models_in(path)}" if path.is_dir() else foreign.describe_file(path)
    return f"{path}: {found}; expected {expected()}"


def _models_in(folder: Path) -> str:
    """A hint at the models in a folder, where there are several, or people gave the folder above."""
    names = [path.name for path in sorted(folder.iterdir())[:_MAX_LOOKS] if is_model(path)]
    if not names:
        return ""
    more = f" and {len(names) - _MAX_HINTS} more" if len(names) > _MAX_HINTS else ""
    return f"; there are models in it, of which one can be given: {', '.join(names[:_MAX_HINTS])}{more}"
