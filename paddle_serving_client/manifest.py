"""The digests of a model's files: written at conversion, checked before the model is loaded.

Inference libraries load a model with one flipped byte in its weights, and Paddle loads one whose weights are missing
and answers NaN. So conversion leaves a `manifest.json` in the server folder:

    {"format": "paddle-serving-manifest", "version": 1,
     "files": {"inference.pdmodel": {"bytes": 512, "sha256": "9f86d0…"}, …}}

It names the program and its parameters (and what else conversion put there for the model), not the prototxt, which
people edit. Names are relative to the folder, with `/`. A folder without a manifest is an old one and may be served.
"""

import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from paddle_serving_client.errors import BadModel

NAME = "manifest.json"

_FORMAT = "paddle-serving-manifest"
_VERSION = 1
_MAX_BYTES = 1 << 20
_HEAD_BYTES = 256
_SHA256_HEX_LENGTH = 64
_SEPARATORS = set("\\:\0") if os.name == "nt" else set("\\\0")  # besides `/`; a colon names a drive


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found in a folder that it did not refuse."""

    is_verified: bool
    """False: there is no manifest to compare with."""
    files: tuple[str, ...] = ()
    """The names that were compared, sorted; a loader should take its files from these."""

    def __str__(self) -> str:
        if not self.is_verified:
            return f"unverified: there is no {NAME}"
        return f"verified: {', '.join(self.files)} match {NAME}"


def write(folder: str | Path, files: Iterable[str]) -> None:
    """Take the digests of files in a folder and write its manifest, replacing an older one in one step.

    Args:
        folder: the server folder.
        files: names relative to it, at least one.

    Raises:
        BadModel: a file is missing, is not a regular file, or lies outside the folder.
    """
    folder = Path(folder)
    listing = {name: _digest(folder, name) for name in sorted(files)}
    if not listing:
        raise BadModel(f"{folder}: a manifest of no files")
    text = json.dumps({"format": _FORMAT, "version": _VERSION, "files": listing}, indent=2, ensure_ascii=False)
    partial = folder / f".{NAME}.{secrets.token_hex(4)}.partial"
    try:
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(folder / NAME)
    finally:
        partial.unlink(missing_ok=True)


def verify(folder: str | Path) -> Verdict:
    """Compare a folder's files with its manifest.

    Returns:
        A verdict that is verified, or unverified where the folder has no manifest.

    Raises:
        BadModel: a file is missing, has another size or digest than the manifest says, is not a regular file or lies
            outside the folder; or the manifest itself cannot be read. The message names the file, what was found and
            what was expected.
    """
    folder = Path(folder)
    expected = _read(folder)
    if expected is None:
        return Verdict(is_verified=False)
    for name, entry in expected.items():
        with open_inside(folder, name) as stream:
            found_bytes = os.fstat(stream.fileno()).st_size
            if found_bytes != entry["bytes"]:
                raise BadModel(f"{folder / name}: {found_bytes} bytes, but {NAME} says {entry['bytes']}")
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != entry["sha256"]:
            raise BadModel(f"{folder / name}: damaged or exchanged: SHA-256 {found}, but {NAME} says {entry['sha256']}")
    return Verdict(is_verified=True, files=tuple(expected))


def listed(folder: str | Path) -> tuple[str, ...]:
    """The names in a folder's manifest, sorted, without looking at the files; none where it has no manifest.

    Raises:
        BadModel: the manifest cannot be read.
    """
    return tuple(_read(Path(folder)) or ())


def is_ours(folder: Path) -> bool:
    """Whether a folder has a manifest of this format, by its first bytes: others call files so, too."""
    if not (folder / NAME).is_file():
        return False
    with open_regular(folder / NAME) as stream:
        return f'"format": "{_FORMAT}"'.encode() in stream.read(_HEAD_BYTES)


def open_inside(folder: Path, name: str) -> BufferedReader:
    """Open a regular file by a name that came out of another file, and only inside the folder.

    Raises:
        BadModel: the name is absolute or leaves the folder, also by a symbolic link; or as `open_regular`.
    """
    if not _is_inside(name):
        raise BadModel(f"{folder}: {name[:128]!r} is not a name of a file inside the folder")
    try:
        root = os.path.realpath(folder, strict=True)
        real = os.path.realpath(os.path.join(root, *name.split("/")), strict=True)
    except (OSError, ValueError) as exc:
        raise BadModel(f"{folder / name[:128]}: {_reason(exc)}") from exc
    if os.path.commonpath((root, real)) != root:
        raise BadModel(f"{folder / name}: leads out of the folder")
    return open_regular(Path(real))


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading; never waits on a pipe, never opens a device.

    Raises:
        BadModel: it is missing, not a regular file, or may not be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        mode = os.stat(path).st_mode
        descriptor = os.open(path, flags) if stat.S_ISREG(mode) else -1
    except (OSError, ValueError) as exc:
        raise BadModel(f"{path}: {_reason(exc)}") from exc
    if descriptor < 0:
        raise BadModel(f"{path}: {_kind(mode)}, not a regular file")
    stream = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(mode := os.fstat(descriptor).st_mode):  # exchanged since the first look
        stream.close()
        raise BadModel(f"{path}: {_kind(mode)}, not a regular file")
    return stream


def _is_inside(name: str) -> bool:
    """Whether a name can only be of something below the folder it is relative to, symbolic links aside."""
    return not {"", ".", ".."} & set(name.split("/")) and not _SEPARATORS & set(name)


def _digest(folder: Path, name: str) -> dict[str, int | str]:
    with open_inside(folder, name) as stream:
        size = os.fstat(stream.fileno()).st_size
        return {"bytes": size, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def _read(folder: Path) -> dict[str, Mapping[str, Any]] | None:
    """The manifest's files, sorted by name, every entry checked; None where there is no manifest."""
    if not folder.is_dir():
        raise BadModel(f"{folder}: {'not a folder' if folder.exists() else 'there is no such folder'}")
    if not os.path.lexists(folder / NAME):
        return None
    with open_inside(folder, NAME) as stream:
        raw = stream.read(_MAX_BYTES + 1)
    if len(raw) > _MAX_BYTES:
        raise BadModel(f"{folder / NAME}: more than {_MAX_BYTES} bytes; a manifest is smaller")
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as exc:
        raise BadModel(f"{folder / NAME}: not JSON: {str(exc)[:128]}") from exc
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise BadModel(f'{folder / NAME}: not a manifest of a model: "format" is not {_FORMAT!r}')
    if content.get("version") != _VERSION:
        raise BadModel(f"{folder / NAME}: version {str(content.get('version'))[:16]}; this release reads {_VERSION}")
    files = content.get("files")
    if not isinstance(files, dict) or not files:
        raise BadModel(f'{folder / NAME}: "files" names no file')
    for name, entry in files.items():
        if not _is_inside(name):
            raise BadModel(f"{folder / NAME}: {name[:128]!r} is not a name of a file inside the folder")
        if not _is_entry(entry):
            raise BadModel(f'{folder / NAME}: the entry of {name[:128]!r} is not {{"bytes": N, "sha256": "64 digits"}}')
    return dict(sorted(files.items()))


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    size, digest = entry.get("bytes"), entry.get("sha256")
    return type(size) is int and size >= 0 and isinstance(digest, str) and len(digest) == _SHA256_HEX_LENGTH


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    return next((words for test, words in kinds if test(mode)), "a device")


def _reason(exc: OSError | ValueError) -> str:
    if isinstance(exc, FileNotFoundError):
        return "it is missing"
    return exc.strerror or "it cannot be opened" if isinstance(exc, OSError) else "it has a name that no file has"
