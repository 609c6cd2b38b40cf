"""A call that is not over: what it asks, its messages, what is done for it, and how far its answer is."""

import asyncio
import time
from typing import Final

from paddle_serving_server.counting import timing
from paddle_serving_server.protocols.grpc.incoming import Incoming
from paddle_serving_server.protocols.grpc.incoming_stream import IncomingStream
from paddle_serving_server.protocols.grpc.methods import GrpcCall
from paddle_serving_server.protocols.grpc.services import Streaming

_ASK: Final = timing.ASK.encode()


class OpenCall:
    """One call of a connection."""

    __slots__ = (
        "_headers", "began", "blocked_since", "has_begun", "incoming", "is_stopping", "kind", "number", "task",
        "window",
    )  # fmt: skip

    def __init__(
        self, number: int, headers: dict[bytes, bytes], incoming: Incoming, kind: Streaming | None = None
    ) -> None:
        """A call whose headers came.

        Args:
            number: of its stream.
            headers: by name.
            incoming: what comes of its messages; an `IncomingStream` where they are taken one by one.
            kind: how it streams; None: it does not.
        """
        self.number = number
        self._headers = headers
        self.incoming = incoming
        self.kind = kind
        self.began = time.monotonic()
        self.task: asyncio.Task[None] | None = None
        """What works on it."""
        self.has_begun = False
        """Whether the headers of the answer are out."""
        self.is_stopping = False
        """Whether it is ended because the server stops."""
        self.window: asyncio.Future[None] | None = None
        """Waited for while the peer's window is closed."""
        self.blocked_since = 0.0

    @property
    def stream(self) -> IncomingStream | None:
        """Its messages, where they are taken one by one."""
        return self.incoming if isinstance(self.incoming, IncomingStream) else None

    def header(self, name: bytes, otherwise: bytes = b"") -> str:
        """One of its headers."""
        return self._headers.get(name, otherwise).decode("latin-1")

    def as_call(self) -> GrpcCall:
        """What is asked; the bytes of its one message are not kept here any longer."""
        message, is_compressed = (b"", False) if self.stream is not None else self.incoming.take()
        return GrpcCall(
            path=self.header(b":path"),
            message=message,
            compressed=is_compressed,
            encoding=self.header(b"grpc-encoding", b"identity"),
            takes_gzip=self.takes_gzip,
            timeout=self.header(b"grpc-timeout"),
            began=self.began,
            arrived=time.monotonic(),
            wants_timing=self._headers.get(_ASK) == b"1",
        )

    @property
    def takes_gzip(self) -> bool:
        """Whether its caller reads compressed messages."""
        return b"gzip" in [word.strip() for word in self._headers.get(b"grpc-accept-encoding", b"").split(b",")]
