"""The chunks of a PNG file: its size, and which of them a decoder needs.

A decoder inflates compressed texts and colour profiles that nobody asked for, 8 MB for each 8 KB of the file. They are
taken out before it sees the file.

Specification: Portable Network Graphics, third edition, 5 (structure), 11 (chunks).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from paddle_serving_client.errors import BadInput, TooLarge

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_CHUNKS = 100_000
"""Of 64 MB in the smallest pieces that encoders write, 4 KB, there are 16,000."""
_NEEDED = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf", b"acTL", b"fcTL", b"fdAT"}
"""What pixels are made of, and how they are turned."""
_FREE_BYTES = 4096
"""Chunks that are not needed but not larger than this together stay: no copy is made."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By colour type."""


@dataclass(frozen=True, slots=True)
class Png:
    """What the chunks say."""

    width: int
    height: int
    data: bytes
    """The file, without what is not needed."""
    compressed_bytes: int
    """Of all image data."""
    raw_bytes: int
    """That the image data is to give."""
    has_alpha: bool
    clear_grey: int | None
    """0..255: the grey that is transparent; None: none is."""
    exif: bytes


def read_png(data: bytes) -> Png:
    """Walk the chunks of a file that begins with `SIGNATURE`; nothing is inflated.

    Raises:
        BadInput: the header chunk is missing.
        TooLarge: more chunks than any encoder writes.
    """
    if data[12:16] != b"IHDR" or len(data) < 24:
        raise BadInput("damaged PNG picture: its header chunk is missing")
    width, height, depth, color = struct.unpack(">IIBB", data[16:26].ljust(10, b"\0"))
    needed: list[slice] = []
    left_out = compressed = 0
    clear, exif, has_data = b"", b"", False
    has_clear = False
    for kind, body in _chunks(data):
        if kind not in _NEEDED or (kind == b"eXIf" and exif):
            left_out += body.stop - body.start + 12
            continue
        if needed and needed[-1].stop == body.start - 8:
            needed[-1] = slice(needed[-1].start, body.stop + 4)
        else:
            needed.append(slice(body.start - 8, body.stop + 4))
        if kind == b"IDAT":
            compressed += body.stop - body.start
            has_data = True
        elif kind == b"tRNS" and not has_data:
            clear, has_clear = data[body], True
        elif kind == b"eXIf":
            exif = data[body]
    if left_out > _FREE_BYTES:
        data = data[:8] + b"".join(data[part] for part in needed)
    grey = None
    if color == 0 and len(clear) >= 2:
        grey = int.from_bytes(clear[:2], "big") >> 8 if depth == 16 else clear[1] * 255 // ((1 << depth) - 1)
    return Png(
        width,
        height,
        data,
        compressed,
        (width * depth * _CHANNELS.get(color, 4) // 8 + 2) * height,
        color in (4, 6) or (has_clear and color != 0),
        grey,
        exif,
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, slice]]:
    """(kind, where its content is) of each chunk up to the end, or to where the file is cut off."""
    position = 8
    for _ in range(_MAX_CHUNKS):
        length = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        stop = position + 8 + length
        if len(kind) < 4 or stop > len(data):
            if len(kind) == 4:  # the rest of a truncated file is for the decoder to refuse
                yield kind, slice(position + 8, len(data))
            return
        yield kind, slice(position + 8, stop)
        if kind == b"IEND":
            return
        position = stop + 4
    raise TooLarge(f"the PNG picture has more than {_MAX_CHUNKS:,} chunks")
