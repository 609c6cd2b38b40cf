"""What an engine process does that runs user code, from loading it to its end; see `worker.main`."""

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import asdict
from typing import Final, NoReturn

from paddle_serving_app import handler as handlers
from paddle_serving_app.handler import HandlerContext
from paddle_serving_client.errors import ServingError
from paddle_serving_server.engine import handler_worker, repository
from paddle_serving_server.engine.asking import Asker
from paddle_serving_server.engine.handler_lines import HandlerLines
from paddle_serving_server.engine.handler_worker import HandlerWorker
from paddle_serving_server.engine.settings import EXIT_CANNOT_START, EngineConfig
from paddle_serving_server.process import control, forks, log

logger = logging.getLogger(__name__)

_END_S: Final = 5.0
"""How long user code may still work when it is over; the supervisor waits as long before it ends the process."""
_LONGEST_LINE: Final = 4096


def run(config: EngineConfig, listener: socket.socket, line: socket.socket) -> int:
    """Load the handler of a deployment, and answer until the supervisor says stop; returns the exit status."""
    spec, supervisor = config.spec, os.getppid()
    assert spec.handler is not None
    name = repository.title_of(spec.handler.path)
    _print_into_log(spec.log_level, spec.handler.title or f"handler {name}")
    forks.take_from_children(())
    started = time.monotonic()
    asker = Asker()
    control.send(line, control.Taking(spec.handler.path, None))
    control.send(line, control.Loading("loading user code"))
    try:
        handler = handlers.load(spec.handler, HandlerContext(name, asker, config.instance))
    except ServingError as exc:
        control.send(line, control.Failed.because(str(exc)))
        return EXIT_CANNOT_START
    except BaseException as exc:
        logger.exception("the handler cannot be loaded")
        control.send(line, control.Failed.because(f"{spec.handler.path}: {type(exc).__name__}: {exc}"))
        return EXIT_CANNOT_START
    seconds = time.monotonic() - started
    logger.info("%s loaded in %.1f s", spec.handler.path, seconds)
    lines = HandlerLines(listener, line, handler_worker.hello(handler, spec.handler.kind, seconds))
    asker.attach(lines)
    worker = HandlerWorker(handler, spec, lines)
    loaded = control.Loaded(
        backend=spec.handler.kind,
        seconds=round(seconds, 3),
        instances=spec.instances or 1,
        inputs=[asdict(i) for i in handler.signature.inputs],
        outputs=[asdict(o) for o in handler.signature.outputs],
        plan={"table": []},
    )
    control.send(line, loaded)
    threading.Thread(target=_listen, args=(lines, supervisor), name="lines", daemon=True).start()
    status = worker.serve()
    try:
        handler.close()
    except Exception:
        logger.exception("the handler failed at its end")
    return _leave(status, supervisor)


def _listen(lines: HandlerLines, supervisor: int) -> None:
    """Serve the lines; when that is over, user code has some time left."""
    lines.serve()
    time.sleep(_END_S)
    _leave(0, supervisor)


def _leave(status: int, supervisor: int) -> NoReturn:
    """End, whatever threads of user code do. What it has forked is ended by the supervisor, if there still is one."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    if os.getppid() != supervisor and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(status)


def _print_into_log(level: str, name: str) -> None:
    """What user code and its libraries print goes into the log, a line at a time, marked with its name."""
    errors = os.fdopen(os.dup(2), "w", buffering=1)
    sys.stderr = errors
    log.configure(level, name)
    reading, writing = os.pipe()
    os.dup2(writing, 1)
    os.dup2(writing, 2)
    os.close(writing)
    sys.stdout = os.fdopen(os.dup(1), "w", buffering=1, errors="replace")
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="replace")
    threading.Thread(target=_log_lines, args=(reading,), name="printed", daemon=True).start()


def _log_lines(reading: int) -> None:
    rest = b""
    while data := os.read(reading, 65536):
        *lines, rest = (rest + data).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        for text in lines:
            if text.strip():
                logger.info("%s", text[:_LONGEST_LINE].decode(errors="replace"))
