"""Where models come from: which version is the newest, whether it changed, and private copies of it.

A path holds one model in any layout, which is replaced in place and announced by touching `fluid_time_file`; or it is a
folder of numbered ones, `1`, `2`, `00000010`, each a model, of which the highest counts. Other names in it, `v1` or
`1.5`, are left alone.

An engine loads a private copy: whatever happens to the folder, an engine that dies comes back with the same version.
"""

import contextlib
import errno
import filecmp
import logging
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Collection
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from paddle_serving_app import layout
from paddle_serving_app.model_cache import ORIGIN
from paddle_serving_client import manifest, model_config
from paddle_serving_client.errors import BadConfig, BadModel

logger = logging.getLogger(__name__)

TIME_FILE = "fluid_time_file"
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_MAX_FILES = 10_000
_REST_S = 0.1
"""Files that were changed this recently may be changed again at once."""
_TRIES = 50
_PIECE_BYTES = 64 << 20
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a version comes from."""

    folder: Path
    number: int | None
    """Of a numbered folder."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a folder looks like; another look means that there may be a new version."""

    number: int | None
    stamps: tuple[object, ...]


def title_of(path: str) -> str:
    """What people call a model: as its path; where that is in a numbered folder, as what the versions are of."""
    found = Path(path)
    return found.parent.parent.name if _NUMBER.fullmatch(found.parent.name) else found.name


def numbered(folder: Path) -> dict[int, Path]:
    """The numbered folders in a folder that hold a model, highest first; none where it is a Serving folder itself.

    Of two with one number, as `7` and `007`, the shorter name counts.
    """
    if (folder / model_config.SERVER_CONFIG).exists():
        return {}
    try:
        names = [entry.name for entry in os.scandir(folder) if _NUMBER.fullmatch(entry.name) and entry.is_dir()]
    except OSError:
        return {}
    found = {
        int(name): folder / name for name in sorted(names, key=len, reverse=True) if layout.is_model(folder / name)
    }
    return dict(sorted(found.items(), reverse=True))


def numbers(folder: Path) -> list[int]:
    """Their numbers, highest first."""
    return list(numbered(folder))


def refuse_other(path: str | Path, said: str) -> None:
    """Refuse what holds no model, now and not when it is loaded.

    Args:
        path: in any layout, or a folder of numbered ones.
        said: what says so, for the message: "--model".

    Raises:
        BadConfig: there is nothing there, or nothing that any layout knows; the message says what.
    """
    try:
        layout.of(path)
    except BadModel as exc:
        if not numbers(Path(path)):
            raise BadConfig(f"{said} {exc}") from exc


def newest(folder: str | Path, skip: Collection[int] = ()) -> Source:
    """The version to load: the highest number that is not among `skip`, or the folder itself where it has none."""
    folder = Path(folder)
    for number, path in numbered(folder).items():
        if number not in skip:
            return Source(path, number)
    return Source(folder, None)


def refuse_missing(path: str | Path, said: str) -> None:
    """Refuse a path where nothing is; for those who ask again while the server runs, when a model may be half written.

    Raises:
        BadConfig: there is nothing.
    """
    if not Path(path).exists():
        raise BadConfig(f"{said} {path}: there is no such file or folder")


def look(folder: Path) -> Sight:
    """What a path looks like now.

    A model that is replaced in place counts as changed when its `fluid_time_file` is touched, whatever else moves.
    A numbered folder has no such file while it is written: there every file counts, and whoever looks has to wait
    until two looks are the same.
    """
    source = newest(folder)
    if source.number is None:
        beside = folder if folder.is_dir() else folder.parent  # of a model that is one file
        with contextlib.suppress(OSError):
            return Sight(None, (os.stat(beside / TIME_FILE).st_mtime_ns,))
        return Sight(None, ())
    try:
        return Sight(source.number, _stamps(_files(source.folder)))
    except (OSError, BadModel):
        return Sight(source.number, ("unreadable",))


def look_at_all(folder: Path) -> Sight:
    """What all numbered models in a folder look like now; see `look`."""
    try:
        stamps = [(number, _stamps(_files(path))) for number, path in numbered(folder).items()]
    except (OSError, BadModel):
        return Sight(0, ("unreadable",))
    return Sight(0, ("all", *stamps))


