"""Frames of baidu_std, brpc's protocol: bytes <-> (meta, payload, attachment). No socket in here.

    "PRPC" | u32 length of all that follows | u32 length of meta | meta (RpcMeta) | payload | attachment

Lengths are big-endian. Every length is checked against its limit before anything of that length is kept.
"""

import functools
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np
from google.protobuf.message import DecodeError

from paddle_serving_client.errors import BadPacket, TooLarge
from paddle_serving_client.wire import protobuf
from paddle_serving_client.wire.compression import (
    FREE_RATIO_BYTES,
    MAX_DECOMPRESSED_BYTES,
    MAX_RATIO,
    MIN_GZIP_BYTES,
    Compression,
    decompress,
    gzipped,
)
from paddle_serving_client.wire.proto.baidu_rpc_meta_pb2 import RpcMeta, RpcRequestMeta, RpcResponseMeta

__all__ = [
    "FREE_RATIO_BYTES", "HEAD_BYTES", "MAGIC", "MAX_BODY_BYTES", "MAX_DECOMPRESSED_BYTES", "MAX_ERROR_TEXT_BYTES",
    "MAX_META_BYTES", "MAX_RATIO", "MIN_GZIP_BYTES", "SERVICE", "BadFrame", "Compression", "Frame", "FrameReader",
    "RpcError", "decompress", "error_frame", "gzipped", "request_frame", "request_head", "response_head",
]  # fmt: skip

MAGIC = b"PRPC"
HEAD_BYTES = 12
SERVICE = "baidu.paddle_serving.predictor.general_model.GeneralModelService"
"""The service every Paddle Serving client calls; servers also answer to the part after the last dot.

It names no model. Behind a slash it may: `GeneralModelService/uci` is the model of the service `uci`.
"""

MAX_BODY_BYTES = 64 << 20
"""brpc's default `max_body_size`."""
MAX_META_BYTES = 64 << 10
MAX_ERROR_TEXT_BYTES = 1024
_LARGE_BYTES = 64 << 10
"""Frames from this size on are received where they stay."""

_HEAD = struct.Struct(">4sII")


class RpcError(IntEnum):
    """`error_code` of a reply, as brpc 1.0 and Paddle Serving 0.9 number them."""

    NO_SERVICE = 1001
    NO_METHOD = 1002
    BAD_REQUEST = 1003
    BAD_AUTH = 1004
    TIMED_OUT = 1008
    FAILED_SOCKET = 1009
    OVER_CROWDED = 1011
    INTERNAL = 2001
    BAD_REPLY = 2002
    LOGGED_OFF = 2003
    LIMIT = 2004
    SERVING_GENERAL = -5000
    OP_FAILED = -5100


@dataclass(frozen=True, slots=True)
class Frame:
    """One message as it came; payload still compressed as `meta.compress_type` says."""

    meta: RpcMeta
    payload: memoryview
    """Read-only view of what was fed; it keeps that memory alive."""
    attachment: memoryview


class BadFrame(BadPacket):
    """One frame makes no sense, but the stream is still in step: answer `correlation_id` and read on."""

    def __init__(self, message: str, correlation_id: int) -> None:
        super().__init__(message)
        self.correlation_id = correlation_id


