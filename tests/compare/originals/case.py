"""A script of the examples, and what it needs."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SERVE = "python3 -m paddle_serving_server.serve"
SCALE = "save_infer_model/scale_0"
"""What outputs of many models are called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A script, run unmodified."""

    group: str
    folder: str
    script: str
    """The command of the client, or of the only script."""
    expects: str
    """A regular expression that its output must contain."""
    servers: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """Commands of the servers, and the ports they listen on."""
    models: tuple[tuple[str, str, str | None], ...] = ()
    """Which stand-in, its server folder, and its client folder."""
    supplied: str = ""
    """What else was put beside it, in words."""
    prepare: Callable[[Path], None] | None = None
    """Puts it there."""
    stdin: str = ""
    stubs: tuple[str, ...] = ()
    """Folders of `stubs` that the client imports from."""
    server_stubs: tuple[str, ...] = ()
    original: bool = True
    """Whether a client with the original packages is to be run, too."""
    fails: str = ""
    """Why the script is known to fail; its output contains `expects` even so."""
    before: tuple[str, ...] = ()
    """Commands that come first."""
    beside: tuple[str, ...] = ()
    """Other folders of examples that it uses."""
    writes: tuple[str, ...] = ()
    """Files that it must write."""


def on_cpu(folder: Path) -> None:
    """The config without its GPU."""
    config = folder / "config.yml"
    config.write_text(re.sub(r"device_type: *\d", "device_type: 0", config.read_text()))
