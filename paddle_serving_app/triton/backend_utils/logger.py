"""`Logger`: what a model.py logs goes where the server's own log goes."""

import logging
from typing import Final

_logger = logging.getLogger("paddle_serving.model")


class LogLevel:
    """How urgent a line is."""

    INFO: Final = 0
    WARNING: Final = 1
    ERROR: Final = 2
    VERBOSE: Final = 3


_LEVELS: Final = {
    LogLevel.INFO: logging.INFO,
    LogLevel.WARNING: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
    LogLevel.VERBOSE: logging.DEBUG,
}


class Logger(LogLevel):
    """Writes lines; `log_error` names its line as the one that logs."""

    @staticmethod
    def log(message: str, level: int = LogLevel.INFO) -> None:
        """Write a line."""
        _logger.log(_LEVELS.get(level, logging.INFO), "%s", message, stacklevel=2)

    @staticmethod
    def log_info(message: str) -> None:
        """Write a line that is of interest."""
        _logger.info("%s", message, stacklevel=2)

    @staticmethod
    def log_warn(message: str) -> None:
        """Write a line about what should be changed."""
        _logger.warning("%s", message, stacklevel=2)

    @staticmethod
    def log_error(message: str) -> None:
        """Write a line about what went wrong."""
        _logger.error("%s", message, stacklevel=2)

    @staticmethod
    def log_verbose(message: str) -> None:
        """Write a line for those who look for something."""
        _logger.debug("%s", message, stacklevel=2)
