import struct
import zlib

import pytest

from paddle_serving_app.ops.png import SIGNATURE, read_png
from paddle_serving_client.errors import BadInput, TooLarge

SIZE = struct.pack(">II", 30, 20)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*chunks: bytes, kind: bytes = b"\x08\x00") -> bytes:
    return SIGNATURE + chunk(b"IHDR", SIZE + kind + b"\0\0\0") + b"".join(chunks) + chunk(b"IEND", b"")


def test_what_is_not_needed_is_left_out() -> None:
    data = chunk(b"IDAT", b"pixels"), chunk(b"IDAT", b"more")
    texts = [chunk(kind, bytes(3000)) for kind in (b"zTXt", b"iTXt", b"tEXt", b"iCCP", b"prIv")]
    read = read_png(png(*texts, data[0], data[1], *texts))
    assert read.data == png(*data)
    assert read.compressed_bytes == 10


def test_little_that_is_not_needed_costs_no_copy() -> None:
    file = png(chunk(b"tEXt", bytes(100)), chunk(b"IDAT", b"pixels"))
    assert read_png(file).data is file


@pytest.mark.parametrize(
    ("kind", "clear", "has_alpha", "grey"),
    [
        (b"\x08\x00", b"", False, None),
        (b"\x08\x00", b"\x00\x07", False, 7),
        (b"\x01\x00", b"\x00\x01", False, 255),
        (b"\x10\x00", b"\x12\x34", False, 0x12),
        (b"\x08\x02", b"\x00\x07" * 3, True, None),
        (b"\x08\x03", b"\x00", True, None),
        (b"\x08\x04", b"", True, None),
        (b"\x10\x06", b"", True, None),
    ],
)
def test_what_is_transparent(kind: bytes, clear: bytes, has_alpha: bool, grey: int | None) -> None:
    read = read_png(png(*([chunk(b"tRNS", clear)] if clear else []), chunk(b"IDAT", b""), kind=kind))
    assert (read.has_alpha, read.clear_grey) == (has_alpha, grey)


def test_damage() -> None:
    with pytest.raises(BadInput, match="header chunk is missing"):
        read_png(SIGNATURE + chunk(b"IDAT", b"pixels"))
    with pytest.raises(TooLarge, match="more than 100,000 chunks"):
        read_png(png(chunk(b"prIv", b"") * 100_000))
    whole = png(chunk(b"IDAT", b"pixels"))
    for length in range(24, len(whole)):
        assert read_png(whole[:length]).data == whole[:length]
