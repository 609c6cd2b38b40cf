"""The folder of one model: its config, its numbered versions, and the files in them, as Git or people leave them."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from paddle_serving_client.errors import BadModel
from paddle_serving_client.io import foreign
from paddle_serving_client.manifest import open_regular
from paddle_serving_client.wire import triton_config
from paddle_serving_client.wire.proto import triton_model_config_pb2 as pb

CONFIG: Final = "config.pbtxt"
CONFIGS: Final = "configs"
"""The folder with configs of other names, of which one can be asked for."""
_LFS: Final = b"version https://git-lfs"
_LFS_BYTES: Final = 1024
"""A pointer is a text of three lines."""
_MAX_FILES: Final = 2000
"""That are looked at in a version folder."""
_MAX_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class VersionFolders:
    """The numbered folders of a model."""

    numbers: tuple[int, ...]
    """Rising."""
    notes: tuple[str, ...]
    """On those that look like one and are none."""


def is_model(path: Path) -> bool:
    """Whether a folder seems to hold a model: a config, or a numbered folder with a file in it."""
    if (path / CONFIG).is_file():
        return True
    return any(any(entry.is_file() for entry in _entries(path / str(n))) for n in versions(path).numbers)


def versions(path: Path) -> VersionFolders:
    """The versions that are there."""
    numbers, notes = [], []
    for entry in _entries(path):
        name = entry.name
        if not name.isascii() or not name.isdigit() or len(name) > _MAX_DIGITS or not entry.is_dir():
            continue
        if len(name) > 1 and name.startswith("0"):
            notes.append(f"ignore version directory '{name}' which contains leading zeros in its directory name")
        else:
            numbers.append(int(name))
    return VersionFolders(tuple(sorted(numbers)), tuple(notes))


def config_of(path: Path, config_name: str = "") -> pb.ModelConfig | None:
    """The config that lies in a folder, as it is; None where there is none.

    Args:
        path: the folder of the model.
        config_name: of another config, `configs/NAME.pbtxt`; where there is none of that name, config.pbtxt counts.

    Raises:
        BadConfig: it cannot be read.
        BadModel: it is no regular file.
    """
    named = path / CONFIGS / f"{config_name}.pbtxt"
    file = named if config_name and named.is_file() else path / CONFIG
    if not file.is_file():
        return None
    with open_regular(file) as stream:
        text = stream.read(triton_config.MAX_BYTES + 1)
    return triton_config.parse(text, str(file))


def names_in(path: Path) -> tuple[str, ...]:
    """The names in a folder, sorted; none where there is no folder."""
    return tuple(entry.name for entry in _entries(path))


def model_file(path: Path, version: int, name: str) -> Path:
    """The file of a version of a model.

    Args:
        path: the folder of the model.
        version: its number.
        name: of the file in the folder of the version; it may be a path below that. A folder of that name holds one
            file of the same name, as ONNX models with weights in files of their own do.

    Raises:
        BadModel: it is not there, leads out of the folder, or is a Git LFS pointer.
    """
    folder = path / str(version)
    inside = PurePosixPath(name)
    if inside.is_absolute() or ".." in inside.parts or not inside.parts:
        raise BadModel(f"{path / CONFIG}: default_model_filename {name!r} leads out of the version folder")
    file = folder / name
    if file.is_dir() and (file / inside.name).is_file():
        file = file / inside.name
    if not file.exists():
        there = foreign.describe_folder(folder) if folder.is_dir() else "there is no such folder"
        raise BadModel(
            f"{file} is missing: {there}. Git keeps no empty folder, and large files are often left out of it: "
            "put the model there"
        )
    if not file.resolve().is_relative_to(path.resolve()):
        raise BadModel(f"{file} is a link out of {path}")
    if file.is_file() and is_lfs_pointer(file):
        raise BadModel(f"{file} is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`")
    return file


def lfs_pointers(folder: Path) -> tuple[Path, ...]:
    """The files below a folder that are Git LFS pointers."""
    found = []
    for _, file in zip(range(_MAX_FILES), _files(folder), strict=False):
        if is_lfs_pointer(file):
            found.append(file)
    return tuple(found)


def is_lfs_pointer(file: Path) -> bool:
    """Whether Git LFS left a pointer in the place of a file."""
    try:
        if not 0 < file.stat().st_size <= _LFS_BYTES:
            return False
        with open_regular(file) as stream:
            return stream.read(len(_LFS)) == _LFS
    except (OSError, BadModel):
        return False


def _entries(path: Path) -> Sequence[Path]:
    try:
        return sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as exc:
        raise BadModel(f"{path}: {exc.strerror or exc}") from exc


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(place, name) for name in sorted(names))
