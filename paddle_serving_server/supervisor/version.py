"""A version of a model, from its first process to its last."""

import contextlib
import os
import selectors
import shutil
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from paddle_serving_server.engine.compatible import differences
from paddle_serving_server.engine.settings import EngineConfig
from paddle_serving_server.process.control import Live, Loaded
from paddle_serving_server.supervisor.child import Slot

Report: TypeAlias = Mapping[str, object]
"""What became of an attempt to load a version, as callers see it: state, reason, at, from."""
Asker: TypeAlias = Callable[[Report], None]
"""Is told the outcome, once."""
_WORKER: Final = "paddle_serving_server.engine.worker"
_END_S: Final = 5.0
"""An engine that was told to end is killed after that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a deployment needs of its supervisor."""

    selector: selectors.BaseSelector
    sockets: Path
    copies: Path
    key: str
    """Of encrypted models, base64: it goes to their engines, and is in no identity and no message of a front."""
    load_s: float
    """Longest time for a version to load, but for the first."""
    request_s: float
    fronts: int
    """How many there are to be."""
    on_change: Callable[[], None]
    """Is called when another version answers."""


@dataclass(slots=True, eq=False)
class Engine(Slot):
    """The place of one instance."""

    path: str = ""

    def end(self) -> None:
        """Tell it to end, and not to be started again."""
        if self.is_ending:
            return
        self.is_ending = True
        self.kill_at = time.monotonic() + _END_S
        self.hang_up()
        self.listening[0].close()
        with contextlib.suppress(OSError):
            os.unlink(self.path)


@dataclass(slots=True, eq=False)
class Version:
    """One of a deployment's."""

    number: int
    config: EngineConfig
    engines: list[Engine] = field(default_factory=list)
    source: str = ""
    folder_number: int | None = None
    loaded: Loaded | None = None
    """What its first instance said when it was ready."""
    fronts: set[Slot] = field(default_factory=set)
    """Who uses it, as far as is known here."""
    unconfirmed: set[Slot] = field(default_factory=set)
    """Who was told of it and has not said yet that it answers."""
    is_announced: bool = False
    deadline: float = float("inf")
    """Of loading, or of draining."""
    askers: list[Asker] = field(default_factory=list)
    allows_change: bool = False

    def add_engine(self, folder: str, path: Path, selector: selectors.BaseSelector) -> None:
        """Start one more instance.

        Args:
            folder: of the deployment, for people.
            path: of its socket, up to the number of the instance.
            selector: hears what it says.
        """
        socket_path = f"{path}-{len(self.engines)}.sock"
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listening.bind(socket_path)
        listening.listen(128)
        handler = self.config.spec.handler
        title = f"engine {len(self.engines)} of {folder}"
        if handler is not None and handler.title:
            title = f"engine {len(self.engines)} of {handler.title} of {folder}"
        if self.number > 1:
            title += f", version {self.number}"
        config = replace(self.config, instance=len(self.engines)).to_json()
        engine = Engine(title, _WORKER, (listening,), config, selector, path=socket_path)
        engine.has_group = handler is not None
        self.engines.append(engine)
        engine.start()

    @property
    def is_ready(self) -> bool:
        return self.loaded is not None and all(engine.was_ready for engine in self.engines)

    @property
    def skipped(self) -> tuple[int, ...]:
        """Numbers of folders that are not tried again when this one is given up."""
        return (*self.config.skip, *(() if self.folder_number is None else (self.folder_number,)))

    def changes_from(self, before: "Version | None") -> list[str]:
        """What callers of the version before, if there is one, would notice."""
        if before is None or before.loaded is None or self.loaded is None:
            return []
        return differences(_seen(before.loaded), _seen(self.loaded))

    @property
    def next_moment(self) -> float:
        """When something of it is too late."""
        return min([self.deadline, *(engine.kill_at for engine in self.engines)])

    def kill_late(self, now: float) -> None:
        """End the engines that were told to end, and have not."""
        for engine in self.engines:
            if engine.kill_at <= now:
                engine.kill_at = float("inf")
                engine.kill()

    def announce_to(self, front: Slot, identity: str, fronts: int) -> None:
        """Tell a front, which is one of so many, that this version of a deployment takes over."""
        self.fronts.add(front)
        self.unconfirmed.add(front)
        paths = [engine.path for engine in self.engines]
        first = front.number * len(paths) // fronts % len(paths)
        front.tell(Live(identity, self.number, self.source, paths, first))

    def end(self) -> None:
        """Let its engines end, and remove what it left."""
        self.deadline = float("inf")
        self.engines = [engine for engine in self.engines if engine.process is not None]
        for engine in self.engines:
            engine.end()
        shutil.rmtree(self.config.copy, ignore_errors=True)


def _seen(loaded: Loaded) -> Mapping[str, Any]:
    """What a caller sees of a model."""
    return {"inputs": loaded.inputs, "outputs": loaded.outputs}
