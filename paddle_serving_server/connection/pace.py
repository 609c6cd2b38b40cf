"""How slowly a peer may send what it has begun."""

import time
from typing import Final

LEAST_BYTES_PER_S: Final = 1 << 10
HALF_S: Final = 2.0
"""How long a message that is half there is waited for when the server stops, in seconds."""


class Pace:
    """The deadline of a message that is coming: whoever is slower than the least over any stretch is cut off.

    What came fast before buys no time: each stretch has to bring its part, or the rest of the message.
    """

    __slots__ = ("_least", "_since", "_some", "_stretch_s")

    def __init__(self, stretch_s: float) -> None:
        """`stretch_s`: the longest time in which as good as nothing may come, in seconds."""
        self._stretch_s = stretch_s
        self._least = LEAST_BYTES_PER_S * stretch_s
        self.start()

    def start(self) -> None:
        """A message begins."""
        self._since = time.monotonic()
        self._some = 0

    def came(self, count: int) -> None:
        """So many bytes of it came."""
        self._some += count
        if self._some >= self._least:
            self.start()

    @property
    def deadline(self) -> float:
        """When the next part must be there, on the clock of `time.monotonic`."""
        return self._since + self._stretch_s
