"""One budget of bytes for all large messages of a front: those that are coming, and those that are worked on.

Memory for a message is taken from here before its bytes are read. It counts until nothing holds it any more, neither
the connection nor a tensor that is a view of it, so the budget is what these messages really take. A message for which
there is no room is not read on meanwhile. Room goes first to the address that holds least of it; when somebody waits
for it, messages that come slowly are cut off, those of the address that holds most before others.
"""

import asyncio
import gc
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Final

import numpy as np

SMALL_BYTES: Final = 64 << 10
"""Messages below this size are not counted: the number of connections bounds them."""
BODIES: Final = 4
"""The budget is so many times the largest message that is taken."""
PATIENCE_S: Final = 2.0
"""How long somebody waits for room until others, who have had it for as long, are asked why they take so long."""
FAST_BYTES_PER_S: Final = 1 << 20
"""Whoever sends faster than this is never cut off for others."""
LONGEST_WAIT_S: Final = 10.0
"""Who has waited for room for so long is refused ..."""
NO_ROOM: Final = "no memory is free for a message of this size now; try again later"
"""... with these words ..."""
TOO_SLOW: Final = "the message came too slowly while others waited for the memory that it takes"
"""... and who is cut off, with these."""


class Claim:
    """What one message takes of the budget, or waits to take."""

    __slots__ = ("_intake", "came", "memory", "on_cut", "on_refused", "on_room", "peer", "since", "size")

    def __init__(
        self,
        intake: "Intake",
        peer: str,
        size: int,
        on_room: Callable[[], None],
        on_refused: Callable[[], None],
        on_cut: Callable[[], None],
    ) -> None:
        self._intake = intake
        self.peer = peer
        self.size = size
        self.on_room = on_room
        self.on_refused = on_refused
        self.on_cut = on_cut
        self.memory: memoryview | None = None
        """As many bytes as were asked for; None while it waits for them."""
        self.came = 0
        """How many bytes of the message came; whoever receives them counts them here."""
        self.since = time.monotonic()
        """When it was asked for; when there is memory: when it was given."""

    def fill(self, pieces: Iterable[bytes | memoryview]) -> None:
        """Put what came of the message until now where the rest will come."""
        assert self.memory is not None
        self.came = 0
        for piece in pieces:
            self.memory[self.came : self.came + len(piece)] = piece
            self.came += len(piece)

    def whole(self) -> memoryview:
        """The message is there: its memory, which counts until nobody holds it."""
        memory = self.memory
        assert memory is not None
        self.drop()
        return memory

    def drop(self) -> None:
        """Nobody waits for the rest of the message."""
        self.memory = None
        self._intake.forget(self)


class Intake:
    """The budget of one front. Everything but the return of memory happens on the event loop."""

    def __init__(self, largest: int) -> None:
        """`largest`: the size of the largest message that is taken, in bytes."""
        self._total = BODIES * largest
        self._loop = asyncio.get_running_loop()
        self._held: Counter[str] = Counter()
        """Bytes by address."""
        self._taken = 0
        self._returned: deque[tuple[str, int]] = deque()
        """Memory that nobody holds any more: threads may say so in the middle of anything, and take no lock."""
        self._waiting: list[Claim] = []
        self._coming: set[Claim] = set()
        self._has_collected = False

    def ask(
        self,
        peer: str,
        size: int,
        on_room: Callable[[], None],
        on_refused: Callable[[], None],
        on_cut: Callable[[], None],
    ) -> Claim:
        """Take memory for a message.

        Args:
            peer: the address it comes from.
            size: in bytes, at most the largest that is taken.
            on_room: told when there is room, unless there is at once.
            on_refused: told when there has been none for too long.
            on_cut: told when the message comes too slowly while others wait.
        """
        claim = Claim(self, peer, size, on_room, on_refused, on_cut)
        self._settle()
        if not self._waiting and self._fits(size):
            self._give(claim)
        else:
            self._waiting.append(claim)
        return claim

    def forget(self, claim: Claim) -> None:
        """A message is whole, or nobody waits for it."""
        self._coming.discard(claim)
        if claim in self._waiting:
            self._waiting.remove(claim)
        self._grant()

    def keep_time(self, now: float) -> None:
        """See who waits too long, and who keeps him waiting; called a few times a second."""
        self._grant()
        if not self._waiting:
            self._has_collected = False
            return
        longest_s = now - min(claim.since for claim in self._waiting)
        if longest_s > PATIENCE_S / 2 and not self._has_collected:
            self._has_collected = True
            gc.collect()  # what only cycles hold, such as the frames of an exception, would never come back
        if longest_s > PATIENCE_S:
            self._cut_slowest(now)
        for claim in [claim for claim in self._waiting if now - claim.since > LONGEST_WAIT_S]:
            if claim in self._waiting:
                self._waiting.remove(claim)
                claim.on_refused()

    def _cut_slowest(self, now: float) -> None:
        slow = [
            claim
            for claim in self._coming
            if now - claim.since > PATIENCE_S and claim.came < FAST_BYTES_PER_S * (now - claim.since)
        ]
        if slow:
            victim = max(slow, key=lambda claim: (self._held[claim.peer], now - claim.since))
            self._coming.discard(victim)
            victim.on_cut()

    # -- what is taken

    def _fits(self, size: int) -> bool:
        return not self._taken or self._taken + size <= self._total

    def _give(self, claim: Claim) -> None:
        memory = np.empty(claim.size, np.uint8)  # a bytearray would be written to at once
        weakref.finalize(memory, self._return, claim.peer, claim.size).atexit = False
        self._taken += claim.size
        self._held[claim.peer] += claim.size
        claim.memory, claim.since = memory.data, time.monotonic()
        self._coming.add(claim)

    def _return(self, peer: str, size: int) -> None:
        """Memory is free, says whatever thread let go of it last."""
        self._returned.append((peer, size))
        if self._waiting and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._grant)

    def _settle(self) -> None:
        while self._returned:
            peer, size = self._returned.popleft()
            self._taken -= size
            self._held[peer] -= size
            if not self._held[peer]:
                del self._held[peer]

    def _grant(self) -> None:
        self._settle()
        while self._waiting:
            claim = min(self._waiting, key=lambda claim: self._held[claim.peer])
            if not self._fits(claim.size):
                return
            self._waiting.remove(claim)
            self._give(claim)
            claim.on_room()
