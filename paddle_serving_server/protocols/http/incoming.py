"""A body while it comes: small ones in the pieces they came in, large ones in memory of the front's budget.

Of a body whose size is not announced the memory doubles as it grows.
"""

from collections.abc import Callable, Iterator
from typing import Final

from paddle_serving_server.connection.flow import Flow
from paddle_serving_server.connection.intake import SMALL_BYTES, Claim
from paddle_serving_server.protocols.http.message import Body

_ROOM: Final = "room"
_BEGUN_BYTES: Final = 16 << 10
"""So much of a large body comes before it gets memory: who only announces one takes none."""
_GROWTH_BYTES: Final = 1 << 20
"""What a body of unknown size gets at first, once it is large."""


class IncomingBody:
    """Bodies of one connection, one after the other. While one waits for memory, nothing is read."""

    def __init__(
        self,
        flow: Flow,
        largest: int,
        on_room: Callable[[], None],
        on_refused: Callable[[], None],
        on_cut: Callable[[], None],
    ) -> None:
        """Have nothing yet.

        Args:
            flow: of the connection.
            largest: the size of the largest body that is taken, in bytes.
            on_room: told when there is memory that was waited for.
            on_refused: told when there has been none for too long.
            on_cut: told when the body comes too slowly while others wait for memory.
        """
        self._flow = flow
        self._largest = largest
        self._on_room = on_room
        self._on_refused = on_refused
        self._on_cut = on_cut
        self.size = 0
        """Bytes that came."""
        self._pieces: list[bytes] = []
        """What came, as long as there is no other memory for it."""
        self._announced = 0
        """The size of a large body, as far as it is known before."""
        self._claim: Claim | None = None
        """The memory of a large body."""
        self._wanted: Claim | None = None
        """Memory that it waits for."""

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for memory."""
        return self._wanted is not None

    def expect(self, size: int, is_held_back: bool = False) -> None:
        """A body of this size is going to come; `is_held_back`: not before there is memory for it."""
        if size >= SMALL_BYTES:
            self._announced = size
            if is_held_back:
                self._want(size)

    def room(self) -> memoryview | None:
        """Where the rest of a large body is to be received; None: it is to be given to `add`."""
        return self._memory[self.size :] if self._announced and self._memory is not None else None

    def received(self, count: int) -> bool:
        """So many bytes were received into `room`; whether the body is whole."""
        self._came(count)
        return self._memory is not None and self.size == len(self._memory)

    def add(self, piece: bytes) -> None:
        """Take a piece."""
        memory = self._memory
        if memory is not None and not self._pieces and self.size + len(piece) <= len(memory):
            memory[self.size : self.size + len(piece)] = piece
        else:
            self._pieces.append(piece)
        self._came(len(piece))
        if not self._pieces or self.is_waiting:
            return
        if self._announced and self.size >= _BEGUN_BYTES:
            self._want(self._announced)
        elif not self._announced and self.size >= SMALL_BYTES:
            self._want(min(max(2 * self.size, _GROWTH_BYTES), self._largest))

    def whole(self) -> Body:
        """The body, of which nothing is kept here."""
        if self._claim is not None and not self._pieces:
            body: Body = self._claim.whole()[: self.size].toreadonly()
        else:  # its last bytes may have come with those that made it too large for what it had
            body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._parts())
        self.drop()
        return body

    def drop(self) -> None:
        """Begin anew."""
        self.size = self._announced = 0
        self._pieces = []
        self._drop_claims()
        self._flow.release(_ROOM)

    @property
    def _memory(self) -> memoryview | None:
        return None if self._claim is None else self._claim.memory

    def _came(self, count: int) -> None:
        self.size += count
        if self._claim is not None:
            self._claim.came = self.size

    def _want(self, size: int) -> None:
        wanted = self._flow.intake.ask(self._flow.peer, size, self._move_on, self._on_refused, self._on_cut)
        if wanted.memory is None:
            self._wanted = wanted
            self._flow.hold(_ROOM)
        else:
            self._move_to(wanted)

    def _move_on(self) -> None:
        wanted, self._wanted = self._wanted, None
        assert wanted is not None
        self._move_to(wanted)
        self._on_room()
        self._flow.release(_ROOM)

    def _move_to(self, claim: Claim) -> None:
        """What came goes where there is room for all of it."""
        claim.fill(self._parts())
        self._drop_claims()
        self._pieces.clear()
        self._claim = claim

    def _parts(self) -> Iterator[Body]:
        if self._memory is not None:
            yield self._memory[: self.size - sum(map(len, self._pieces))]
        yield from self._pieces

    def _drop_claims(self) -> None:
        for claim in (self._claim, self._wanted):
            if claim is not None:
                claim.drop()
        self._claim = self._wanted = None
