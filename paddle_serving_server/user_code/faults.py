"""The net under every call: whatever is raised becomes an error that its caller is told, and no call waits for ever.

Protocols catch `BaseException` in one place each and hand it to `as_error`; what they say then is theirs.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable
from typing import Final, TypeVar

from paddle_serving_client.errors import Busy, DeadlineExceeded, ServingError

logger = logging.getLogger(__name__)

_LATE_S: Final = 0.05
"""So much later than a deadline it is looked after here: whoever else keeps it says more of what was late."""
_BUSY_S: Final = 1.0
"""How often the log says that calls are refused because there are too many: a line costs more than a refusal."""
_Result = TypeVar("_Result")


def as_error(raised: BaseException, what: str) -> ServingError:
    """What the caller of a call is told. The log gets the whole.

    Args:
        raised: by whoever was to answer the call.
        what: the call, for the log.

    Raises:
        BaseException: `raised` again, where the task at hand was called off: nobody waits.
    """
    if isinstance(raised, Busy):
        _too_much.note(what, raised)
        return raised
    if isinstance(raised, ServingError):
        logger.info("refused %s: %s", what, raised)
        return raised
    if isinstance(raised, asyncio.CancelledError | GeneratorExit) and _is_called_off():
        raise raised
    logger.error("failed %s", what, exc_info=raised)
    return ServingError("internal error")


async def in_time(call: Awaitable[_Result], deadline: float) -> _Result:
    """Wait for an answer until shortly behind its deadline, on the clock of `time.monotonic`; inf: for ever.

    Raises:
        DeadlineExceeded: there is none by then.
    """
    if deadline == math.inf:
        return await call
    try:
        async with asyncio.timeout(deadline - time.monotonic() + _LATE_S):
            return await call
    except TimeoutError as exc:
        if isinstance(exc, ServingError):
            raise
        raise DeadlineExceeded("no answer within the time given") from exc


class _TooMuch:
    """What the log says of calls that are refused because there are too many."""

    def __init__(self) -> None:
        self._said_at = -math.inf
        self._unsaid = 0

    def note(self, what: str, raised: Busy) -> None:
        """One more is refused."""
        now = time.monotonic()
        if now - self._said_at < _BUSY_S:
            self._unsaid += 1
            return
        more = f", and {self._unsaid} more since this was said last" if self._unsaid else ""
        logger.info("refused %s: %s%s", what, raised, more)
        self._said_at, self._unsaid = now, 0


_too_much: Final = _TooMuch()


def _is_called_off() -> bool:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs: it is being closed
        return True
    return task is None or task.cancelling() > 0
