"""The messages of a call that brings any number of them, while they come and are taken."""

import asyncio
import time
from typing import Final

from paddle_serving_client.errors import ServingError
from paddle_serving_client.wire.grpc import PREFIX_BYTES
from paddle_serving_server.config.values import Limits
from paddle_serving_server.connection.flow import Flow
from paddle_serving_server.connection.pace import LEAST_BYTES_PER_S
from paddle_serving_server.protocols.grpc.incoming import FREE_BYTES, NEVER, SOON_S, Incoming, Owner, Piece

_OWED_BYTES: Final = FREE_BYTES // 4
"""So much of a stream is taken before the peer is told that he may send as much again."""


class IncomingStream(Incoming):
    """Any number of messages, one after the other, for one who iterates over them.

    What he has not taken is kept as it came, at most as much as the window lets come; with each that he takes the peer
    may send as much again. So a peer who is faster than he waits.
    """

    __slots__ = ("_error", "_taken", "_waiter")
    _LARGE = FREE_BYTES // 2  # what is below that comes whole even while `_OWED_BYTES` are

    def __init__(self, flow: Flow, limits: Limits, owner: Owner, number: int) -> None:
        """See `Incoming`; what fails is raised where the messages are taken."""
        super().__init__(flow, limits, owner, number)
        self._error: ServingError | None = None
        self._taken = 0
        """What was taken since the window was opened last."""
        self._waiter: asyncio.Future[None] | None = None

    @property
    def late_at(self) -> float:
        """See `Incoming`; between two messages, and while they are not taken, nobody is waited for."""
        return super().late_at if self._waiter is not None and self._got else NEVER

    def at_once(self, data: memoryview) -> Piece | None:
        """Messages of a stream are taken one by one."""
        return None

    def add(self, data: bytes | memoryview) -> None:
        """Take what came."""
        if self._error is not None:
            return
        self._keep(data)
        try:
            self._look()
        except ServingError as exc:
            self.fail(exc)
            return
        self._late_at = max(self._late_at, self._since + self._got / LEAST_BYTES_PER_S, time.monotonic() + SOON_S)
        if self._is_there:
            self._wake()

    def close(self) -> None:
        """Nothing more comes."""
        self.is_whole = True
        self._wake()

    def fail(self, error: ServingError) -> None:
        """What is not whole yet never will be: say so behind the messages that are."""
        if self._error is None:
            self._error = error
            if not self._is_there:
                self.drop()
            self._wake()

    def __aiter__(self) -> "IncomingStream":
        return self

    async def __anext__(self) -> Piece:
        """The next message.

        Raises:
            StopAsyncIteration: there are no more.
            ServingError: there are no more, and not because the peer has ended them.
        """
        while not self._is_there:
            if self._error is not None:
                raise self._error
            if self.is_whole:
                if self._got:
                    raise self._cut()
                raise StopAsyncIteration
            self._since = time.monotonic()
            self._late_at = self._since + self._limits.head_s
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._next()

    @property
    def _is_there(self) -> bool:
        """Whether the next message is whole."""
        if self._claim is not None:
            return self._claim.memory is not None and self._claim.came == self._claim.size
        return self._prefix is not None and len(self._buffer) >= self._size

    def _want_room(self) -> None:
        if self._error is None:
            super()._want_room()

    @property
    def _granted(self) -> int:
        """All of it: what comes behind a large message has the room that every call has."""
        return self._size

    def _next(self) -> Piece:
        assert self._prefix is not None
        is_compressed, size = self._prefix.compressed, self._size
        if self._claim is not None:
            message = self._claim.whole()[PREFIX_BYTES:]
            self._claim = None
        else:
            message = memoryview(bytes(self._buffer[PREFIX_BYTES:size]))
            del self._buffer[:size]
            self._taken += size
        if self._taken > _OWED_BYTES and not self.is_whole:
            self._owner.widen(self._number, self._taken)
            self._taken = 0
        self._prefix = None
        try:
            self._look()
        except ServingError as exc:
            self.fail(exc)
        return Piece(message, is_compressed)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
