"""What `python -m paddle_serving_server.torchserve` does: a server by TorchServe's flags and files."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from paddle_serving_client import __version__
from paddle_serving_client.errors import BadConfig, ServingError
from paddle_serving_server.config.torchserve import command_line, key_file, served, snapshot_files
from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.engine.settings import EXIT_BAD_START
from paddle_serving_server.process import log, process_info, requirements
from paddle_serving_server.supervisor.runtime import Supervisor

_MODULE: Final = "paddle_serving_server.torchserve"


def main(argv: Sequence[str]) -> int:
    """Do what the command line says; returns the exit status."""
    try:
        command = command_line.parse(argv)
        if command.verb == "version":
            print(f"paddle-serving-next {__version__}, in the place of TorchServe")  # noqa: T201
            return 0
        if command.verb == "stop":
            for line in process_info.stop(command.config.inference.port, hard=False):
                print(line)  # noqa: T201
            return 0
        config, notes = served.server(command.config, command.snapshots)
        if not command.is_foreground:
            return _in_background(argv)
        log.configure(config.log_level, "serve")
        for note in notes:
            log.logger.warning("%s", note)
        requirements.check()
        with _keys(config):
            _write_snapshot(config)
            return Supervisor(config).run()
    except ServingError as exc:
        print(f"error: {exc}", file=sys.stderr)  # noqa: T201
        return EXIT_BAD_START


def _in_background(argv: Sequence[str]) -> int:
    """The same command in a session of its own: it goes on when the terminal is closed."""
    command = [sys.executable, "-m", _MODULE, *argv, "--foreground"]
    subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    return 0


@contextlib.contextmanager
def _keys(config: ServerConfig) -> Iterator[None]:
    """The file with the tokens, as long as the server runs."""
    rules = config.torchserve
    assert rules is not None
    Path(key_file.NAME).unlink(missing_ok=True)
    if not rules.key_file:
        yield
        return
    try:
        key_file.create(rules.key_file, rules.token_minutes)
    except OSError as exc:
        raise BadConfig(f"the tokens cannot be written to {rules.key_file}: {exc.strerror}") from exc
    log.logger.info("the tokens of this server are in %s", rules.key_file)
    try:
        yield
    finally:
        Path(rules.key_file).unlink(missing_ok=True)


def _write_snapshot(config: ServerConfig) -> None:
    assert config.torchserve is not None
    if not config.torchserve.snapshots:
        return
    try:
        snapshot_files.write(config.torchserve, "startup", config.models)
    except OSError as exc:
        log.logger.error("what is registered cannot be written down: %s", exc)