class FrameReader:
    """Bytes in, frames out. Feed it what arrived, then ask for what is whole until there is no more.

    A payload is not copied: a frame that arrives in one chunk is a view of that chunk, and a frame that arrives in
    many is a view of the one buffer they were collected in.
    """

    def __init__(
        self,
        max_body_bytes: int = MAX_BODY_BYTES,
        reads: Literal["requests", "replies"] = "requests",
        memory: Callable[[int], memoryview | None] = lambda size: np.empty(size, np.uint8).data,
    ) -> None:
        """Read frames.

        Args:
            max_body_bytes: the largest that is taken, in bytes.
            reads: what comes.
            memory: gives memory for a large frame of a size in bytes; where it gives None now, `move_to` has to be
                called later, and nothing is read meanwhile.
        """
        self._max_body_bytes = max_body_bytes
        self._memory = memory
        self._waits = False
        """Whether there is no memory for the frame that is coming."""
        self._reads_requests = reads == "requests"
        self._buffer: bytes | bytearray | memoryview = b""
        self._start = 0
        """Frames before this offset were handed out, as views: from then on the buffer is not touched any more."""
        self._large: memoryview | None = None
        """A large frame that is still coming: memory of its whole size."""
        self._filled = 0

    @property
    def buffered_bytes(self) -> int:
        """How much was fed and belongs to no frame yet; not 0 at the end of a stream means it was cut."""
        return self._filled if self._large is not None else len(self._buffer) - self._start

    def room(self) -> memoryview | None:
        """Where what comes next may be written by whoever receives it; then call `filled`. None: `feed` it."""
        return None if self._large is None else self._large[self._filled :]

    def filled(self, count: int) -> None:
        """So many bytes were written to `room`."""
        assert self._large is not None
        self._filled += count
        if self._filled == len(self._large):
            self._buffer, self._start = self._large, 0
            self._large = None

    def feed(self, chunk: bytes) -> None:
        """Take what arrived. `chunk` must not be changed afterwards."""
        if self._large is not None:
            part = memoryview(chunk)[: len(self._large) - self._filled]
            self._large[self._filled : self._filled + len(part)] = part
            self.filled(len(part))
            chunk = chunk[len(part) :]
            if not chunk:
                return
        if self._start == len(self._buffer):
            self._buffer, self._start = chunk, 0
            return
        if self._start or not isinstance(self._buffer, bytearray):
            self._buffer, self._start = bytearray(memoryview(self._buffer)[self._start :]), 0
        self._buffer += chunk

    def next(self) -> Frame | None:
        """The next whole frame, or None when more bytes are needed.

        Raises:
            TooLarge: the frame is over the limit. Close the connection.
            BadFrame: this frame cannot be, the next one can. Answer it.
            BadPacket: the bytes are not baidu_std. Close the connection.
        """
        if self._large is not None or self._waits:
            return None
        if self.buffered_bytes < HEAD_BYTES:
            if not MAGIC.startswith(bytes(self._buffer[self._start : self._start + len(MAGIC)])):
                raise BadPacket(f"not a baidu_std frame: it starts with {bytes(self._buffer[self._start :])!r}")
            return None
        magic, body_bytes, meta_bytes = _HEAD.unpack_from(self._buffer, self._start)
        self._check_head(magic, body_bytes, meta_bytes)
        body = self._start + HEAD_BYTES
        end = body + body_bytes
        if len(self._buffer) < end:
            if end - self._start >= _LARGE_BYTES:
                self._make_room(end - self._start)
            return None
        view = memoryview(self._buffer).toreadonly()
        self._start = end
        if end == len(view):  # nothing is kept of what was handed out
            self._buffer, self._start = b"", 0
        meta = self._read_meta(view[body : body + meta_bytes])
        rest = body_bytes - meta_bytes
        if not 0 <= meta.attachment_size <= rest:
            raise BadFrame(
                f"attachment_size={meta.attachment_size} does not fit in the {rest} bytes after meta",
                meta.correlation_id,
            )
        split = end - meta.attachment_size
        return Frame(meta, view[body + meta_bytes : split], view[split:end])

    def _make_room(self, size: int) -> None:
        """Collect a frame in memory of its size; a bytearray would be written to at once, before the frame has come."""
        memory = self._memory(size)
        self._waits = memory is None
        if memory is not None:
            self.move_to(memory)

    def move_to(self, memory: memoryview) -> None:
        """Collect the frame that is coming here: as many bytes as `memory` was asked for."""
        have = memoryview(self._buffer)[self._start :]
        begun = have[: len(memory)]  # it may have come whole meanwhile, and more after it
        memory[: len(begun)] = begun
        self._waits = False
        if len(begun) == len(memory):
            rest = have[len(begun) :]
            self._buffer, self._start = b"".join((memory, rest)) if rest else memory, 0
        else:
            self._buffer, self._start = b"", 0
            self._large, self._filled = memory, len(begun)

    def forget(self) -> None:
        """Nothing more is read: keep nothing of what came."""
        self._buffer, self._start, self._large, self._waits = b"", 0, None, False

    def awaited(self) -> int | None:
        """The correlation id of the frame there is no memory for; None: its meta has not come either."""
        body = self._start + HEAD_BYTES
        meta_bytes = _HEAD.unpack_from(self._buffer, self._start)[2]
        if len(self._buffer) < body + meta_bytes:
            return None
        return self._read_meta(memoryview(self._buffer)[body : body + meta_bytes]).correlation_id

    def _check_head(self, magic: bytes, body_bytes: int, meta_bytes: int) -> None:
        if magic != MAGIC:
            raise BadPacket(f"not a baidu_std frame: it starts with {magic!r}")
        if body_bytes > self._max_body_bytes:
            raise TooLarge(f"a frame of {body_bytes} bytes came, at most {self._max_body_bytes} are taken")
        if meta_bytes > MAX_META_BYTES:
            raise BadPacket(f"a meta of {meta_bytes} bytes came, at most {MAX_META_BYTES} are taken")
        if meta_bytes > body_bytes:
            raise BadPacket(f"a meta of {meta_bytes} bytes does not fit in a body of {body_bytes}")

    def _read_meta(self, view: memoryview) -> RpcMeta:
        try:
            meta = RpcMeta.FromString(bytes(view))
        except DecodeError as exc:
            raise BadPacket("meta is not a valid RpcMeta") from exc
        if meta.HasField("request") != self._reads_requests:
            raise BadPacket("meta lacks the request" if self._reads_requests else "a request came in place of a reply")
        if self._reads_requests:
            # The runtime checks neither that a required field is there nor that proto2 text is UTF-8 (it gives bytes).
            for name, text in (("service", meta.request.service_name), ("method", meta.request.method_name)):
                if not text or not isinstance(text, str):
                    raise BadPacket(f"meta has no {name} name")
        return meta


