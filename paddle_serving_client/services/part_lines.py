"""An answer in parts, each a line of JSON, as it comes."""

from typing import Any, Final

from paddle_serving_client import remote_error
from paddle_serving_client.errors import BadPacket, ServingError, TooLarge
from paddle_serving_client.services.description import Description
from paddle_serving_client.wire import json_text
from paddle_serving_client.wire.http1 import ReplyReader

_LINES: Final = ("application/x-ndjson", "application/jsonl")


class PartLines:
    """The parts of one answer. A service that answers at once has one part."""

    def __init__(self, reply: ReplyReader, service: Description, max_part_bytes: int) -> None:
        assert reply.head is not None
        self.reply = reply
        self._service = service
        self._max_part_bytes = max_part_bytes
        kind = reply.head.headers.get("content-type", "").partition(";")[0].strip().lower()
        self._has_lines = kind in _LINES
        self._buffer = bytearray()
        self._error: ServingError | None = None
        encoding = reply.head.headers.get("content-encoding", "identity").lower()
        if encoding not in ("", "identity"):
            raise BadPacket(f"an answer in parts came with Content-Encoding {encoding!r}, which was not asked for")

    @property
    def is_over(self) -> bool:
        """Whether everything was taken."""
        return self.reply.is_complete and self._error is None

    @property
    def needs_more(self) -> bool:
        """Whether there is nothing to take before more of the answer has come."""
        return not self.reply.is_complete and self._error is None

    def take(self) -> list[Any]:
        """The parts that are whole now.

        Raises:
            ServingError: what the service said in the place of the next one; those before it were given.
            BadPacket: what came is no part. TooLarge: a part is over the limit.
        """
        if self._error is not None:
            raise self._error
        parts: list[Any] = []
        try:
            for line in self._lines():
                parts.append(self._part(line))
        except ServingError as exc:
            if not parts:
                raise
            self._error = exc
        return parts

    def _lines(self) -> list[bytes]:
        """What is whole of the answer: lines, or all of it where it is no lines."""
        searched = len(self._buffer)
        self._buffer += self.reply.take()
        end = len(self._buffer) if self.reply.is_complete else 0
        if not end and self._has_lines:
            end = self._buffer.rfind(b"\n", searched) + 1
        whole = bytes(self._buffer[:end])
        del self._buffer[:end]
        if len(self._buffer) > self._max_part_bytes:
            raise TooLarge(f"a part of the answer is over {self._max_part_bytes} bytes")
        return [line for line in (whole.split(b"\n") if self._has_lines else [whole]) if line]

    def _part(self, line: bytes) -> Any:
        try:
            fields = json_text.loads(line)
        except ValueError as exc:
            raise BadPacket(f"a part of the answer of service {self._service.name!r} is not JSON") from exc
        if isinstance(fields, dict) and type(fields.get("err_no")) is int:
            raise remote_error.by_err_no(fields["err_no"], f"service {self._service.name!r}: {fields.get('err_msg')}")
        if not isinstance(fields, dict) or "result" not in fields:
            raise BadPacket(f"a part of the answer of service {self._service.name!r} has no result")
        return fields["result"]
