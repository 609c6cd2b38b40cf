"""What `paddle_serving_server.tritonserver` does: a server by Triton's flags, with the models of its repositories."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Sequence
from typing import Final

from paddle_serving_client import program
from paddle_serving_client.errors import BadConfig, ServingError
from paddle_serving_server.config.triton import command_line, served
from paddle_serving_server.config.triton.entries import Repositories
from paddle_serving_server.config.triton.flags import TritonFlags
from paddle_serving_server.config.values import ServedModel
from paddle_serving_server.engine.settings import EXIT_BAD_START
from paddle_serving_server.process import log, requirements
from paddle_serving_server.supervisor.model_list import ModelList
from paddle_serving_server.supervisor.runtime import Supervisor

_HELP: Final = """usage: {name} --model-repository=FOLDER [--flag=value ...]

Serve the models of Triton's repositories, at Triton's ports, by Triton's flags.

These change something: {flags}
These of Triton's are taken and have no effect, or are refused with a reason: {others}
"""


def main(argv: Sequence[str]) -> int:
    """Serve until a signal says stop; returns the exit status."""
    try:
        flags = command_line.parse(argv)
        if flags.wants_help:
            sys.stdout.write(_help())
            return 0
        if flags.log_file:
            _log_to(flags.log_file)
        log.configure(flags.log_level, "serve")
        for note in served.notes(flags):
            log.logger.warning("%s", note)
        requirements.check()
        with tempfile.TemporaryDirectory(prefix="paddle-serving-repository-") as uploads:
            return _run(flags, uploads)
    except ServingError as exc:
        print(f"error: {exc}", file=sys.stderr)  # noqa: T201
        return EXIT_BAD_START


def _run(flags: TritonFlags, uploads: str) -> int:
    rules = served.rules(flags, uploads)
    repositories = Repositories(rules, served.say)
    models = served.first_models(flags, repositories)
    for model in models:
        if model.triton is not None and model.triton.fault:
            log.logger.error("failed to load %r: %s", model.name, model.triton.fault)
    return Supervisor(served.server(flags, rules, models), model_list=_polled(flags, repositories, models)).run()


def _polled(
    flags: TritonFlags, repositories: Repositories, models: Sequence[ServedModel]
) -> ModelList | None:  # fmt: skip
    """The repositories, where they are to be looked at again."""
    if flags.control_mode != "poll":
        return None
    return ModelList(repositories.models, flags.poll_s, models)


def _log_to(path: str) -> None:
    """All that this process and its children print goes to a file."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as exc:
        raise BadConfig(f"--log-file {path}: {exc.strerror}") from exc
    with contextlib.closing(os.fdopen(file, "wb")):
        for stream in (1, 2):
            os.dup2(file, stream)


def _help() -> str:
    meaningful = command_line.meaningful()
    others = [name for name in command_line.known() if name not in meaningful]
    name = program.name("python -m paddle_serving_server.tritonserver")
    flags, rest = (", ".join(f"--{flag}" for flag in names) for names in (meaningful, others))
    return _HELP.format(name=name, flags=flags, others=rest)
