"""Where an answer ends, and whether it was one: HTTP/1.1 and baidu_std. No socket in here.

A connection has one request in work, so there is nothing to pair: feed what arrived until a `Reply` comes out.
"""

import struct
from dataclasses import dataclass
from typing import Protocol

import httptools
import orjson
from google.protobuf.message import DecodeError

from paddle_serving_client.wire.brpc import HEAD_BYTES, MAGIC, MAX_META_BYTES
from paddle_serving_client.wire.proto.baidu_rpc_meta_pb2 import RpcMeta

MAX_TEXT = 160
"""Characters of an error that are kept."""
_MAX_KEPT_BYTES = 16 << 10


class BadReply(Exception):
    """What came is no answer in this protocol."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The end of an answer."""

    error: str
    """Empty where the server did what it was asked for."""
    keeps_alive: bool
    """Whether the connection may be used again."""


OK = Reply("", True)


class Replies(Protocol):
    """The answers of one connection."""

    def feed(self, data: bytes) -> Reply | None:
        """Take what arrived; the reply, when it is whole.

        Raises:
            BadReply: it cannot become one.
        """


class HttpReplies:
    """HTTP/1.1 answers with a length, or in chunks."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._reply: Reply | None = None
        self._kept = b""
        self.first_body = b""
        """The body of the first good answer, as far as it is kept."""
        self._is_first = True

    def feed(self, data: bytes) -> Reply | None:
        """Take what arrived; see `Replies`."""
        self._reply = None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as exc:
            raise BadReply(f"not HTTP: {exc}") from exc
        return self._reply

    def on_body(self, piece: bytes) -> None:
        """Called by the parser. Bodies of good answers are kept of the first only."""
        if (self._is_first or self._parser.get_status_code() != 200) and len(self._kept) < _MAX_KEPT_BYTES:
            self._kept += piece

    def on_message_complete(self) -> None:
        """Called by the parser."""
        status = self._parser.get_status_code()
        if status < 200:
            return
        keeps_alive = self._parser.should_keep_alive()
        if status == 200 and keeps_alive and not self._is_first:
            self._reply = OK
            return
        if 200 <= status < 300:
            if self._is_first:
                self._is_first, self.first_body = False, self._kept
            self._reply = Reply("", keeps_alive)
        else:
            self._reply = Reply(f"{status} {_said_in(self._kept)}".rstrip(), keeps_alive)
        self._kept = b""


class BrpcReplies:
    """Frames of baidu_std. All requests have one correlation id, so that good metas are all the same bytes."""

    def __init__(self) -> None:
        self._head = b""
        """Of the frame in work, until its meta is whole."""
        self._missing = 0
        """Bytes of its payload that have not come."""
        self._reply: Reply | None = None
        self._known: dict[bytes, Reply] = {}

    def feed(self, data: bytes) -> Reply | None:
        """Take what arrived; see `Replies`."""
        if self._reply is None:
            data = self._head + data
            if len(data) < HEAD_BYTES:
                self._head = data
                return None
            magic, body_bytes, meta_bytes = struct.unpack_from(">4sII", data)
            if magic != MAGIC or meta_bytes > min(body_bytes, MAX_META_BYTES):
                raise BadReply(f"not a baidu_std frame: it starts with {data[:HEAD_BYTES]!r}")
            if len(data) < HEAD_BYTES + meta_bytes:
                self._head = data
                return None
            self._head = b""
            self._missing = HEAD_BYTES + body_bytes
            self._reply = self._judged(data[HEAD_BYTES : HEAD_BYTES + meta_bytes])
        self._missing -= len(data)
        if self._missing > 0:
            return None
        if self._missing < 0:
            raise BadReply("more came than one answer")
        whole, self._reply = self._reply, None
        return whole

    def _judged(self, raw: bytes) -> Reply:
        reply = self._known.get(raw)
        if reply is None:
            try:
                response = RpcMeta.FromString(raw).response
            except DecodeError as exc:
                raise BadReply("the meta of the answer is not a RpcMeta") from exc
            failed = response.error_code != 0
            reply = Reply(_short(f"{response.error_code} {response.error_text}") if failed else "", True)
            if not failed:
                self._known[raw] = reply
        return reply


def _said_in(body: bytes) -> str:
    """What an error says: the `err_msg`, `detail` or `error` of a JSON body, or the body's first line."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = None
    if isinstance(parsed, dict):
        for key in ("err_msg", "detail", "error", "message"):
            if parsed.get(key):
                number = f"{parsed['err_no']} " if "err_no" in parsed else ""
                return _short(f"{number}{parsed[key]}")
    return _short(body.decode("utf-8", "replace").strip().partition("\n")[0])


def _short(text: str) -> str:
    printable = "".join(c if c.isprintable() else " " for c in text)
    return printable if len(printable) <= MAX_TEXT else printable[: MAX_TEXT - 3] + "..."
