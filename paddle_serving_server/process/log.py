"""Where log lines go and what they look like. Only programs call this; libraries just log."""

import logging
import os
import sys
from logging.handlers import WatchedFileHandler
from pathlib import Path

logger = logging.getLogger("paddle_serving_server")

_CONTROL = {c: f"\\x{c:02x}" for c in [*range(32), 127]} | {ord("\n"): "\\n", ord("\t"): " "}


class _OneLine(logging.Formatter):
    """One record, one line: what came from a caller cannot forge another record."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = record.message.translate(_CONTROL)
        return super().formatMessage(record)


def configure(level: str, process: str) -> None:
    """Send log lines of `level` and above to stderr, marked with the name of this process.

    Where `$SERVING_LOG_PATH` names a folder they go into `log/serving.INFO` there, too; all processes append to it.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    handlers[0].setFormatter(_OneLine(f"%(asctime)s %(levelname)-7s [{process}] %(message)s", "%H:%M:%S"))
    failure: OSError | None = None
    if where := os.environ.get("SERVING_LOG_PATH"):
        file = Path(where) / "log" / "serving.INFO"
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            handlers.append(WatchedFileHandler(file, encoding="utf-8"))
            handlers[1].setFormatter(_OneLine(f"%(asctime)s %(levelname)-7s [{process}] %(message)s"))
        except OSError as exc:
            failure = exc
    logging.basicConfig(level=level.upper(), handlers=handlers, force=True)
    logging.captureWarnings(True)
    if failure is not None:
        logger.warning("SERVING_LOG_PATH: nothing is written there: %s", failure)
