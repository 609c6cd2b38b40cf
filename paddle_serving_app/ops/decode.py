"""Encoded pictures to arrays. One policy for all that decode: kinds, limits and damage are judged here, once.

JPEG (8 bits; baseline, progressive), PNG, WebP, BMP and GIF are read; of animations the first frame. The result is
what `cv2.imdecode(data, cv2.IMREAD_COLOR)` gives: grey and palette pictures become BGR, 16 bits become 8, an alpha
channel is dropped (the colour below it stays as stored; GIF: black or the background), CMYK is converted, colour
profiles are ignored, and the EXIF orientation is applied.
"""

import base64
import binascii
import os
from typing import Any

import cv2
import numpy as np

from paddle_serving_app.ops.arrays import ImageU8, require_size
from paddle_serving_app.ops.header import Header, read_header
from paddle_serving_client.errors import BadInput, TooLarge
from paddle_serving_client.message import describe

MAX_ENCODED_BYTES = 64 << 20
"""Of a picture file; equal to the largest request body."""


_REDUCED = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}


def decode(data: bytes, reduce_to: int = 0) -> ImageU8:
    """Decode a picture file.

    Args:
        data: the whole file.
        reduce_to: a JPEG may be decoded at a half, a quarter or an eighth of its size, as long as its shorter side
            keeps this many pixels; 0: never. Quicker, and not the same pixels as decoding and then resizing.

    Returns:
        (H, W, 3) uint8, BGR, freshly allocated, at most `arrays.MAX_PIXELS`; rotated as its EXIF data says.

    Raises:
        UnsupportedMedia: not a picture, or of a kind that is not read.
        TooLarge: over a limit of `arrays`; found in the header, before memory is taken.
        BadInput: empty, truncated or damaged.

    Source: PaddlePaddle/Serving, paddle_serving_app/reader/image_reader.py `String2Image`, which returned None where
        this raises. Equal to it bit by bit for JPEG, PNG, WebP and BMP (decoded there with OpenCV 3.4), but for the
        EXIF orientation of PNG and WebP, which it did not know. It did not read GIF.
    """
    if not data:
        raise BadInput("the picture is empty (0 bytes)")
    if len(data) > MAX_ENCODED_BYTES:
        raise TooLarge(f"the picture file has {len(data):,} bytes; at most {MAX_ENCODED_BYTES:,} are read")
    header = read_header(data)
    require_size(header.width, header.height, f"the {header.kind} picture")
    part = _part(header, reduce_to)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _REDUCED.get(part, cv2.IMREAD_COLOR))
    except cv2.error:  # its message quotes C++ source and file names
        image = None
    if image is None or {*image.shape[:2]} != {-(-header.width // part), -(-header.height // part)}:
        raise BadInput(f"truncated or damaged {header.kind} picture: it cannot be decoded")
    return image.astype(np.uint8, copy=False)


def _part(header: Header, reduce_to: int) -> int:
    """The part of its size at which a picture is decoded: 1, or 2, 4 or 8 for a half, a quarter or an eighth."""
    if not reduce_to or header.kind != "JPEG":
        return 1
    return next((part for part in _REDUCED if min(header.width, header.height) // part >= reduce_to), 1)


def decode_base64(text: str | bytes, reduce_to: int = 0) -> ImageU8:
    """Decode a picture file written as base64.

    Args:
        text: the standard alphabet, padded; white space and a leading `data:...;base64,` are ignored.
        reduce_to: as `decode`.

    Returns, raises: as `decode`; BadInput also for what is not base64.
    """
    return decode(_bytes_of(text), reduce_to)


def _bytes_of(text: str | bytes) -> bytes:
    if len(text) > MAX_ENCODED_BYTES // 3 * 4 + 4096:
        raise TooLarge(f"the base64 picture has {len(text):,} characters; at most {MAX_ENCODED_BYTES:,} bytes are read")
    try:
        raw = text.encode("ascii") if isinstance(text, str) else bytes(text)
        if raw[:5].lower() == b"data:":
            prefix, comma, raw = raw.partition(b",")
            if not comma or not prefix.lower().endswith(b";base64"):
                raise BadInput("a picture that starts with 'data:' must go on like 'data:image/png;base64,iVBOR...'")
        return base64.b64decode(b"".join(raw.split()), validate=True)
    except (UnicodeEncodeError, binascii.Error) as exc:
        raise BadInput("the picture is not valid base64 (standard alphabet, padded with '=')") from exc


class _Decoder:
    """What the steps below have in common.

    Args:
        reduce_to: see `decode`; 0 decodes every picture in full, as Paddle Serving did.
    """

    def __init__(self, reduce_to: int = 0) -> None:
        self.reduce_to = reduce_to

    def __repr__(self) -> str:
        return f"{type(self).__name__}({f'reduce_to={self.reduce_to}' if self.reduce_to else ''})"


class ReadImage(_Decoder):
    """A picture in any form in which a request brings it, as BGR array.

    Call with the bytes of a picture file (an upload), base64 text (JSON; `data:image/png;base64,` may lead), or an
    array (H, W, 3) uint8 BGR, which is returned as it is. Raises as `decode`.
    """

    def __call__(self, picture: object) -> ImageU8:
        if isinstance(picture, str):
            return decode_base64(picture, self.reduce_to)
        if isinstance(picture, bytes | bytearray | memoryview):
            return decode(bytes(picture), self.reduce_to)
        if not isinstance(picture, np.ndarray):
            raise BadInput(f"a picture is bytes, base64 text or an array, got {type(picture).__name__}")
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise BadInput(f"a picture given as array must be uint8[H, W, 3], got {describe(picture)}")
        require_size(picture.shape[1], picture.shape[0], "the picture")
        return picture


class String2Image(_Decoder):
    """The bytes of a picture file to BGR (H, W, 3) uint8; see `decode`."""

    def __call__(self, img_buffer: bytes) -> ImageU8:
        if not isinstance(img_buffer, bytes | bytearray | memoryview):
            raise BadInput(f"String2Image takes the bytes of a picture file, got {type(img_buffer).__name__}")
        return decode(bytes(img_buffer), self.reduce_to)


class Base64ToImage(_Decoder):
    """A picture file as base64 text to BGR (H, W, 3) uint8; see `decode_base64`.

    The original skipped characters that are not base64; they are refused here, white space apart.
    """

    def __call__(self, img_base64: str | bytes) -> ImageU8:
        if not isinstance(img_base64, str | bytes):
            raise BadInput(f"Base64ToImage takes base64 text, got {type(img_base64).__name__}")
        return decode_base64(img_base64, self.reduce_to)


class File2Image(_Decoder):
    """A path to BGR (H, W, 3) uint8; see `decode`.

    For clients and scripts. In a service, never for a path that came with a request: it opens any file.
    """

    def __call__(self, img_path: str | os.PathLike[Any]) -> ImageU8:
        with open(img_path, "rb") as file:
            return decode(file.read(MAX_ENCODED_BYTES + 1), self.reduce_to)
