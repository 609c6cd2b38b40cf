"""A call that is not over: what it asks, its messages, what is done for it, and how far its answer is."""

import asyncio
import time

from paddle_serving_server.protocols.grpc.headers import Head
from paddle_serving_server.protocols.grpc.incoming import FREE_BYTES, Incoming, Piece
from paddle_serving_server.protocols.grpc.incoming_stream import IncomingStream
from paddle_serving_server.protocols.grpc.methods import GrpcCall
from paddle_serving_server.protocols.grpc.services import Streaming

_NOTHING = Piece(b"")


class OpenCall:
    """One call of a connection."""

    __slots__ = (
        "began", "blocked", "blocked_since", "has_begun", "head", "incoming", "is_in_lane", "is_over", "is_stopping",
        "kind", "number", "piece", "room", "task", "window",
    )  # fmt: skip

    incoming: Incoming
    """What comes of its messages; an `IncomingStream` where they are taken one by one."""

    def __init__(self, number: int, head: Head, window: int, kind: Streaming | None = None) -> None:
        """A call whose headers came.

        Args:
            number: of its stream.
            head: what the headers say.
            window: how much of its answer the peer takes.
            kind: how it streams; None: it does not.
        """
        self.number = number
        self.head = head
        self.kind = kind
        self.window = window
        self.room = FREE_BYTES
        """How much the peer may still send."""
        self.piece: Piece | None = None
        """Its message, where that came at once."""
        self.began = time.monotonic()
        self.task: asyncio.Task[None] | None = None
        """What works on it."""
        self.is_in_lane = False
        """Whether it is worked on without a task."""
        self.is_over = False
        self.has_begun = False
        """Whether the headers of the answer are out."""
        self.is_stopping = False
        """Whether it is ended because the server stops."""
        self.blocked: asyncio.Future[None] | None = None
        """Waited for while the peer's window is closed."""
        self.blocked_since = 0.0

    @property
    def is_in_work(self) -> bool:
        """Whether something is done for it."""
        return self.task is not None or self.is_in_lane

    @property
    def stream(self) -> IncomingStream | None:
        """Its messages, where they are taken one by one."""
        return self.incoming if isinstance(self.incoming, IncomingStream) else None

    def wake(self) -> None:
        """The peer may have opened his window."""
        if self.blocked is not None and not self.blocked.done():
            self.blocked.set_result(None)

    def as_call(self, peer: str) -> GrpcCall:
        """What `peer` asks; the bytes of its one message are not kept here any longer."""
        piece = _NOTHING if self.stream is not None else self.piece or self.incoming.take()
        self.piece = None
        head = self.head
        return GrpcCall(
            path=head.path,
            message=piece.message,
            compressed=piece.is_compressed,
            encoding=head.encoding,
            takes_gzip=head.takes_gzip,
            timeout=head.timeout,
            began=self.began,
            arrived=time.monotonic(),
            wants_timing=head.wants_timing,
            peer=peer,
            authorization=head.authorization,
        )
