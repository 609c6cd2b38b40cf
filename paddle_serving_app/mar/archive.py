"""A model archive (`.mar`), opened: unpacked into a folder of its own, and what it says of itself, as frozen values.

Three forms of it: a zip, a tar that is compressed by gzip (whose files lie in a folder of the model's name), and a
folder. What it holds is code, so whoever opens one decides where it may come from; nothing of it is run here.
"""

import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from paddle_serving_app import safe_yaml, unpack, unpack_zip
from paddle_serving_app.mar import manifest as manifests
from paddle_serving_app.mar import settings as model_settings
from paddle_serving_app.mar.manifest import Manifest
from paddle_serving_app.mar.settings import ModelSettings
from paddle_serving_app.unpack import Limits
from paddle_serving_client.errors import BadConfig, BadModel
from paddle_serving_client.io import foreign
from paddle_serving_client.manifest import open_inside, open_regular

LIMITS: Final = Limits(total_bytes=64 << 30, files=10_000, ratio=200)
_MAX_DESCRIBED_BYTES: Final = 2 << 20
"""Of a manifest or a `model-config.yaml`: what is longer is refused where it is read."""
_GZIP: Final = b"\x1f\x8b"
_SKIPPED: Final = ("__pycache__", "__MACOSX")


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A model archive, unpacked and checked: the files that its manifest names are there."""

    path: Path
    """What was given."""
    folder: Path
    """Where its files are; what handlers know as `model_dir`."""
    manifest: Manifest
    config: Any = None
    """What its `model-config.yaml` says, as handlers see it in `context.model_yaml_config`; None where it has none."""
    settings: ModelSettings
    """Those of `config` that are meant for the server."""
    extra_files: tuple[str, ...] = ()
    """All files that the manifest does not name, relative to `folder`, sorted."""


def is_archive(path: Path) -> bool:
    """Whether a path is named, or looks, as an archive does: a file `*.mar` or `*.tar.gz`, or a folder with a manifest.

    Raises:
        OSError: it cannot be looked at.
    """
    if path.is_dir():
        return (path / manifests.NAME).is_file()
    return path.is_file() and path.name.endswith((".mar", ".tar.gz", ".tgz"))


def described(path: Path) -> tuple[Manifest, ModelSettings]:
    """What an archive says of itself; of a zip or a folder nothing else is read.

    Raises:
        BadModel: as `opened`.
        OSError: it cannot be read.
    """
    if path.is_dir():
        read = _folder_reader(path)
    elif unpack_zip.is_zip(path):
        read = _zip_reader(path)
    else:
        with tempfile.TemporaryDirectory(prefix="paddle-serving-mar-") as beside:
            archive = opened(path, Path(beside) / "model")
            return archive.manifest, archive.settings
    raw = read(manifests.NAME)
    if raw is None:
        raise BadModel(f"{path}: not a model archive: it has no {manifests.NAME}")
    manifest = manifests.parse(raw, f"{path}: {manifests.NAME}")
    if not manifest.config_file or (raw := read(manifest.config_file)) is None:
        return manifest, ModelSettings()
    where = f"{path}: {manifest.config_file}"
    try:
        return manifest, model_settings.of(safe_yaml.load(raw, where), where)
    except BadConfig as exc:
        raise BadModel(str(exc)) from exc


def _folder_reader(path: Path) -> Callable[[str], bytes | None]:
    def read(name: str) -> bytes | None:
        if not (path / name).is_file():
            return None
        with open_inside(path, name) as stream:
            return stream.read(_MAX_DESCRIBED_BYTES)

    return read


def _zip_reader(path: Path) -> Callable[[str], bytes | None]:
    def read(name: str) -> bytes | None:
        try:
            with zipfile.ZipFile(path) as opened, opened.open(name) as stream:
                return stream.read(_MAX_DESCRIBED_BYTES)
        except KeyError:
            return None
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error) as exc:
            raise BadModel(f"{path}: damaged: {exc}") from exc

    return read


def opened(path: Path, into: Path, limits: Limits = LIMITS) -> Archive:
    """Unpack an archive and read what it says of itself.

    Args:
        path: the file, or the folder.
        into: a folder that is not there yet; its parent is. It is whole or not there.
        limits: what the archive may unpack to.

    Raises:
        BadModel: it is no archive, damaged, over a limit, leads out of its folder, or lacks what its manifest names.
        OSError: the folder cannot be written.
    """
    _unpack(path, into, limits)
    try:
        return _read(path, into)
    except BaseException:
        shutil.rmtree(into, ignore_errors=True)
        raise


def _unpack(path: Path, into: Path, limits: Limits) -> None:
    if path.is_dir():
        with unpack.whole(into) as partial:
            _copy(path, partial, limits)
        return
    if unpack_zip.is_zip(path):
        unpack_zip.unpack(path, into, limits)
    elif not foreign.head_of(path, path.parent).startswith(_GZIP):
        raise BadModel(f"{path}: not a model archive, but {foreign.describe_file(path)}")
    else:
        unpack.unpack(path, into, limits)
    _lift(into)


def _lift(into: Path) -> None:
    """Take the files out of the one folder that they are in, as those of a tar are."""
    inside = list(into.iterdir())
    if (into / manifests.NAME).is_file() or len(inside) != 1 or not (inside[0] / manifests.NAME).is_file():
        return
    lifted = inside[0].rename(into.with_name(f"{into.name}.lifted"))
    into.rmdir()
    lifted.rename(into)


def _copy(folder: Path, into: Path, limits: Limits) -> None:
    """A private copy of a folder that is an archive; links are followed only inside it."""
    count = total = 0
    for name in _names(folder):
        with open_inside(folder, name) as stream:
            count, total = count + 1, total + os.fstat(stream.fileno()).st_size
            if count > limits.files or total > limits.total_bytes:
                raise BadModel(f"{folder}: more than {limits.files} files, or {limits.total_bytes} bytes")
            place = into / name
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as out:
                shutil.copyfileobj(stream, out)


def _names(folder: Path) -> Iterator[str]:
    """The files below a folder, relative to it."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        for name in sorted(files):
            yield (Path(root) / name).relative_to(folder).as_posix()


def _read(path: Path, folder: Path) -> Archive:
    where = f"{path}: {manifests.NAME}"
    if not (folder / manifests.NAME).is_file():
        raise BadModel(f"{path}: not a model archive: it has no {manifests.NAME}")
    with open_regular(folder / manifests.NAME) as stream:
        manifest = manifests.parse(stream.read(), where)
    for name in manifest.files:
        if not (folder / name).is_file():
            raise BadModel(f"{where} names {name!r}, which is not in the archive")
    config, settings = None, ModelSettings()
    if manifest.config_file:
        config, settings = _config(folder, manifest.config_file, f"{path}: {manifest.config_file}")
    named = {*manifest.files, manifests.NAME}
    extra = tuple(sorted(name for name in _names(folder) if name not in named))
    return Archive(path=path, folder=folder, manifest=manifest, config=config, settings=settings, extra_files=extra)


def _config(folder: Path, name: str, where: str) -> tuple[Any, ModelSettings]:
    try:
        with open_inside(folder, name) as stream:
            config = safe_yaml.load(stream.read(safe_yaml.MAX_BYTES + 1), where)
        return config, model_settings.of(config, where)
    except BadConfig as exc:
        raise BadModel(str(exc)) from exc
