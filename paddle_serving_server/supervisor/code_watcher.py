"""Looks at the files of services now and then, and says when one has changed.

A thread of its own, as `watcher.py` is: a folder on a network may keep whoever looks waiting.
"""

import os
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

LOOK_S: Final = 0.3
"""How often it looks, in seconds. What two looks in a row see alike is whole: an editor writes in steps."""

_Stamps: TypeAlias = Mapping[str, tuple[int, int, int] | None]
"""Of each file: when it was written, its size and its inode; None: it is not there."""


class CodeWatcher:
    """Sends the name of a changed file, or of several, one to a line, on its socket."""

    def __init__(self, look_s: float = LOOK_S) -> None:
        """`look_s`: how often it looks, in seconds."""
        self._look_s = look_s
        self._known: dict[str, tuple[int, int, int] | None] = {}
        """As they were when somebody was last told of them."""
        self._lock = threading.Lock()
        self.socket, self._ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def start(self) -> None:
        """Begin to look."""
        threading.Thread(target=self._watch, name="code-watcher", daemon=True).start()

    def told(self) -> str:
        """The files that have changed, one to a line; to be called when the socket can be read."""
        return self.socket.recv(4096).decode(errors="replace")

    def add(self, files: Iterable[str]) -> None:
        """Look at these, too; what they hold now is known."""
        stamps = _stamps(files)
        with self._lock:
            self._known = {**stamps, **self._known}

    def _watch(self) -> None:
        before: _Stamps = {}
        while True:
            time.sleep(self._look_s)
            with self._lock:
                known = dict(self._known)
            now = _stamps(known)
            changed = [file for file, stamp in now.items() if stamp != known[file] and stamp is not None]
            if changed and all(before.get(file) == now[file] for file in changed):
                with self._lock:
                    self._known.update({file: now[file] for file in changed})
                self._ours.send("\n".join(changed).encode()[:4096])
            before = now


def _stamps(files: Iterable[str]) -> _Stamps:
    return {file: _stamp(file) for file in files}


def _stamp(file: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
