import contextlib
import io
import time
from typing import Any

import numpy as np
import pytest
from PIL import Image

from paddle_serving_app.ops.header import Header, read_header
from paddle_serving_client.errors import BadInput, ServingError, TooLarge, UnsupportedMedia


def encoded(kind: str, width: int, height: int, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(width * height * 3, dtype=np.uint8).reshape(height, width, 3)).save(
        buffer, kind, **options
    )
    return buffer.getvalue()


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (300, 17), (255, 256)])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("PNG", {}),
        ("WebP", {}),
        ("WebP", {"lossless": True}),
        ("WebP", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}),
        ("BMP", {}),
        ("GIF", {}),
    ],
)
def test_kind_and_size(kind: str, options: dict[str, Any], size: tuple[int, int]) -> None:
    assert read_header(encoded(kind.upper(), *size, **options)) == Header(kind, *size)


def test_bmp_of_os2_and_top_row_first() -> None:
    assert read_header(b"BM" + bytes(12) + b"\x0c\0\0\0" + b"\x05\0\x07\0") == Header("BMP", 5, 7)
    assert read_header(b"BM" + bytes(12) + b"\x28\0\0\0" + b"\x05\0\0\0\xf9\xff\xff\xff") == Header("BMP", 5, 7)


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        b"%PDF-1.7",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"II*\0\x08\0\0\0",
        b"\0\0\0\x0cjP  \r\n\x87\n",
        b"\0\0\0\x20ftypavif",
        b"\0\0\0\x20ftypheic",
        b"8BPS\0\x01",
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"P6\n1 1\n255\n\0\0\0",
    ],
)
def test_other_kinds_are_not_read(data: bytes) -> None:
    with pytest.raises(UnsupportedMedia, match="JPEG, PNG, WebP, BMP and GIF"):
        read_header(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
def test_each_cut_of_a_header_gives_our_error_or_a_size(kind: str) -> None:
    data = encoded(kind, 30, 20)
    for length in range(1, 64):
        try:
            read_header(data[:length])
        except ServingError as exc:
            assert isinstance(exc, BadInput)


@pytest.mark.parametrize(
    ("head", "filling"),
    [
        (b"GIF89a\x01\0\x01\0\0\0\0", b"!\xfe\0"),
        (b"GIF89a\x01\0\x01\0\0\0\0!\xfe", b"\x01a"),
        (b"RIFF\xff\xff\xff\x03WEBPVP8X\x0a\0\0\0\x10" + bytes(9), b"abcd\0\0\0\0"),
    ],
)
def test_a_header_made_to_take_long_does_not(head: bytes, filling: bytes) -> None:
    data = head + filling * (16_000_000 // len(filling))
    started = time.process_time()
    with contextlib.suppress(TooLarge):
        read_header(data)
    assert time.process_time() - started < 0.5


def test_what_is_said_about_transparency() -> None:
    picture = Image.new("P", (4, 4))
    for transparent in (True, False):
        file = io.BytesIO()
        picture.save(file, "GIF", comment=b"x" * 600, **({"transparency": 0} if transparent else {}))
        assert read_header(file.getvalue()).has_alpha == transparent
    for mode, lossless in (("RGBA", True), ("RGBA", False), ("RGB", True), ("RGB", False)):
        file = io.BytesIO()
        Image.new(mode, (4, 4), (9, 9, 9, 99)[: len(mode)]).save(file, "WEBP", lossless=lossless)
        assert read_header(file.getvalue()).has_alpha == (mode == "RGBA")
