"""Who may enter a service with steps of its own: so many at once, and nobody who would not be done in time.

What is refused here costs next to nothing: nothing of it was read, and nothing is kept. What is let in is expected to
be answered before its deadline, so that no work is done for nobody, however many ask.

    admission.check(deadline)            # before a body is read: raises Busy
    with admission.enter(deadline):      # for as long as the request is inside
        ...
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from paddle_serving_client.errors import Busy

_CAREFUL: Final = 0.8
"""What part of the time left a request may be expected to take: steps take now more, now less."""
_NEWS: Final = 0.2
"""How much the last time of a step counts in its mean."""
_LONGEST_RETRY_S: Final = 30.0
_RETRY_STUCK_S: Final = 10.0
"""About when another front is there in the place of one whose threads all hang."""


@dataclass(frozen=True, slots=True)
class Room:
    """What may be inside a service at once."""

    requests: int
    size: int
    """Bytes of their messages ..."""
    of_any_size: int
    """... which are not looked at while fewer requests than these are inside: what runs is no queue."""

    @classmethod
    def beside(cls, threads: int, requests: int, size: int) -> "Room":
        """The room of a service that so many threads work for.

        Args:
            threads: those that run steps.
            requests: at most; 0: enough for batches, and few enough for memory.
            size: of all their messages, in bytes.
        """
        return cls(requests or 64 + 16 * threads, size, threads + 1)


class Mean:
    """How long a step takes, in seconds: the last times count most. Threads write it: a lost time does no harm."""

    __slots__ = ("s",)

    def __init__(self) -> None:
        self.s = 0.0

    def add(self, seconds: float) -> None:
        """One more time."""
        self.s += (seconds - self.s) * _NEWS if self.s else seconds


class Admission:
    """Counts who is inside one service of one front. Everything happens on the event loop."""

    def __init__(self, service: str, room: Room, expected_s: Callable[[], tuple[float, float]]) -> None:
        """Guard a service.

        Args:
            service: its name.
            room: what may be inside.
            expected_s: how long one more would wait and then take, in seconds; inf: it would never begin.
        """
        self._service = service
        self._room = room
        self._expected_s = expected_s
        self.inside = 0
        """Requests that are not answered yet."""
        self.inside_bytes = 0
        """What their messages take."""

    def check(self, deadline: float, size: int = 0) -> None:
        """Refuse one more request, if it must be.

        Args:
            deadline: of the request, on the clock of `time.monotonic`.
            size: of its message, in bytes.

        Raises:
            Busy: too much is inside, or it would not be answered in time.
        """
        wait_s, own_s = self._expected_s()
        if wait_s == math.inf:
            reason = f"nothing is left that could run the steps of service {self._service!r}: they hang"
            raise Busy(reason, _RETRY_STUCK_S)
        room, retry_s = self._room, min(wait_s, _LONGEST_RETRY_S)
        if self.inside >= room.requests:
            raise Busy(f"{self.inside} requests are inside service {self._service!r} already; try again later", retry_s)
        if self.inside >= room.of_any_size and self.inside_bytes + size > room.size:
            taken = f"{self.inside} requests of {self.inside_bytes} bytes"
            raise Busy(f"{taken} are inside service {self._service!r} already; try again later", retry_s)
        if wait_s > 0 and wait_s + own_s > _CAREFUL * (deadline - time.monotonic()):
            reason = f"requests for service {self._service!r} wait for about {wait_s:.3g} s now"
            raise Busy(f"{reason}: this one would not be answered in time; try again later", retry_s)

    def enter(self, deadline: float, size: int = 0) -> "_Place":
        """Let one more request in, until the end of the `with` block.

        Raises:
            Busy: see `check`.
        """
        self.check(deadline, size)
        return _Place(self, size)


class _Place:
    """What a request takes inside."""

    __slots__ = ("_admission", "_size")

    def __init__(self, admission: Admission, size: int) -> None:
        self._admission = admission
        self._size = size

    def __enter__(self) -> None:
        self._admission.inside += 1
        self._admission.inside_bytes += self._size

    def __exit__(self, *error: object) -> None:
        self._admission.inside -= 1
        self._admission.inside_bytes -= self._size
