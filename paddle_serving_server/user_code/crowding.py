"""How many calls of user code run at once: so many that the event loop still gets the interpreter when it needs it.

Python runs one thread at a time. Steps that compute in it gain nothing from a second thread, and the event loop, which
has to wait for all of them whenever it has let go of the interpreter for a moment, could not even refuse what is too
much. Steps that wait for something else, or compute in a library that lets go of the interpreter, do gain. Which they
are shows in how late the event loop hears that a call has ended.
"""

from typing import Final

LATE_S: Final = 0.0008
"""Later than this on average, and fewer calls are let run ..."""
PROMPT_S: Final = 0.0003
"""... and earlier, more."""
_WEIGHT: Final = 1 / 16
"""Of the newest call in the average."""
_CALLS: Final = 32
"""Calls between two changes: the average has to show what the last change has done."""


class Crowding:
    """The number, of one front."""

    def __init__(self, most: int, least: int) -> None:
        self.most = self._highest = most
        """Calls that may run at once now."""
        self._least = min(most, least)
        self._late_s = 0.0
        self._calls = 0

    def heard(self, late_s: float) -> bool:
        """The event loop has heard of the end of a call, so many seconds after it; whether more may run now."""
        self._late_s += (late_s - self._late_s) * _WEIGHT
        self._calls += 1
        if self._calls < _CALLS:
            return False
        self._calls = 0
        if self._late_s > LATE_S:
            self.most = max(self._least, self.most - 1)
        elif self._late_s < PROMPT_S and self.most < self._highest:
            self.most += 1
            return True
        return False
