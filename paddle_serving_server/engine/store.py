"""Where the private copies of models lie while a server runs.

In `TMPDIR` where that is set, else in `/var/tmp`: `/tmp` is in memory on many systems. A server that was killed leaves
its folder behind; the next one removes it. A lock says whether a folder is in use, and the kernel opens it when the
owner is gone, whatever process numbers mean by then.
"""

import contextlib
import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

logger = logging.getLogger(__name__)

_PREFIX = "paddle-serving-models-"


@contextlib.contextmanager
def opened() -> Iterator[Path]:
    """A folder of this process's own, until the end of the `with`."""
    parent = _parent()
    _remove_abandoned(parent)
    folder, fd = _locked(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(fd)


def _locked(parent: Path) -> tuple[Path, int]:
    """A new folder and its lock; another server may take it for abandoned in between, then there is a next one."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        with contextlib.suppress(OSError):
            fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if folder.exists():
                    return folder, fd
            os.close(fd)


def _parent() -> Path:
    usual = Path("/var/tmp")  # the folder made in it has a name that nobody can guess, and mode 0700
    if "TMPDIR" not in os.environ and os.access(usual, os.W_OK | os.X_OK):
        return usual
    return Path(tempfile.gettempdir())


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue  # in use
        else:
            logger.info("removing %s, which a server that was killed has left", folder)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(fd)
