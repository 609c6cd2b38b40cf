"""What an archive's `requirements.txt` names, installed beside it: for this model, and for no other."""

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from paddle_serving_app import file_lock, model_cache
from paddle_serving_client.errors import BadModel

logger = logging.getLogger(__name__)

_LONGEST_S: Final = 900.0
_MAX_BYTES: Final = 1 << 20
_LAST_CHARS: Final = 1000


def installed(requirements: Path) -> Path:
    """The folder with the packages; equal requirements share one, which is kept in the user's cache.

    Raises:
        BadModel: they cannot be installed; with the last words of pip.
    """
    content = requirements.read_bytes()[: _MAX_BYTES + 1]
    if len(content) > _MAX_BYTES:
        raise BadModel(f"{requirements.name} has more than {_MAX_BYTES} bytes")
    key = hashlib.sha256(f"{sys.executable} {sys.version} ".encode() + content).hexdigest()[:32]
    cache = (model_cache.of_user() or Path(tempfile.gettempdir())) / "paddle_serving" / "packages"
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise BadModel(f"{requirements.name} cannot be installed: {cache}: {exc.strerror}") from exc
    folder = cache / key
    with file_lock.held(cache / f"{key}.lock", _LONGEST_S) as is_ours:
        if not is_ours:
            raise BadModel(f"{requirements.name} is being installed by another process for {_LONGEST_S:.0f} s already")
        if not folder.is_dir():
            _install(requirements, folder)
    return folder


def _install(requirements: Path, folder: Path) -> None:
    """Whole, or not at all."""
    draft = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))
    command = [sys.executable, "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    command += ["--target", str(draft), "-r", str(requirements)]
    logger.info("installing what %s names into %s", requirements.name, folder)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_S, cwd=requirements.parent)
        if done.returncode:
            raise BadModel(f"{requirements.name} cannot be installed: {done.stderr.strip()[-_LAST_CHARS:]}")
        os.replace(draft, folder)
    except subprocess.TimeoutExpired as exc:
        raise BadModel(f"{requirements.name} is not installed within {_LONGEST_S:.0f} s") from exc
    finally:
        shutil.rmtree(draft, ignore_errors=True)
