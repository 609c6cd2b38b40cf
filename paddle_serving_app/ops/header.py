"""What an encoded picture says about itself, read without decoding it: its kind and its size.

The kinds are an allow-list: each decoder is one more parser that strangers can reach. Pillow would know the sizes too,
but opening a file with it is a second large parser; these few fields are at fixed places.
"""

from dataclasses import dataclass

from paddle_serving_app.ops.jpeg import jpeg_size
from paddle_serving_client.errors import BadInput, UnsupportedMedia


@dataclass(frozen=True, slots=True)
class Header:
    """The kind of a picture file, and its size in pixels as stored, before any EXIF rotation."""

    kind: str
    """JPEG, PNG, WebP, BMP or GIF."""
    width: int
    height: int


def read_header(data: bytes) -> Header:
    """Tell kind and size from the content; a file name or MIME type plays no part.

    Raises:
        UnsupportedMedia: not one of the kinds that are read here.
        BadInput: the beginning of the file, or the structure of a JPEG, is damaged.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return Header("JPEG", *jpeg_size(data))
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return Header("PNG", *_png_size(data))
    if data.startswith((b"GIF87a", b"GIF89a")):
        return Header("GIF", _little(data, 6, 2), _little(data, 8, 2))
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return Header("WebP", *_webp_size(data))
    if data.startswith(b"BM"):
        return Header("BMP", *_bmp_size(data))
    raise UnsupportedMedia("not a picture that is read here: JPEG, PNG, WebP, BMP and GIF are")


def _little(data: bytes, start: int, count: int, signed: bool = False) -> int:
    if len(data) < start + count:
        raise BadInput("truncated picture: its header is incomplete")
    return int.from_bytes(data[start : start + count], "little", signed=signed)


def _png_size(data: bytes) -> tuple[int, int]:
    """Portable Network Graphics 1.2, 11.2.2: IHDR is the first chunk."""
    if data[12:16] != b"IHDR" or len(data) < 24:
        raise BadInput("damaged PNG picture: its header chunk is missing")
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def _webp_size(data: bytes) -> tuple[int, int]:
    """RFC 9649, 2.5 to 2.7 and 3.4; RFC 6386, 9.1."""
    match data[12:16]:
        case b"VP8X":
            return _little(data, 24, 3) + 1, _little(data, 27, 3) + 1
        case b"VP8L":
            bits = _little(data, 21, 4)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            return _little(data, 26, 2) & 0x3FFF, _little(data, 28, 2) & 0x3FFF
    raise BadInput("damaged WebP picture: its first chunk is of no known kind")


def _bmp_size(data: bytes) -> tuple[int, int]:
    """BITMAPCOREHEADER, or BITMAPINFOHEADER and later; a negative height means top row first."""
    if _little(data, 14, 4) == 12:
        return _little(data, 18, 2), _little(data, 20, 2)
    return _little(data, 18, 4, signed=True), abs(_little(data, 22, 4, signed=True))
