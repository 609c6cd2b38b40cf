"""One timer for the deadlines of many: mostly one alarm serves thousands of them."""

import asyncio
import math
import time
from collections.abc import Callable


class Alarm:
    """Rings when the earliest deadline passes. Everything happens on the event loop."""

    def __init__(self, on_ring: Callable[[float], float]) -> None:
        """Make one on the event loop.

        Args:
            on_ring: deals with those whose deadline has passed at the time given, on the clock of `time.monotonic`;
                says the earliest deadline of the others, inf where there is none.
        """
        self._on_ring = on_ring
        self._loop = asyncio.get_running_loop()
        self._next = math.inf

    def by(self, deadline: float) -> None:
        """Ring at this time, if not before."""
        if deadline < self._next:
            self._next = deadline
            self._loop.call_later(max(0.0, deadline - time.monotonic()), self._ring, deadline)

    def _ring(self, deadline: float) -> None:
        if deadline != self._next:
            return  # an earlier one took its place
        following = self._on_ring(time.monotonic())
        self._next = math.inf
        self.by(following)
