"""A call that is not over: what has come of it, and until when more must."""

import asyncio
import time
from typing import Final

from paddle_serving_client.errors import BadPacket
from paddle_serving_client.wire import grpc
from paddle_serving_client.wire.grpc import PREFIX_BYTES, Prefix
from paddle_serving_server.config.values import Limits
from paddle_serving_server.connection.intake import Claim
from paddle_serving_server.counting import timing
from paddle_serving_server.protocols.grpc.methods import GrpcCall

MIN_BYTES_PER_S: Final = 1 << 10
"""Slowest message that is waited for, after the first seconds."""
_SOON_S: Final = 1.0
_ASK: Final = timing.ASK.encode()


class OpenCall:
    """One call of a connection."""

    __slots__ = (
        "_headers", "_limits", "_pieces", "_since", "arrived", "began", "blocked_since", "deadline", "got",
        "claim", "number", "prefix", "task", "whole", "window",
    )  # fmt: skip

    def __init__(self, number: int, headers: dict[bytes, bytes], limits: Limits) -> None:
        self.number = number
        self._headers = headers
        self._limits = limits
        self._pieces: list[bytes] = []
        self.got = 0
        """Bytes that came, the prefix among them."""
        self.prefix: Prefix | None = None
        self.claim: Claim | None = None
        """The memory of a large message, or what waits for some."""
        self.whole = False
        self.began = self._since = self.arrived = time.monotonic()
        self.deadline = self.began + limits.head_s
        """When more must have come; counts until the call is whole."""
        self.task: asyncio.Task[None] | None = None
        self.window: asyncio.Future[None] | None = None
        """Waited for while the peer's window is closed."""
        self.blocked_since = 0.0

    @property
    def size(self) -> int:
        """Bytes of the message with its prefix; 0 as long as that is not known."""
        return PREFIX_BYTES + self.prefix.size if self.prefix else 0

    def add(self, data: bytes) -> bool:
        """Take a piece of the message; true when that tells how long it is.

        Raises:
            BadPacket, TooLarge: it cannot be the one message of a call.
        """
        memory = self._memory
        if memory is not None and self.got + len(data) <= len(memory):
            memory[self.got : self.got + len(data)] = data
        else:
            self._pieces.append(data)
        self.got += len(data)
        if self.claim is not None:
            self.claim.came = self.got
        patient_s = max(self._limits.head_s, self.got / MIN_BYTES_PER_S)
        self.deadline = max(self._since + patient_s, time.monotonic() + _SOON_S)
        is_news = self.prefix is None and self.got >= PREFIX_BYTES
        if is_news:
            self.prefix = grpc.read_prefix(b"".join(self._pieces)[:PREFIX_BYTES], self._limits.max_body_bytes)
        if self.prefix is not None and self.got > self.size:
            raise BadPacket(f"more came than one message of {self.prefix.size} bytes; only unary calls are answered")
        return is_news

    def hold(self) -> None:
        """It is the peer who waits."""
        self.deadline = float("inf")

    def move_in(self) -> None:
        """There is memory for the whole message: what came goes there, and from now on the peer is waited for."""
        assert self.claim is not None
        self.claim.fill(self._pieces)
        self._pieces.clear()
        self._since = time.monotonic()
        self.deadline = self._since + self._limits.head_s

    def close(self) -> None:
        """The peer has said everything.

        Raises:
            BadPacket: a message is missing, or cut.
        """
        self.whole = True
        self.arrived = time.monotonic()
        if not self.got:
            raise BadPacket("the call has no message")
        if self.got != self.size:
            size = f" of {self.size}" if self.size else ""
            raise BadPacket(f"the call ended after {self.got} bytes{size}, in the middle of a message")

    @property
    def _memory(self) -> memoryview | None:
        return None if self.claim is None else self.claim.memory

    def drop(self) -> None:
        """Keep nothing of its message."""
        self._pieces.clear()
        if self.claim is not None:
            self.claim.drop()
            self.claim = None

    def as_call(self) -> GrpcCall:
        """The whole call; its bytes are not kept here any longer."""
        said, prefix = self._headers, self.prefix
        assert prefix is not None
        data: bytes | memoryview = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        if self.claim is not None and self.claim.memory is not None:
            data = self.claim.whole()
        self.drop()
        accepted = [word.strip() for word in said.get(b"grpc-accept-encoding", b"").split(b",")]
        return GrpcCall(
            path=said.get(b":path", b"").decode("latin-1"),
            message=memoryview(data)[PREFIX_BYTES:],
            compressed=prefix.compressed,
            encoding=said.get(b"grpc-encoding", b"identity").decode("latin-1"),
            takes_gzip=b"gzip" in accepted,
            timeout=said.get(b"grpc-timeout", b"").decode("latin-1"),
            began=self.began,
            arrived=self.arrived,
            wants_timing=said.get(_ASK) == b"1",
        )
