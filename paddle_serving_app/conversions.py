"""Serving folders that bare models were converted to, kept in the user's cache.

A bare model is left as it is: nothing is written beside it. What it is converted to lies in
`$XDG_CACHE_HOME/paddle-serving-next/models` under the digest of its files, so the same files are converted once, and
other files under the same path are another entry. An entry is made under another name and put in place whole. Entries
that were not used for longest go where there are too many of them.
"""

import atexit
import contextlib
import functools
import hashlib
import logging
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from paddle_serving_app import file_lock, model_cache, progress
from paddle_serving_client import __version__, manifest, model_config
from paddle_serving_client.errors import BadModel
from paddle_serving_client.io import conversion, source
from paddle_serving_client.io.source import ModelFile, Source

logger = logging.getLogger(__name__)

MOST_ENTRIES = 32
MOST_BYTES = 32 << 30
REST_S = 600.0
"""An entry that was used this recently stays, whatever there is: somebody may be copying it."""
_LOCK_S = 600.0
_TRIES = 5
_FOREIGN = re.compile(r"[^A-Za-z0-9._-]+")
_LOCK = ".lock"


def folder_of(path: Path, beside: Sequence[Path] = ()) -> Path:
    """The Serving folder that a bare model's files make, converted if they were not before.

    Args:
        path: an exported model: its folder, or the model file.
        beside: further files that go along as they are: another one of them is another model.

    Raises:
        BadModel: there is no model, more than one, a damaged one, or one that cannot be served; or its files change all
            the time.
    """
    user = _of_user()
    root = user if user is not None and _can_be_used(user) else _root_for_now()
    with file_lock.held(root / _LOCK, _LOCK_S):  # without it, entries are still put in place whole
        for _ in range(_TRIES):
            found = source.read(path)
            more = tuple(ModelFile(file.name, (file,)) for file in beside)
            found = replace(found, files=(*found.files, *more))
            digest = _digest(found)
            name = f"{_FOREIGN.sub('_', path.resolve().stem)[:64]}-{digest}"
            entry = next((home / name for home in (root, user) if home and _is_whole(home / name)), None)
            if entry is None and not _made(path, found, digest, root / name):
                continue
            with contextlib.suppress(OSError):
                os.utime(entry or root / name)
                _forget_old(root)
            return entry or root / name
    raise BadModel(f"{path}: its files change all the time; write them first")


def _of_user() -> Path | None:
    """Where the entries are that are kept; they may be found there where it can only be read: an image brings them."""
    user = model_cache.of_user()
    return None if user is None else user / "paddle-serving-next" / "models"


def _can_be_used(root: Path) -> bool:
    """Whether entries can be written there."""
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        logger.warning("%s cannot be used (%s): what is converted is not kept", root, exc.strerror)
        return False
    return os.access(root, os.W_OK | os.X_OK)


@functools.cache
def _root_for_now() -> Path:
    """Where entries are while this process lives."""
    root = tempfile.mkdtemp(prefix="paddle-serving-converted-")
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    return Path(root)


def _digest(found: Source) -> str:
    """Differs whenever the conversion might: files, their names, those of inputs and outputs, and who converts them."""
    digest = hashlib.sha256(f"{__version__} {found} {found.feeds} {found.fetches}".encode())
    for file in found.files:
        digest.update(file.name.encode())
        for part in file.parts:
            with manifest.open_regular(part) as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:32]


def _is_whole(entry: Path) -> bool:
    """Whether an entry is there, with the files that its manifest names; what is damaged is made anew."""
    if not (entry / model_config.SERVER_CONFIG).is_file():
        return False
    try:
        return manifest.verify(entry).is_verified
    except BadModel as exc:
        logger.warning("made anew: %s", exc)
        return False


def _made(path: Path, found: Source, digest: str, entry: Path) -> bool:
    """Convert a model and put it in place; False where its files are not those of the digest any more."""
    progress.step("converting it")
    partial = entry.with_name(f".{entry.name}.{secrets.token_hex(4)}.partial")
    try:
        spec = conversion.checked_spec(found.feeds, found.fetches, None, None)
        conversion.finish(found, spec, partial, partial, show_proto=False)
        if _digest(found) != digest:
            return False
        if not _is_whole(entry):  # else another process was first, without the lock
            shutil.rmtree(entry, ignore_errors=True)
            partial.rename(entry)
        logger.info("%s: %s was converted to a Serving folder", path, found)
        return True
    except OSError as exc:
        raise BadModel(f"{path}: it cannot be converted: {exc.strerror}: {exc.filename}") from exc
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _forget_old(root: Path) -> None:
    """Remove the entries that were not used for longest, and what killed conversions have left."""
    now = time.time()
    kept = kept_bytes = 0
    for used_at, entry in sorted(((entry.stat().st_mtime, entry) for entry in _folders(root)), reverse=True):
        size = sum(file.stat().st_size for file in entry.rglob("*") if file.is_file())
        is_entry = not entry.name.startswith(".")
        if now - used_at > REST_S and not (is_entry and kept < MOST_ENTRIES and kept_bytes + size <= MOST_BYTES):
            logger.info("removing %s, which was not used for longest", entry)
            shutil.rmtree(entry, ignore_errors=True)
            continue
        kept += is_entry
        kept_bytes += size


def _folders(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir() and not path.is_symlink()]
