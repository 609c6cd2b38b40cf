"""Encoded pictures to arrays. One policy for all that decode: kinds, limits and damage are judged here, once.

JPEG (8 bits; baseline, progressive), PNG, WebP, BMP and GIF are read; of animations the first frame. The result is
what `cv2.imdecode(data, cv2.IMREAD_COLOR)` gives: grey and palette pictures become BGR, 16 bits become 8, CMYK is
converted, colour profiles are ignored, and the EXIF orientation is applied. An alpha channel is dropped (the colour
below it stays as stored; GIF: black or the background), as Paddle Serving did, or the picture is laid on white, as a
viewer shows it.

What decoding may take is estimated from the file's structure. Beyond what any picture within the limits takes it is
refused, and where it may be much, it is done in a process that can be ended.
"""

import base64
import binascii
import os
from typing import Any

import cv2
import numpy as np

from paddle_serving_app.ops.arrays import ImageU8, require_size
from paddle_serving_app.ops.decoder import IN_PROCESS_S, decoded_apart
from paddle_serving_app.ops.exif import orientation, upright
from paddle_serving_app.ops.header import Header, read_header
from paddle_serving_client.errors import BadInput, TooLarge
from paddle_serving_client.message import Array, describe

MAX_ENCODED_BYTES = 64 << 20
"""Of a picture file; equal to the largest request body."""


_REDUCED = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}


_BLEND_ROWS = 64
"""Laid on white together; numbers in between take eight times the memory of the picture."""


def decode(data: bytes, reduce_to: int = 0, on_white: bool = False) -> ImageU8:
    """Decode a picture file.

    Args:
        data: the whole file.
        reduce_to: a JPEG may be decoded at a half, a quarter or an eighth of its size, as long as its shorter side
            keeps this many pixels; 0: never. Quicker, and not the same pixels as decoding and then resizing.
        on_white: lay a picture with transparent parts on white, instead of dropping what says that they are.

    Returns:
        (H, W, 3) uint8, BGR, freshly allocated, at most `arrays.MAX_PIXELS`; rotated as its EXIF data says.

    Raises:
        UnsupportedMedia: not a picture, or of a kind that is not read.
        TooLarge: over a limit of `arrays`, or of what decoding may take; found before memory is taken.
        BadInput: empty, truncated or damaged.
        Busy: other pictures that take long are being decoded.

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
    shows_through = on_white and header.has_alpha
    image = _read(header, cv2.IMREAD_UNCHANGED if shows_through else _REDUCED.get(part, cv2.IMREAD_COLOR))
    if image is None or {*image.shape[:2]} != {-(-header.width // part), -(-header.height // part)}:
        raise BadInput(f"truncated or damaged {header.kind} picture: it cannot be decoded")
    if shows_through:
        image = np.ascontiguousarray(upright(_on_white(image), orientation(header.exif)))
    elif on_white and header.clear_grey is not None:
        image[(image == header.clear_grey).all(axis=2)] = 255
    return image.astype(np.uint8, copy=False)


def _read(header: Header, flags: int) -> Array | None:
    """The pixels, here or in a process that can be ended; None: it cannot be decoded."""
    if header.cost_s > IN_PROCESS_S:
        return decoded_apart(header.data, flags, f"the {header.kind} picture ({header.width}x{header.height} pixels)")
    try:
        return cv2.imdecode(np.frombuffer(header.data, np.uint8), flags)
    except cv2.error:  # its message quotes C++ source and file names
        return None


def _on_white(image: Array) -> ImageU8:
    """(H, W, 4), 8 or 16 bits, as a viewer shows it on a white ground; without an alpha channel, as it is."""
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.ndim == 2:
        return np.repeat(image[:, :, None], 3, axis=2)
    color = np.ascontiguousarray(image[:, :, :3])
    if image.shape[2] < 4:
        return color
    for top in range(0, len(image), _BLEND_ROWS):
        alpha = image[top : top + _BLEND_ROWS, :, 3:].astype(np.uint16)
        if alpha.min() < 255:
            rows = color[top : top + _BLEND_ROWS]
            rows[:] = (rows * alpha + (255 - alpha) * 255 + 127) // 255
    return color


def _part(header: Header, reduce_to: int) -> int:
    """The part of its size at which a picture is decoded: 1, or 2, 4 or 8 for a half, a quarter or an eighth."""
    if not reduce_to or header.kind != "JPEG":
        return 1
    return next((part for part in _REDUCED if min(header.width, header.height) // part >= reduce_to), 1)


def decode_base64(text: str | bytes, reduce_to: int = 0, on_white: bool = False) -> ImageU8:
    """Decode a picture file written as base64.

    Args:
        text: the standard alphabet, padded; white space and a leading `data:...;base64,` are ignored.
        reduce_to, on_white: as `decode`.

    Returns, raises: as `decode`; BadInput also for what is not base64.
    """
    return decode(_bytes_of(text), reduce_to, on_white)


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
        on_white: see `decode`; False drops the alpha channel, as Paddle Serving did.
    """

    def __init__(self, reduce_to: int = 0, on_white: bool = False) -> None:
        self.reduce_to = reduce_to
        self.on_white = on_white

    def __repr__(self) -> str:
        return f"{type(self).__name__}({f'reduce_to={self.reduce_to}' if self.reduce_to else ''})"


class ReadImage(_Decoder):
    """A picture in any form in which a request brings it, as BGR array.

    Call with the bytes of a picture file (an upload), base64 text (JSON; `data:image/png;base64,` may lead), or an
    array (H, W, 3) uint8 BGR, which is returned as it is. A picture with transparent parts is laid on white, which
    `on_white=False` prevents. Raises as `decode`.
    """

    def __init__(self, reduce_to: int = 0, on_white: bool = True) -> None:
        super().__init__(reduce_to, on_white)

    def __call__(self, picture: object) -> ImageU8:
        if isinstance(picture, str):
            return decode_base64(picture, self.reduce_to, self.on_white)
        if isinstance(picture, bytes | bytearray | memoryview):
            return decode(bytes(picture), self.reduce_to, self.on_white)
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
        return decode(bytes(img_buffer), self.reduce_to, self.on_white)


class Base64ToImage(_Decoder):
    """A picture file as base64 text to BGR (H, W, 3) uint8; see `decode_base64`.

    The original skipped characters that are not base64; they are refused here, white space apart.
    """

    def __call__(self, img_base64: str | bytes) -> ImageU8:
        if not isinstance(img_base64, str | bytes):
            raise BadInput(f"Base64ToImage takes base64 text, got {type(img_base64).__name__}")
        return decode_base64(img_base64, self.reduce_to, self.on_white)


class File2Image(_Decoder):
    """A path to BGR (H, W, 3) uint8; see `decode`.

    For clients and scripts. In a service, never for a path that came with a request: it opens any file.
    """

    def __call__(self, img_path: str | os.PathLike[Any]) -> ImageU8:
        with open(img_path, "rb") as file:
            return decode(file.read(MAX_ENCODED_BYTES + 1), self.reduce_to)
