"""A version of a model, from its first process to its last."""

import contextlib
import os
import selectors
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from paddle_serving_server.engine.settings import EngineConfig
from paddle_serving_server.process.control import Loaded
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
        title = f"engine {len(self.engines)} of {folder}"
        if self.number > 1:
            title += f", version {self.number}"
        engine = Engine(title, _WORKER, (listening,), self.config.to_json(), selector, path=socket_path)
        self.engines.append(engine)
        engine.start()

    @property
    def is_ready(self) -> bool:
        return self.loaded is not None and all(engine.was_ready for engine in self.engines)
