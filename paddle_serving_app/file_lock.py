"""One process at a time: a lock on a file or a folder, which the kernel opens when its owner is gone."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_LOOK_S = 0.05


@contextlib.contextmanager
def held(path: Path, longest_s: float) -> Iterator[bool]:
    """Wait for the lock, and hold it inside the block.

    Args:
        path: a folder that is there, or a file, which is made if it is not.
        longest_s: how long to wait for it, in seconds.

    Yields:
        Whether it is held: not where the time is up, the file cannot be opened, or the system has no such locks.
    """
    if sys.platform == "win32":
        yield False
        return
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    try:
        fd = os.open(path, flags | os.O_CLOEXEC, 0o600)
    except OSError:
        yield False
        return
    try:
        until = time.monotonic() + longest_s
        while not (is_ours := _try(fd)) and time.monotonic() < until:
            time.sleep(_LOOK_S)
        yield is_ours
    finally:
        os.close(fd)


def _try(fd: int) -> bool:
    import fcntl  # not on Windows

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
