"""Looks at model folders now and then, and says when one may hold a new version.

A thread of its own: a folder on a network may keep whoever looks waiting, and the supervisor has children to watch.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from paddle_serving_server.engine import repository
from paddle_serving_server.engine.repository import Sight

logger = logging.getLogger(__name__)

SETTLE_S = 2.0
"""A numbered folder is whole when nothing in it has changed for this long."""


@dataclass(slots=True)
class _Watched:
    known: Sight
    """What was last said of it."""
    seen: Sight
    since: float
    """When `seen` was seen first."""
    look: Callable[[Path], Sight]


class Watcher:
    """Says the names of changed folders on a socket, one packet each."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._folders: dict[tuple[str, bool], _Watched] = {}
        """By the folder, and whether all its versions are looked at, or the newest alone."""
        self._lock = threading.Lock()
        self.socket, self._ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def start(self) -> None:
        """Begin to look."""
        threading.Thread(target=self._watch, name="watcher", daemon=True).start()

    def add(self, folder: str, every: bool = False) -> None:
        """Look at this folder too; what it holds now is known.

        Args:
            folder: of a model.
            every: whether all numbered versions in it are looked at, or the newest alone.
        """
        look = repository.look_at_all if every else repository.look
        sight = look(Path(folder))
        with self._lock:
            self._folders.setdefault((folder, every), _Watched(sight, sight, time.monotonic(), look))

    def remove(self, folder: str, every: bool = False) -> None:
        """Look at it no more."""
        with self._lock:
            self._folders.pop((folder, every), None)

    def _watch(self) -> None:
        while True:
            with self._lock:
                folders = dict(self._folders)
            is_moving = False
            for (folder, _), watched in folders.items():
                is_moving |= self._look(folder, watched)
            time.sleep(min(self._interval_s, SETTLE_S) if is_moving else self._interval_s)

    def _look(self, folder: str, watched: _Watched) -> bool:
        """Look at one folder; returns whether it has changed and has not come to rest."""
        sight, now = watched.look(Path(folder)), time.monotonic()
        if sight != watched.seen:
            watched.seen, watched.since = sight, now
        if sight == watched.known:
            return False
        is_announced = sight.number is None  # by its time file, which is touched last
        if not is_announced and now - watched.since < SETTLE_S:
            return True
        watched.known = sight
        if sight.stamps:
            logger.info("%s may hold a new version", folder)
            self._ours.send(folder.encode())
        return False


class Versions:
    """Folders of which every version is looked at, by who wants it."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._folders: dict[str, str] = {}

    def watch(self, name: str, folder: str) -> None:
        """Look at this folder for `name`, in the place of the one before; empty: at none."""
        before = self._folders.pop(name, "")
        if folder:
            self._folders[name] = folder
            self._watcher.add(folder, every=True)
        if before and before not in self._folders.values():
            self._watcher.remove(before, every=True)

    def of(self, folder: str | None) -> list[str]:
        """Who wants to know of a folder, or of any."""
        return [name for name, known in self._folders.items() if folder in (None, known)]
