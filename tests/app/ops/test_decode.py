import base64
import io
import re
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from paddle_serving_app.ops.decode import Base64ToImage, File2Image, ReadImage, String2Image, decode
from paddle_serving_client.errors import BadInput, TooLarge, UnsupportedMedia
from tests.app.ops.recorded import PICTURES, recorded

RECORDED = recorded("decode")
PHOTO = (PICTURES / "flower.jpg").read_bytes()


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


SMALL = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))


@pytest.mark.parametrize("name", sorted(key[:-3] for key in RECORDED if key.endswith(".in")))
def test_as_the_original(name: str) -> None:
    image = decode(RECORDED[f"{name}.in"].tobytes())
    assert image.dtype == np.uint8
    assert np.array_equal(image, RECORDED[f"{name}.out"])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_applied(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be seen turned clockwise
    plain = decode(encoded(SMALL, kind, quality=95))
    assert np.array_equal(decode(encoded(SMALL, kind, quality=95, exif=exif.tobytes())), np.rot90(plain, -1))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_first_frame_of_an_animation(kind: str) -> None:
    frames = [SMALL.quantize(32).convert("RGB"), SMALL.rotate(90, expand=False)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:] * 50, lossless=True)
    started = time.perf_counter()
    assert np.array_equal(decode(data), np.asarray(frames[0])[:, :, ::-1])
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
@pytest.mark.parametrize("part", [0.5, 0.9])
def test_truncated(kind: str, part: float) -> None:
    data = encoded(SMALL, kind)
    with pytest.raises(BadInput, match="truncated or damaged") as caught:
        decode(data[: int(len(data) * part)])
    assert not re.search("0x|cpp", str(caught.value))


def test_damaged_png_checksum() -> None:
    data = bytearray(encoded(SMALL, "PNG"))
    data[data.index(b"IDAT") + 30] ^= 1
    with pytest.raises(BadInput, match="damaged PNG"):
        decode(bytes(data))


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 12000, 12000, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1501) * 12000, 9)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    assert len(bomb) < 20_000
    started = time.perf_counter()
    with pytest.raises(TooLarge, match="12000x12000"):
        decode(bomb)
    assert time.perf_counter() - started < 0.01


def test_nothing_and_not_a_picture() -> None:
    with pytest.raises(BadInput, match="empty"):
        decode(b"")
    with pytest.raises(UnsupportedMedia):
        decode(b"\0" * 1000)


def test_every_door_gives_the_same(tmp_path: Path) -> None:
    expected: Any = cv2.imdecode(np.frombuffer(PHOTO, np.uint8), cv2.IMREAD_COLOR)
    text = base64.b64encode(PHOTO).decode()
    (tmp_path / "flower").write_bytes(PHOTO)
    for image in (
        String2Image()(PHOTO),
        File2Image()(tmp_path / "flower"),
        Base64ToImage()(text),
        Base64ToImage()(text.encode()),
        ReadImage()(PHOTO),
        ReadImage()(text),
        ReadImage()(f"data:image/jpeg;base64,{text}"),
        ReadImage()("\r\n".join(text[k : k + 76] for k in range(0, len(text), 76))),
        ReadImage()(expected),
    ):
        assert np.array_equal(image, expected)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        ("data:image/png,raw", "data:image/png;base64"),
        ("iVBORw0KGgo", "not valid base64"),
        ("iVBO-w0_Ggo=", "not valid base64"),
        ("картинка", "not valid base64"),
        ("", "empty"),
        (None, "got NoneType"),
        (np.zeros((4, 4, 3), np.float32), r"uint8\[H, W, 3\], got float32\[4, 4, 3\]"),
        (np.zeros((4, 4), np.uint8), r"got uint8\[4, 4\]"),
    ],
)
def test_what_is_no_picture_says_why(picture: object, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        ReadImage()(picture)


def test_text_is_not_bytes() -> None:
    with pytest.raises(BadInput, match="bytes of a picture file, got str"):
        String2Image()("abc")  # type: ignore[arg-type]


@pytest.mark.parametrize(("reduce_to", "part"), [(0, 1), (1000, 1), (257, 1), (256, 2), (129, 2), (128, 4), (10, 8)])
def test_a_jpeg_at_a_part_of_its_size(reduce_to: int, part: int) -> None:
    picture = Image.open(io.BytesIO(PHOTO)).resize((701, 513))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be seen turned clockwise
    data = encoded(picture, "JPEG", quality=95, exif=exif.tobytes())
    reduced, whole = decode(data, reduce_to), decode(data)
    assert reduced.shape == (-(-701 // part), -(-513 // part), 3)
    small = cv2.resize(whole, reduced.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - reduced).mean() < 5  # libjpeg leaves out the finest waves, INTER_AREA averages
    assert String2Image(reduce_to=reduce_to)(data).shape == ReadImage(reduce_to)(data).shape == reduced.shape


def test_only_jpeg_is_decoded_in_part() -> None:
    data = encoded(SMALL.resize((300, 300)), "PNG")
    assert decode(data, 10).shape == (300, 300, 3)
