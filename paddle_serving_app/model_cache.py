"""Where what was found out about a model is kept: beside the model, or in the user's cache where that is read-only."""

import hashlib
import os
import tempfile
from pathlib import Path

ORIGIN = ".origin"
"""In a private copy of a model folder: a link to the folder it was made of, beside which results are kept."""
_NAME = ".cache"


def folder_for(model_folder: Path) -> Path:
    """A folder that can be written, made if it is not there; the same one each time while that is possible."""
    for candidate in _folders(model_folder):
        try:
            candidate.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(candidate, os.W_OK | os.X_OK):
            return candidate
    return Path(tempfile.mkdtemp(prefix="paddle_serving_"))


def find(model_folder: Path, name: str) -> Path | None:
    """A file that was kept, also where it can only be read: an image may bring it along."""
    files = (folder / name for folder in _folders(model_folder))
    return next((file for file in files if os.access(file, os.R_OK)), None)


def _folders(model_folder: Path) -> tuple[Path, ...]:
    origin = model_folder / ORIGIN
    resolved = (origin if origin.is_symlink() else model_folder).resolve()
    if (user := of_user()) is None:
        return (resolved / _NAME,)
    own = user / "paddle_serving" / f"{resolved.name}-{hashlib.sha256(os.fsencode(resolved)).hexdigest()[:16]}"
    return resolved / _NAME, own


def of_user() -> Path | None:
    """Where a user's programs keep things; None for a user without a home, as containers have them."""
    if named := os.environ.get("XDG_CACHE_HOME"):
        return Path(named)
    try:
        return Path.home() / ".cache"
    except RuntimeError:
        return None
