"""Files of a pipeline's log, where they are wanted: `PipelineServingLogs/pipeline.log`, `.log.wf` and `.tracer`.

They are written where `SERVING_LOG_PATH` says, or, for a pipeline with a tracer, in the current folder. Lines are those
of Paddle Serving: `LEVEL time [file:line] message`; of the tracer `time message`.
"""

import logging
import os
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

FOLDER: Final = "PipelineServingLogs"
_MAX_BYTES: Final = 512_000_000
_FORMAT: Final = "%(levelname)s %(asctime)s [%(filename)s:%(lineno)d] %(message)s"
TRACER: Final = "paddle_serving_server.graph.pipeline.tracer"
"""The logger whose lines have a file of their own."""


def open_files(has_tracer: bool) -> None:
    """Write the log of this process to files too, if that is wanted and they are not open yet."""
    path = os.environ.get("SERVING_LOG_PATH", "")
    if not (path or has_tracer) or logging.getLogger(TRACER).handlers:
        return
    folder = Path(path) / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        everything = _file(folder / "pipeline.log", 20, logging.INFO, _FORMAT)
        warnings = _file(folder / "pipeline.log.wf", 10, logging.WARNING, _FORMAT)
        tracer = _file(folder / "pipeline.tracer", 5, logging.INFO, "%(asctime)s %(message)s")
    except OSError as exc:
        logger.warning("no log files are written to %s: %s", folder, exc.strerror)
        return
    for handler in (everything, warnings):
        logging.getLogger().addHandler(handler)
    logging.getLogger(TRACER).addHandler(tracer)
    logging.getLogger(TRACER).propagate = False


def _file(path: Path, backups: int, level: int, form: str) -> logging.Handler:
    handler = RotatingFileHandler(path, maxBytes=_MAX_BYTES, backupCount=backups, encoding="utf-8")
    handler.setLevel(level)
    handler.setFormatter(logging.Formatter(form))
    return handler
