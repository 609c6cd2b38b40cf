"""How a service file gets into a server: it is run as a script, and what it would start is collected instead.

One way of writing serves both uses: `python service.py` starts a server of its own (by becoming
`python -m paddle_serving_server.serve --service service.py`), and `serve --service service.py` hosts it with others.
"""

import contextlib
import runpy
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from paddle_serving_client.errors import BadConfig

if TYPE_CHECKING:  # only for types: this module is imported by that one
    from paddle_serving_server.web_service import WebService

_collected: "list[WebService] | None" = None


def is_hosted() -> bool:
    """Whether a server is running this file to collect its services."""
    return _collected is not None


def collect(service: "WebService") -> None:
    """Hand a service to the server that runs this file."""
    assert _collected is not None
    _collected.append(service)


def services_of(file: str | Path, argv: Sequence[str] = ()) -> "list[WebService]":
    """Run a service file and return the services it would have started.

    Args:
        file: a Python file that makes a `WebService` and calls its `run_web_service`.
        argv: what the file finds in `sys.argv` behind its own name.

    Raises:
        BadConfig: there is no such file, or it starts no service.
    """
    global _collected
    path = Path(file).resolve()
    if not path.is_file():
        raise BadConfig(f"service file {file} does not exist")
    collected: list[WebService] = []
    _collected = collected
    try:
        with _as_script(path, argv):
            runpy.run_path(str(path), run_name="__main__")
    finally:
        _collected = None
    if not collected:
        raise BadConfig(f"service file {file} starts no service: it has to call run_web_service() on a WebService")
    return collected


@contextlib.contextmanager
def _as_script(path: Path, argv: Sequence[str]) -> Iterator[None]:
    """What a script finds: its own arguments, and its folder first on the import path."""
    before = sys.argv
    sys.argv = [str(path), *argv]
    sys.path.insert(0, str(path.parent))
    try:
        yield
    finally:
        sys.argv = before
