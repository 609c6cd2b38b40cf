"""What a server that has bound its port and cannot answer yet says to those who ask."""

import asyncio
import time
from typing import Final

from paddle_serving_client.errors import Starting

MOST_WAITING: Final = 1000
"""Calls of one front that may wait for the end of the start."""
_RETRY_S: Final = 2.0


class Start:
    """From the first bytes that are accepted to the moment when every service can answer."""

    def __init__(self) -> None:
        self.is_going = False
        self._since = 0.0
        self._doing: dict[str, str] = {}
        self._over = asyncio.Event()
        self._waiting = 0

    def begin(self, since: float) -> None:
        """From now on callers are told; `since` is when the start began, on the clock of `time.monotonic`."""
        self.is_going, self._since = True, since

    def note(self, model: str, doing: str) -> None:
        """What is being done for a model now; empty: it is ready."""
        if doing:
            self._doing[model] = doing
        else:
            self._doing.pop(model, None)

    def end(self) -> None:
        """Everybody can be answered."""
        self.is_going = False
        self._over.set()

    @property
    def words(self) -> str:
        """What is being done, and for how long."""
        doing = "; ".join(f"model {model}: {what}" for model, what in self._doing.items()) or "loading"
        return f"starting: {doing} ({time.monotonic() - self._since:.0f} s so far)"

    def refusal(self) -> Starting:
        """What who does not wait is told."""
        return Starting(self.words, _RETRY_S)

    async def over(self, deadline: float) -> None:
        """Wait until every service can answer.

        Raises:
            Starting: that takes beyond the deadline, on the clock of `time.monotonic`, or too many wait.
        """
        if not self.is_going:
            return
        if self._waiting >= MOST_WAITING:
            raise self.refusal()
        self._waiting += 1
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                await self._over.wait()
        except TimeoutError:
            raise self.refusal() from None
        finally:
            self._waiting -= 1
