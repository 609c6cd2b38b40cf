"""What `python -m paddle_serving_server.torchserve` does: a server by TorchServe's flags and files."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from paddle_serving_client import __version__
from paddle_serving_client.errors import ServingError
from paddle_serving_server.config.torchserve import command_line, served
from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.engine.settings import EXIT_BAD_START
from paddle_serving_server.process import log, process_info, requirements
from paddle_serving_server.supervisor.runtime import Supervisor

KEY_FILE: Final = "key_file.json"
"""The tokens, in the current folder, as TorchServe writes them."""
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
        config, notes = served.server(command.config)
        if not command.is_foreground:
            return _in_background(argv)
        log.configure(config.log_level, "serve")
        for note in notes:
            log.logger.warning("%s", note)
        requirements.check()
        _write_keys(config)
        return Supervisor(config).run()
    except ServingError as exc:
        print(f"error: {exc}", file=sys.stderr)  # noqa: T201
        return EXIT_BAD_START


def _in_background(argv: Sequence[str]) -> int:
    """The same command in a session of its own: it goes on when the terminal is closed."""
    command = [sys.executable, "-m", _MODULE, *argv, "--foreground"]
    subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    return 0


def _write_keys(config: ServerConfig) -> None:
    """The tokens for who may read this file: its owner alone."""
    assert config.torchserve is not None
    path = Path(KEY_FILE)
    path.unlink(missing_ok=True)
    if not config.manage_token:
        return
    keys = {"management": {"key": config.manage_token}, "inference": {"key": config.torchserve.inference_token}}
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        json.dump(keys, out, indent=2)
    log.logger.info("the tokens of this server are in %s", path.absolute())
