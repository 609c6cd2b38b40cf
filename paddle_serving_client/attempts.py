"""What is tried again, and when: shared by whoever calls a server, blocking or not."""

import math
import random
import ssl
import time
from typing import Final

from paddle_serving_client.brpc_connection import reason_of
from paddle_serving_client.errors import (
    BadPacket,
    Busy,
    DeadlineExceeded,
    ServingError,
    Stopping,
    TooLarge,
    Unreachable,
)
from paddle_serving_client.wire.http1 import ReplyReader
from paddle_serving_client.wire.reply import Reply

FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 2.0
_CLOCK_SLACK_S: Final = 0.01


class Failed(Exception):
    """One attempt failed."""

    def __init__(self, error: ServingError, may_repeat: bool = False, is_unanswered: bool = False) -> None:
        """Say what it ended with.

        Args:
            error: for the caller.
            may_repeat: nothing of an answer had come, and another attempt may fare better.
            is_unanswered: there was a connection, and it was closed without an answer.
        """
        super().__init__(error)
        self.error = error
        self.may_repeat = may_repeat
        self.is_unanswered = is_unanswered


class Attempts:
    """Those of one call: they share a deadline, are few, and wait between each other, each time longer."""

    def __init__(self, timeout_s: float, retries: int) -> None:
        """Begin: `timeout_s` is for all of them, `retries` how many there may be besides the first."""
        self.timeout_s = timeout_s
        self.deadline = time.monotonic() + timeout_s
        self._left = retries
        self._pause_s = FIRST_PAUSE_S

    def pause_s(self, error: ServingError, may_repeat: bool) -> float:
        """How long to wait before the next attempt, with some chance in it so that callers do not come together.

        Args:
            error: what the last one ended with.
            may_repeat: whether that was before an answer began.

        Raises:
            ServingError: `error`, where there is no other attempt, or no time for one.
        """
        is_refused = isinstance(error, Busy | Stopping)
        pause_s = self._pause_s * random.uniform(0.5, 1.5)
        if isinstance(error, Busy):
            pause_s = max(pause_s, error.retry_after_s * random.uniform(1.0, 1.25))
        if not (may_repeat or is_refused) or self._left <= 0 or time.monotonic() + pause_s >= self.deadline:
            raise error
        self._left -= 1
        self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2)
        return pause_s


def failure(exc: Exception, server: object, reply: Reply | None, deadline: float, timeout_s: float) -> Failed:
    """What a failed attempt is, in our words.

    Args:
        exc: OSError, EOFError, BadPacket or TooLarge.
        server: who was asked.
        reply: what has come of the answer; None: there was no connection.
        deadline: on the clock of `time.monotonic`.
        timeout_s: how long that was, for the text.
    """
    came = reply is not None and reply.came
    if isinstance(exc, TimeoutError) and time.monotonic() > deadline - _CLOCK_SLACK_S:
        span = f"{timeout_s * 1000:.0f} ms" if timeout_s != math.inf else "the time there was"
        return Failed(DeadlineExceeded(f"{server}: no answer within {span}"))
    if isinstance(exc, TooLarge):
        return Failed(TooLarge(f"{server}: {exc}"))
    if isinstance(exc, BadPacket):
        speaks = "an HTTP" if isinstance(reply, ReplyReader) else "an RPC"
        return Failed(BadPacket(f"{server} does not answer as {speaks} server: {exc}"))
    if isinstance(exc, ssl.SSLError) and not isinstance(exc, ssl.SSLEOFError):
        why = exc.verify_message if isinstance(exc, ssl.SSLCertVerificationError) else exc.reason or str(exc)
        return Failed(Unreachable(f"{server}: no TLS connection: {why}"))
    if came:
        return Failed(Unreachable(f"{server} closed the connection in the middle of the answer"))
    if reply is None and isinstance(exc, OSError) and not isinstance(exc, ssl.SSLError):
        return Failed(Unreachable(f"{server}: {reason_of(exc)}"), may_repeat=True)
    return Failed(Unreachable(f"{server} closed the connection without an answer"), True, is_unanswered=True)
