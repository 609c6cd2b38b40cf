"""What a server asks of the machine that it runs on."""

import contextlib
import os
import resource
import tempfile
from collections.abc import Set
from typing import Final

from paddle_serving_client.errors import BadConfig

_FILES: Final = 65_536
_LONGEST_FOLDER: Final = 60


def allow_many_files() -> None:
    """Connections and shared memory take a file descriptor each; many systems allow 1024 unless somebody asks."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def reap_orphans(ours: Set[int]) -> None:
    """Let processes go that have lost their parents, as the first process of a container has to.

    Args:
        ours: children whose status is asked for elsewhere.
    """
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if ended.si_pid in ours:
                return  # the next signal comes when that one is dealt with
            os.waitpid(ended.si_pid, 0)


def resident_bytes(pid: int | str = "self") -> int:
    """The memory that a process has; 0 where it is gone."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def require_temporary_folder() -> None:
    """Sockets and private copies of models need one.

    Raises:
        BadConfig: there is none that can be written.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError as exc:
        raise BadConfig("no temporary folder can be written; TMPDIR says where one is") from exc


def short_folder() -> "tempfile.TemporaryDirectory[str]":
    """A folder for sockets: their paths have at most 107 bytes, whatever TMPDIR says."""
    usual = tempfile.gettempdir()
    return tempfile.TemporaryDirectory(prefix="paddle-serving-", dir=usual if len(usual) <= _LONGEST_FOLDER else "/tmp")
