"""A `saved_model.pb` with one of its signatures: libraries take the usual one where there are several."""

from collections.abc import Iterator

from paddle_serving_client.wire import protobuf
from paddle_serving_client.wire.protobuf import BYTES, FIXED32, FIXED64, VARINT, MessageType

_GRAPHS, _SIGNATURES = 2, 5
_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}
_ENTRY = MessageType(key=(1, BYTES))


def with_only(raw: bytes, signature: str) -> bytes:
    """A SavedModel that has one signature of those it had; everything else stays as it is, byte for byte.

    Args:
        raw: one that `saved_model.read` has taken.
        signature: the name of the one to keep.
    """
    parts: list[bytes | memoryview] = []
    for number, value, whole in _fields(memoryview(raw)):
        if number == _GRAPHS:
            parts += protobuf.bytes_field(_GRAPHS, _without_others(value, signature.encode()))
        else:
            parts.append(whole)
    return b"".join(parts)


def _without_others(graph: memoryview, signature: bytes) -> bytes:
    fields = _fields(graph)
    return b"".join(whole for number, value, whole in fields if number != _SIGNATURES or _key(value) == signature)


def _key(entry: memoryview) -> bytes:
    keys = _ENTRY.read(entry).get("key")
    return bytes(keys[-1]) if keys else b""


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """The fields of a message that was read before: number, value, and both as they stand."""
    at = 0
    while at < len(message):
        begin = at
        tag, at = protobuf.read_varint(message, at)
        size = _FIXED_BYTES.get(tag & 7, 0)
        if tag & 7 == BYTES:
            size, at = protobuf.read_varint(message, at)
        elif tag & 7 == VARINT:
            _, at = protobuf.read_varint(message, at)
        value = message[at : at + size]
        at += size
        yield tag >> 3, value, message[begin:at]
