"""How much a peer may ask of us without letting anything get done: what bounds floods and rapid resets."""

import time


class Impatient(Exception):
    """The peer asks too much for nothing; the text says what."""


class Patience:
    """An amount that is spent by requests for nothing, and comes back with time and with honest work."""

    def __init__(self, most: float, per_s: float) -> None:
        self._most = most
        self._per_s = per_s
        self._left = most
        self._seen = time.monotonic()

    def spend(self, amount: float) -> bool:
        """Take from it; false when nothing is left."""
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._seen) * self._per_s) - amount
        self._seen = now
        return self._left >= 0

    def earn(self, amount: float) -> None:
        """Give back for work that was done."""
        self._left = min(self._most, self._left + amount)
