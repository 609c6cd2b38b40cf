"""`TritonError`, which an answer carries, and `TritonModelException`, which is raised."""

from typing import Final


class TritonModelException(Exception):
    """What a model.py raises, or is told."""


class TritonError:
    """What went wrong with one request; its caller is told."""

    UNKNOWN: Final = 0
    INTERNAL: Final = 1
    NOT_FOUND: Final = 2
    INVALID_ARG: Final = 3
    UNAVAILABLE: Final = 4
    UNSUPPORTED: Final = 5
    ALREADY_EXISTS: Final = 6
    CANCELLED: Final = 7

    def __init__(self, message: object, code: int = INTERNAL) -> None:
        """Take a text (anything else is turned into one) and one of the codes above.

        Raises:
            TritonModelException: there is no such code.
        """
        if code not in range(TritonError.CANCELLED + 1):
            raise TritonModelException(f"there is no code {code!r} of TritonError")
        self._message, self._code = str(message), int(code)

    def message(self) -> str:
        """The text."""
        return self._message

    def code(self) -> int:
        """The code."""
        return self._code

    def __str__(self) -> str:
        return self._message
