"""Compression of messages, with a limit on what they grow to: gzip and zlib, by the numbers that brpc has for them."""

import zlib
from enum import IntEnum

from paddle_serving_client.errors import BadPacket, TooLarge

MAX_DECOMPRESSED_BYTES = 64 << 20
MAX_RATIO = 100
"""A payload may not grow more than this when decompressed ..."""
FREE_RATIO_BYTES = 1 << 20
"""... unless the result is smaller than this: small tensors of zeros are honest."""
MIN_GZIP_BYTES = 512
"""Smaller messages are never compressed."""
_PROBE_BYTES = 16 << 10
_WORTH_IT = 0.9
"""The largest part of its size that the beginning of a message may keep for the rest to be compressed at all."""


class Compression(IntEnum):
    """The kinds of `compress_type` that are read here."""

    NONE = 0
    GZIP = 2
    ZLIB = 3


_WINDOW_BITS = {Compression.GZIP: 16 + zlib.MAX_WBITS, Compression.ZLIB: zlib.MAX_WBITS}
_COMPRESSION_NAMES = {1: "snappy", 2: "gzip", 3: "zlib", 4: "lz4"}


def decompress(
    compress_type: int,
    payload: bytes | memoryview,
    max_bytes: int = MAX_DECOMPRESSED_BYTES,
    max_ratio: int = MAX_RATIO,
) -> bytes | memoryview:
    """Undo the compression of a payload; what is not compressed is returned as it is.

    Args:
        compress_type: `compress_type` of the meta; 0 none, 2 gzip and 3 zlib can be read.
        payload: as it came.
        max_bytes: the largest result.
        max_ratio: the largest result over the size of `payload`, beyond `FREE_RATIO_BYTES`.

    Raises:
        TooLarge: the result would be over a limit.
        BadPacket: damaged, cut, followed by something else, or a compression that is not read here.
    """
    if compress_type == Compression.NONE:
        return payload
    name = _COMPRESSION_NAMES.get(compress_type, "unknown")
    if compress_type not in _WINDOW_BITS:
        raise BadPacket(f"compress_type={compress_type} ({name}) is not supported; use 0 none, 2 gzip or 3 zlib")
    limit = min(max_bytes, max(FREE_RATIO_BYTES, max_ratio * len(payload)))
    inflater = zlib.decompressobj(_WINDOW_BITS[Compression(compress_type)])
    try:
        plain = inflater.decompress(payload, limit + 1)
    except zlib.error as exc:
        raise BadPacket(f"the {name} payload is damaged") from exc
    if len(plain) > limit:
        raise TooLarge(f"{len(payload)} {name} bytes grow to more than {limit}")
    if not inflater.eof:
        raise BadPacket(f"the {name} payload is cut")
    if inflater.unused_data:
        raise BadPacket(f"the {name} payload is followed by something else")
    return plain


def gzipped(message: bytes) -> bytes | None:
    """A message as gzip, or None where that would not make it much smaller: most tensors of real numbers.

    Whether it would is tried on its beginning, so that a large message costs its sender little.
    """
    if len(message) < MIN_GZIP_BYTES:
        return None
    if len(message) > 2 * _PROBE_BYTES and len(zlib.compress(message[:_PROBE_BYTES], 1)) > _WORTH_IT * _PROBE_BYTES:
        return None
    packer = zlib.compressobj(1, wbits=16 + zlib.MAX_WBITS)
    packed = packer.compress(message) + packer.flush()
    return packed if len(packed) < len(message) else None