def request_frame(service: str, method: str, correlation_id: int, payload: bytes | memoryview) -> bytes:
    """A request, byte for byte as the client of 0.9 sends it: fields that are 0 are there."""
    return b"".join((request_head(service, method, correlation_id, len(payload)), payload))


def request_head(service: str, method: str, correlation_id: int, payload_bytes: int) -> bytes:
    """What stands before the payload of a request; for writing both without joining them."""
    request = RpcRequestMeta(service_name=service, method_name=method, log_id=0)
    return _head(RpcMeta(request=request, compress_type=Compression.NONE, correlation_id=correlation_id), payload_bytes)


def response_head(correlation_id: int, payload_bytes: int, compress_type: int = Compression.NONE) -> bytes:
    """What stands before the payload of a successful reply."""
    before = _response_meta(compress_type)
    number = protobuf.varint(correlation_id & 0xFFFFFFFFFFFFFFFF)
    meta_bytes = len(before) + len(number)
    return b"".join((_HEAD.pack(MAGIC, meta_bytes + payload_bytes, meta_bytes), before, number))


@functools.lru_cache(8)
def _response_meta(compress_type: int) -> bytes:
    """The meta of a successful reply up to the value of its last field, `correlation_id`."""
    meta = RpcMeta(response=RpcResponseMeta(error_code=0), compress_type=compress_type, correlation_id=0)
    return meta.SerializeToString().removesuffix(b"\0")


def error_frame(correlation_id: int, code: int, text: str) -> bytes:
    """A reply that carries an error and no payload; a text that is very long is cut."""
    short = text.encode("utf-8", "replace")[:MAX_ERROR_TEXT_BYTES].decode("utf-8", "ignore")
    response = RpcResponseMeta(error_code=code, error_text=short)
    return _head(RpcMeta(response=response, compress_type=Compression.NONE, correlation_id=correlation_id), 0)


def _head(meta: RpcMeta, payload_bytes: int) -> bytes:
    raw = meta.SerializeToString()
    return _HEAD.pack(MAGIC, len(raw) + payload_bytes, len(raw)) + raw
