"""How fast an engine answers while it has something to do: what those that wait will still have to wait."""

from typing import Final

from paddle_serving_client.errors import Busy

_CAREFUL: Final = 0.8
"""What part of the time left a request may be expected to wait: the next ones may take longer than the last."""
_ENOUGH: Final = 8
"""Answers from which on there is a pace: the first ones are slow."""
_MEMORY: Final = 256
"""Answers after which the older ones count half."""


class Pace:
    """The pace of one line to an engine. It is that of answers, whatever they are made of: batches, other fronts."""

    __slots__ = ("_answers", "_busy_s", "_since")

    def __init__(self) -> None:
        self._busy_s = 0.0
        self._answers = 0
        self._since = 0.0

    def begin(self, now: float) -> None:
        """The line was idle until now."""
        self._since = now

    def answered(self, now: float, calls: int) -> None:
        """An answer came for so many calls."""
        self._busy_s += now - self._since
        self._since = now
        self._answers += calls
        if self._answers > _MEMORY:
            self._busy_s /= 2
            self._answers //= 2

    def expected_s(self, calls: int) -> float:
        """How long so many calls take together, in seconds; 0 where too little is known yet."""
        return self._busy_s / self._answers * calls if self._answers >= _ENOUGH else 0.0

    def refuse_late(self, calls: int, left_s: float) -> None:
        """Refuse a call that would not be answered in time: it would only keep others from being so.

        Args:
            calls: those that wait, with this one.
            left_s: until its deadline, in seconds.

        Raises:
            Busy: so it is, as far as the pace of before tells.
        """
        wait_s = self.expected_s(calls)
        if wait_s > _CAREFUL * left_s:
            reason = f"requests for this model wait for about {wait_s:.3g} s now"
            raise Busy(f"{reason}: this one would not be answered in time; try again later", wait_s)
