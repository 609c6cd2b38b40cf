"""What an encoded picture says about itself, read without decoding it: its kind, its size, what decoding may take.

The kinds are an allow-list: each decoder is one more parser that strangers can reach. Pillow would know the sizes too,
but opening a file with it is a second large parser; these few fields are at fixed places.
"""

from dataclasses import dataclass, field

from paddle_serving_app.ops.jpeg import read_jpeg
from paddle_serving_app.ops.png import SIGNATURE, read_png
from paddle_serving_client.errors import BadInput, TooLarge, UnsupportedMedia

MAX_VISITS = 32_000_000
"""Blocks that a JPEG decoder looks at. 50 million pixels in the ten scans of libjpeg are 11 million."""
# Seconds of one core, upper bounds: measured with OpenCV 5.0 on pictures made to take long, and rounded up.
_PER_PIXEL_S = {"JPEG": 20e-9, "PNG": 0.0, "WebP": 50e-9, "GIF": 25e-9, "BMP": 10e-9}
_PER_BYTE_S = {"JPEG": 35e-9, "PNG": 0.0, "WebP": 35e-9, "GIF": 5e-9, "BMP": 10e-9}
_PER_VISIT_S = 160e-9
"""Of a block."""
_PER_RAW_BYTE_S = 10e-9
_PER_INFLATED_BYTE_S = 3e-9
_MAX_BLOCKS = 50_000
"""Of a GIF before its first frame, and of a WebP file before its EXIF data. A colour profile of 3 MB has 12,000."""
_MOST_INFLATED = 1032
"""Bytes that one byte of deflated data can become. What is more than the picture needs is inflated, too."""


@dataclass(frozen=True, slots=True)
class Header:
    """The kind of a picture file, and its size in pixels as stored, before any EXIF rotation."""

    kind: str
    """JPEG, PNG, WebP, BMP or GIF."""
    width: int
    height: int
    cost_s: float = field(default=0.0, compare=False)
    """Seconds of one core that decoding takes at most, about."""
    data: bytes = field(default=b"", compare=False, repr=False)
    """The file as the decoder is to see it."""
    has_alpha: bool = field(default=False, compare=False)
    clear_grey: int | None = field(default=None, compare=False)
    """The grey, 0..255, that is transparent in a picture without an alpha channel."""
    exif: bytes = field(default=b"", compare=False, repr=False)
    """Only where `has_alpha`."""


def read_header(data: bytes) -> Header:
    """Tell kind and size from the content; a file name or MIME type plays no part.

    Raises:
        UnsupportedMedia: not one of the kinds that are read here.
        BadInput: the beginning of the file, or the structure of a JPEG, is damaged.
        TooLarge: decoding would take longer than that of any picture within the limits of `arrays`.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data.startswith(SIGNATURE):
        return _png(data)
    if data.startswith((b"GIF87a", b"GIF89a")):
        return _plain("GIF", data, _little(data, 6, 2), _little(data, 8, 2), has_alpha=_is_clear_gif(data))
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data)
    if data.startswith(b"BM"):
        return _plain("BMP", data, *_bmp_size(data))
    raise UnsupportedMedia("not a picture that is read here: JPEG, PNG, WebP, BMP and GIF are")


def _plain(kind: str, data: bytes, width: int, height: int, has_alpha: bool = False, exif: bytes = b"") -> Header:
    cost_s = width * height * _PER_PIXEL_S[kind] + len(data) * _PER_BYTE_S[kind]
    return Header(kind, width, height, cost_s, data, has_alpha, None, exif)


def _jpeg(data: bytes) -> Header:
    jpeg = read_jpeg(data)
    if jpeg.visits > MAX_VISITS:
        raise TooLarge(
            f"the JPEG picture is {jpeg.width}x{jpeg.height} pixels in {jpeg.scans:,} scans, which visit "
            f"{jpeg.visits:,} blocks; at most {MAX_VISITS:,} blocks are decoded"
        )
    plain = _plain("JPEG", data, jpeg.width, jpeg.height)
    return Header("JPEG", jpeg.width, jpeg.height, plain.cost_s + jpeg.visits * _PER_VISIT_S, data)


def _png(data: bytes) -> Header:
    png = read_png(data)
    inflated = png.compressed_bytes * _MOST_INFLATED
    cost_s = png.raw_bytes * _PER_RAW_BYTE_S + inflated * _PER_INFLATED_BYTE_S
    return Header("PNG", png.width, png.height, cost_s, png.data, png.has_alpha, png.clear_grey, png.exif)


def _little(data: bytes, start: int, count: int, signed: bool = False) -> int:
    if len(data) < start + count:
        raise BadInput("truncated picture: its header is incomplete")
    return int.from_bytes(data[start : start + count], "little", signed=signed)


def _is_clear_gif(data: bytes) -> bool:
    """Whether the first frame has a transparent colour. GIF89a, 18 (screen), 23 (graphic control)."""
    flags = _little(data, 10, 1)
    position = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    is_clear = is_inside = False
    for _ in range(_MAX_BLOCKS):
        if is_inside:  # blocks of an extension, each behind its length, up to an empty one
            length = data[position] if position < len(data) else 0
            is_inside = length > 0
            position += 1 + length
        elif data[position : position + 1] == b"!":
            if data[position + 1 : position + 3] == b"\xf9\x04":
                is_clear = bool(_little(data, position + 3, 1) & 1)
            is_inside = True
            position += 2
        else:
            return is_clear
    raise TooLarge(f"the GIF picture has more than {_MAX_BLOCKS:,} blocks before its first frame")


def _webp(data: bytes) -> Header:
    """RFC 9649, 2.7: flags of the extended format, and 3.4: of the lossless one."""
    extended = data[12:16] == b"VP8X"
    has_alpha = extended and bool(_little(data, 20, 1) & 0x10)
    if data[12:16] == b"VP8L":
        has_alpha = bool(_little(data, 21, 4) >> 28 & 1)
    exif = _webp_exif(data) if extended and has_alpha else b""
    return _plain("WebP", data, *_webp_size(data), has_alpha, exif)


def _webp_exif(data: bytes) -> bytes:
    position = 12
    for _ in range(_MAX_BLOCKS):
        if position + 8 > len(data):
            break
        size = _little(data, position + 4, 4)
        if data[position : position + 4] == b"EXIF":
            return data[position + 8 : position + 8 + size]
        position += 8 + size + (size & 1)
    return b""


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
