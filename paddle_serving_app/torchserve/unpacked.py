"""Folders for unpacked archives: each as long as its process lives, and no longer, however that ends."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from paddle_serving_app import file_lock

_OLD_S: Final = 60.0
"""A folder that is younger may not be locked yet by the process that has made it."""


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder of one's own, gone behind the block; what processes have left that were killed goes, too."""
    prefix = f"paddle-serving-mar-{os.getuid()}-"
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        _remove_if_left(left)
    made = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        with file_lock.held(made, 0.0):
            yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _remove_if_left(left: Path) -> None:
    with contextlib.suppress(OSError):
        if left.is_symlink() or time.time() - left.stat().st_mtime < _OLD_S:
            return
        with file_lock.held(left, 0.0) as is_left:
            if is_left:
                shutil.rmtree(left, ignore_errors=True)
