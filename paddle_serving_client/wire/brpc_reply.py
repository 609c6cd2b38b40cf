"""The answer to one call over baidu_std, while it comes."""

from paddle_serving_client.errors import BadPacket
from paddle_serving_client.remote_error import by_number
from paddle_serving_client.wire import brpc

MAX_REPLY_RATIO = 2000
"""More than gzip can do: a server that was asked is trusted, and a mask is honestly a thousand times smaller packed."""


class RpcReply:
    """See `reply.Reply`."""

    def __init__(self, correlation_id: int, max_reply_bytes: int) -> None:
        """Read the answer with this id; answers to anything else are skipped, as brpc does."""
        self.came = False
        self.is_foreign = False
        """Whether what answered speaks something else, such as HTTP."""
        self._id = correlation_id
        self._max_reply_bytes = max_reply_bytes
        self._reader = brpc.FrameReader(max_reply_bytes, reads="replies")
        self._frame: brpc.Frame | None = None

    @property
    def is_complete(self) -> bool:
        """See `reply.Reply`."""
        return self._frame is not None

    @property
    def keeps_connection(self) -> bool:
        """See `reply.Reply`."""
        return self.is_complete and not self._reader.buffered_bytes

    def feed(self, data: bytes) -> None:
        """See `reply.Reply`."""
        if not self.came and data[: len(brpc.MAGIC)] != brpc.MAGIC[: len(data)]:
            self.is_foreign = True
            raise BadPacket(f"it begins with {data[:16]!r}")
        self.came = True
        self._reader.feed(data)
        while self._frame is None and (frame := self._reader.next()) is not None:
            if frame.meta.correlation_id == self._id:
                self._frame = frame

    def ended(self) -> None:
        """See `reply.Reply`."""
        raise EOFError

    def payload(self, server: object) -> bytes | memoryview:
        """The message, once it is complete.

        Raises:
            ServingError: what `server` answered in its place. TooLarge, BadPacket: it cannot be decompressed.
        """
        assert self._frame is not None
        meta = self._frame.meta
        code, text = meta.response.error_code, meta.response.error_text
        if code:
            raise by_number(code)(f"{server} answered error {code}: {text}")
        return brpc.decompress(meta.compress_type, self._frame.payload, self._max_reply_bytes, MAX_REPLY_RATIO)
