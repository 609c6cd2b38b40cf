"""The message of a call while it comes; `incoming_stream` has those of a call that brings any number of them.

What bounds memory is the window of the call. A peer may send `FREE_BYTES` without asking; as much is kept here. A
message that is larger gets memory of the front's budget, and the window is opened for it when that is there.
"""

import time
from typing import Final, NamedTuple, Protocol

from paddle_serving_client.errors import BadPacket, Busy, DeadlineExceeded, ServingError
from paddle_serving_client.wire import grpc
from paddle_serving_client.wire.grpc import PREFIX_BYTES, Prefix
from paddle_serving_server.config.values import Limits
from paddle_serving_server.connection.flow import Flow
from paddle_serving_server.connection.intake import NO_ROOM, TOO_SLOW, Claim
from paddle_serving_server.connection.pace import LEAST_BYTES_PER_S

FREE_BYTES: Final = 256 << 10
"""What every call may send before the length of its message is known, and without asking for room."""
SOON_S: Final = 1.0
NEVER: Final = float("inf")


class Piece(NamedTuple):
    """One message, as it came, without its prefix."""

    message: bytes | memoryview
    is_compressed: bool = False


class Owner(Protocol):
    """Who has the calls of a connection, by the number of their stream."""

    def widen(self, number: int, size: int) -> None:
        """Let the peer send so many bytes more."""

    def fail(self, number: int, error: ServingError) -> None:
        """What is not whole yet of a call's messages never will be."""


class Incoming:
    """The one message of a call."""

    _LARGE = FREE_BYTES
    """Messages with their prefix that are larger get memory of their own."""
    __slots__ = (
        "_buffer", "_claim", "_flow", "_late_at", "_limits", "_number", "_owner", "_prefix", "_since", "is_whole",
    )  # fmt: skip

    def __init__(self, flow: Flow, limits: Limits, owner: Owner, number: int) -> None:
        """Have nothing yet.

        Args:
            flow: of the connection.
            limits: of the server.
            owner: of the call, and its number there.
        """
        self._flow = flow
        self._limits = limits
        self._owner = owner
        self._number = number
        self._buffer = bytearray()
        """What came, as far as it has no memory of its own; it begins with a prefix."""
        self._prefix: Prefix | None = None
        """Of the message that comes."""
        self._claim: Claim | None = None
        """The memory of a large message, or what waits for some."""
        self._since = time.monotonic()
        self._late_at = self._since + limits.head_s
        self.is_whole = False
        """Whether the peer has said that nothing more comes."""

    @property
    def late_at(self) -> float:
        """When more must have come, on the clock of `time.monotonic`; inf: the peer is not waited for."""
        return NEVER if self.is_whole or self._waits_for_room else self._late_at

    def at_once(self, data: memoryview) -> Piece | None:
        """The message, if it is all of this and nothing came before or is to come."""
        size = len(data) - PREFIX_BYTES
        if self._buffer or size < 0 or data[0] > 1 or size > self._limits.max_body_bytes:
            return None
        if int.from_bytes(data[1:PREFIX_BYTES], "big") != size or self._claim is not None:
            return None
        self.is_whole = True
        return Piece(memoryview(bytes(data))[PREFIX_BYTES:], data[0] == 1)

    def add(self, data: bytes | memoryview) -> None:
        """Take what came of it.

        Raises:
            BadPacket, TooLarge: it cannot be the one message of a call.
        """
        self._keep(data)
        self._look()
        patient_s = max(self._limits.head_s, self._got / LEAST_BYTES_PER_S)
        self._late_at = max(self._since + patient_s, time.monotonic() + SOON_S)
        if self._prefix is not None and self._got > self._size:
            of = f"one message of {self._prefix.size} bytes"
            raise BadPacket(f"more came than {of}; this method takes one")

    def close(self) -> None:
        """Nothing more comes.

        Raises:
            BadPacket: a message is missing, or cut.
        """
        self.is_whole = True
        if not self._got:
            raise BadPacket("the call has no message")
        if self._got != self._size:
            raise self._cut()

    def take(self) -> Piece:
        """The message, of which nothing is kept here."""
        assert self._prefix is not None
        is_compressed = self._prefix.compressed
        if self._claim is not None and self._claim.memory is not None:
            message = self._claim.whole()[PREFIX_BYTES:]
        else:
            message = memoryview(bytes(self._buffer))[PREFIX_BYTES:]
        self.drop()
        return Piece(message, is_compressed)

    def drop(self) -> None:
        """Keep nothing."""
        self._buffer = bytearray()
        self._prefix = None
        if self._claim is not None:
            self._claim.drop()
            self._claim = None

    # -- details

    @property
    def _waits_for_room(self) -> bool:
        return self._claim is not None and self._claim.memory is None

    @property
    def _size(self) -> int:
        """Bytes of the message that comes with its prefix; 0 as long as that is not known."""
        return PREFIX_BYTES + self._prefix.size if self._prefix else 0

    @property
    def _got(self) -> int:
        """How many of them are there; more, where others have come behind them."""
        has_memory = self._claim is not None and self._claim.memory is not None
        return (self._claim.came if self._claim is not None and has_memory else 0) + len(self._buffer)

    def _keep(self, data: bytes | bytearray | memoryview) -> None:
        claim = self._claim
        if claim is not None and claim.memory is not None and claim.came < claim.size:
            part = data[: claim.size - claim.came]
            claim.memory[claim.came : claim.came + len(part)] = part
            claim.came += len(part)
            data = data[len(part) :]
        self._buffer += data

    def _look(self) -> None:
        """See how long the message is, as soon as that is there."""
        if self._prefix is None and len(self._buffer) >= PREFIX_BYTES:
            self._prefix = grpc.read_prefix(self._buffer[:PREFIX_BYTES], self._limits.max_body_bytes)
            if self._size > self._LARGE:
                self._want_room()

    def _want_room(self) -> None:
        """Ask for memory for the message; until there is some, the window stays as it is."""

        def on_refused() -> None:
            self._owner.fail(self._number, Busy(NO_ROOM))

        def on_cut() -> None:
            self._owner.fail(self._number, DeadlineExceeded(TOO_SLOW))

        self._claim = self._flow.intake.ask(self._flow.peer, self._size, self._on_room, on_refused, on_cut)
        if self._claim.memory is not None:
            self._on_room()

    def _on_room(self) -> None:
        """There is memory for the whole message: what came goes there, and from now on the peer is waited for."""
        assert self._claim is not None
        came, self._buffer = self._buffer, bytearray()
        self._claim.came = 0
        self._keep(came)
        self._since = time.monotonic()
        self._late_at = self._since + self._limits.head_s
        self._owner.widen(self._number, self._granted)

    @property
    def _granted(self) -> int:
        """How far the window is opened for a large message; the rest of it may come without that."""
        return self._size - FREE_BYTES

    def _cut(self) -> BadPacket:
        size = f" of {self._size}" if self._size else ""
        return BadPacket(f"the call ended after {self._got} bytes{size}, in the middle of a message")
