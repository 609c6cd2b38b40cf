"""Where what was found out about a model is kept: beside the model, or in the user's cache where that is read-only."""

import hashlib
import os
import tempfile
from pathlib import Path

_NAME = ".cache"


def folder_for(model_folder: Path) -> Path:
    """A folder that can be written, made if it is not there; the same one each time while that is possible."""
    resolved = model_folder.resolve()
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "paddle_serving"
    named = f"{resolved.name}-{hashlib.sha256(os.fsencode(resolved)).hexdigest()[:16]}"
    for candidate in (resolved / _NAME, user / named):
        try:
            candidate.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(candidate, os.W_OK | os.X_OK):
            return candidate
    return Path(tempfile.mkdtemp(prefix="paddle_serving_"))
