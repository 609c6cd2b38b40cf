"""Where an engine process takes its model from: the private copy of its version, which its first instance makes.

A bare model is converted first; the copy is one of what it was converted to.
"""

import contextlib
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

from paddle_serving_app import layout
from paddle_serving_client.errors import ServingError
from paddle_serving_server.engine import repository
from paddle_serving_server.engine.settings import EngineConfig
from paddle_serving_server.process import control


class Unchanged(Exception):
    """The folder holds what is served already."""


@contextlib.contextmanager
def taken(config: EngineConfig, line: socket.socket) -> Iterator[Path]:
    """The folder to load from, inside the `with`; errors raised there name the folder that the files came from.

    Raises:
        Unchanged: there is nothing new; the supervisor was told.
        BadModel: there is no model, it cannot be converted, or its files do not come to rest.
    """
    copy = Path(config.copy)
    if config.copy and copy.is_dir():  # another instance was here, or this one before it died
        with _named(copy, config.spec.folder):
            yield copy
        return
    source = repository.newest(config.spec.folder, config.skip)
    if not config.copy:
        yield source.folder
        return
    control.send(line, control.Taking(str(source.folder), source.number))
    served = layout.served(source.folder)
    with _named(served, str(source.folder)), _named(copy, str(source.folder)):
        folder = repository.copied(served, copy)
        if config.unlike and folder == copy and repository.is_same(copy, Path(config.unlike)):
            control.send(line, control.Unchanged())
            raise Unchanged
        yield folder


@contextlib.contextmanager
def _named(copy: Path, source: str) -> Iterator[None]:
    """Errors and log lines about the copy name what it was made of: nobody knows the copy."""

    def renamed(record: logging.LogRecord) -> bool:
        record.msg, record.args = record.getMessage().replace(str(copy), source), ()
        return True

    for handler in logging.getLogger().handlers:
        handler.addFilter(renamed)
    try:
        yield
    except ServingError as exc:
        raise type(exc)(str(exc).replace(str(copy), source)) from exc
