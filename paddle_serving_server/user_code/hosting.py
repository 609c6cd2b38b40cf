"""How a service file gets into a server: it is run as a script, and what it would start is collected instead.

One way of writing serves both uses: `python service.py` starts a server of its own (by becoming
`python -m paddle_serving_server.serve --service service.py`), and `serve --service service.py` hosts it with others.
"""

import contextlib
import os
import runpy
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from paddle_serving_client.errors import BadConfig
from paddle_serving_server.user_code import namespaces


class Hosted(Protocol):
    """A service, as far as it is looked at here."""

    name: str
    origin: tuple[str, tuple[str, ...]] | None
    """The file that makes it, and what that finds in `sys.argv`."""


_collected: list[Any] | None = None
_origin: tuple[str, tuple[str, ...]] = ("", ())
"""The file that runs, and what it finds in `sys.argv` behind its own name."""


def is_hosted() -> bool:
    """Whether a server is running this file to collect its services."""
    return _collected is not None


def collect(service: Hosted) -> None:
    """Hand a service to the server that runs this file."""
    assert _collected is not None
    service.origin = _origin
    _collected.append(service)


def services_of(file: str | Path, argv: Sequence[str] = ()) -> list[Any]:
    """Run a service file and return the services it would have started, as they were given to `collect`.

    Args:
        file: a Python file that makes a `WebService` and calls its `run_web_service`.
        argv: what the file finds in `sys.argv` behind its own name.

    Raises:
        BadConfig: there is no such file, or it starts no service.
    """
    global _collected, _origin
    path = Path(file).resolve()
    if not path.is_file():
        raise BadConfig(f"service file {file} does not exist")
    collected: list[Hosted] = []
    _collected, _origin = collected, (str(path), tuple(argv))
    try:
        with _as_script(path, argv):
            space = namespaces.of(path.parent)
            runpy.run_path(str(path), {"__builtins__": space.builtins}, run_name="__main__")
    except Exception:
        raise
    except BaseException as exc:  # `sys.exit()` at the end of a script is no fault
        if not collected:
            raise BadConfig(f"service file {file} starts no service: it raised {exc!r}") from exc
    finally:
        _collected = None
    if not collected:
        raise BadConfig(f"service file {file} starts no service: it has to call run_web_service() or run_service()")
    return collected


@contextlib.contextmanager
def _as_script(path: Path, argv: Sequence[str]) -> Iterator[None]:
    """What a script finds: its own arguments."""
    before = sys.argv
    sys.argv = [str(path), *argv]
    try:
        yield
    finally:
        sys.argv = before


def become_server(flags: Sequence[str]) -> None:
    """End the script that runs here, and go on as a server that hosts its file, with the same arguments.

    Raises:
        BadConfig: there is no such file: the script was typed in.
    """
    file = getattr(sys.modules["__main__"], "__file__", None)
    if file is None:
        raise BadConfig("a server needs the service to be in a file; put it in one and run that")
    sys.stdout.flush()
    sys.stderr.flush()
    command = [sys.executable, "-m", "paddle_serving_server.serve", "--service", file, *flags, "--", *sys.argv[1:]]
    os.execv(sys.executable, command)


@contextlib.contextmanager
def complaints() -> Iterator[None]:
    """What is wrong with a config ends a script that runs by itself, without a traceback, as in Paddle Serving."""
    try:
        yield
    except BadConfig as exc:
        if is_hosted():
            raise
        raise SystemExit(str(exc)) from exc