def copied(source: Path, copy: Path) -> Path:
    """Make a private copy of a model's files, whole or not at all.

    Hidden files stay behind. A link that leaves the folder is copied as a link: whether it may be followed is decided
    where the model is read. Where the file system can, the copy shares its blocks with the original.

    Returns:
        The copy; the folder itself where there is no room for one, which the log says.

    Raises:
        BadModel: there is no config; a file is neither a file nor a folder; or the files do not come to rest.
    """
    if not (source / model_config.SERVER_CONFIG).is_file():
        raise BadModel(f"{source} has no {model_config.SERVER_CONFIG}; it is no whole Serving folder")
    copy.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(_TRIES):
        before = _stamps(_files(source))
        partial = copy.with_name(f"{copy.name}.{secrets.token_hex(4)}")
        try:
            _copy_files(source, partial)
            if _stamps(_files(source)) == before and not _is_fresh(_files(source)):
                partial.replace(copy)
                return copy
        except _NoRoom as exc:
            logger.warning("%s is served without a private copy: %s", source, exc)
            return source
        except FileNotFoundError:
            pass  # gone since it was listed: look again
        except OSError as exc:
            raise BadModel(f"{source}: {exc.strerror}: {exc.filename}") from exc
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        time.sleep(_REST_S)
    raise BadModel(f"{source}: its files change all the time; write them first, then touch {TIME_FILE}")


def is_same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files with the same bytes."""
    names = [sorted(path.relative_to(folder) for path in _files(folder)) for folder in (one, other)]
    if names[0] != names[1]:
        return False
    return all(filecmp.cmp(one / name, other / name, shallow=False) for name in names[0])


class _NoRoom(Exception):
    """There is no room for a copy."""


def _files(folder: Path) -> list[Path]:
    """Files below a folder but for hidden ones and the time file; a model's folders do not hold thousands."""
    found: list[Path] = []
    open_folders = [folder]
    while open_folders:
        for entry in os.scandir(open_folders.pop()):
            if entry.name.startswith(".") or entry.name == TIME_FILE:
                continue
            if entry.is_dir(follow_symlinks=False):
                open_folders.append(Path(entry))
            else:
                found.append(Path(entry))
        if len(found) > _MAX_FILES:
            raise BadModel(f"{folder} holds more than {_MAX_FILES} files; it is no model folder")
    return found


def _stamps(files: list[Path]) -> tuple[object, ...]:
    """What changes when a file is written, exchanged, added or removed."""
    stamps = []
    for path in sorted(files):
        with contextlib.suppress(FileNotFoundError):
            is_ = os.stat(path)
            stamps.append((str(path), is_.st_ino, is_.st_size, is_.st_mtime_ns, is_.st_ctime_ns))
    return tuple(stamps)


def _is_fresh(files: list[Path]) -> bool:
    """Whether a file was changed just now; one that says it will be, by another clock, was not."""
    now = time.time()
    return any(0 <= now - path.lstat().st_ctime < _REST_S for path in files)


def _copy_files(source: Path, copy: Path) -> None:
    listed = set(manifest.listed(source))
    root = os.path.realpath(source)
    _made(copy)
    (copy / ORIGIN).symlink_to(root)
    for path in _files(source):
        target = copy / path.relative_to(source)
        _made(target.parent)
        real = os.path.realpath(path)
        if path.is_symlink() and os.path.commonpath((root, real)) != root:
            target.symlink_to(real)
            continue
        is_regular = stat.S_ISREG(os.stat(path).st_mode)
        if listed and not is_regular and str(path.relative_to(source)) not in listed:
            continue
        with manifest.open_regular(path) as stream:
            _copy_file(stream, target)


def _copy_file(stream: BufferedReader, target: Path) -> None:
    size = os.fstat(stream.fileno()).st_size
    try:
        with target.open("xb") as out:
            done = 0
            with contextlib.suppress(OSError):  # another file system, or none that can: what is left is copied below
                while n := os.copy_file_range(stream.fileno(), out.fileno(), _PIECE_BYTES, done, done):
                    done += n
            if done < size:
                stream.seek(done)
                out.seek(done)
                shutil.copyfileobj(stream, out, 1 << 20)
    except OSError as exc:
        raise _NoRoom(exc.strerror) if exc.errno in _NO_ROOM else exc from exc


def _made(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise _NoRoom(exc.strerror) if exc.errno in _NO_ROOM else exc from exc
