"""Where log lines go and what they look like. Only doors call this; libraries just log."""

import logging
import sys

logger = logging.getLogger("paddle_serving_server")

_CONTROL = {c: f"\\x{c:02x}" for c in [*range(32), 127]} | {ord("\n"): "\\n", ord("\t"): " "}


class _OneLine(logging.Formatter):
    """One record, one line: what came from a caller cannot forge another record."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = record.message.translate(_CONTROL)
        return super().formatMessage(record)


def configure(level: str, process: str) -> None:
    """Send log lines of `level` and above to stderr, marked with the name of this process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine(f"%(asctime)s %(levelname)-7s [{process}] %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
