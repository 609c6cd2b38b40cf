import base64
import io
import re
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from paddle_serving_app.ops.decode import Base64ToImage, File2Image, ReadImage, String2Image, decode
from paddle_serving_client.errors import BadInput, TooLarge, UnsupportedMedia
from tests.app.ops.recorded import PICTURES, recorded
from tests.app.ops.test_png import chunk

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


def spent(call: Callable[[], object]) -> float:
    """Processor seconds of this process."""
    started = time.process_time()
    call()
    return time.process_time() - started


def test_texts_that_nobody_reads_are_not_inflated() -> None:
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(7_900_000), 9))
    file = encoded(SMALL, "PNG")
    bomb = file[:33] + text * 300 + file[33:]
    assert spent(lambda: decode(bomb)) < 0.5
    assert np.array_equal(decode(bomb), decode(file))


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_of_very_many_scans_is_refused(progressive: bool) -> None:
    picture = encoded(Image.new("RGB", (4000, 3000)), "JPEG", progressive=progressive)
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x10"
    bomb = picture[:-2] + scan * 400 + picture[-2:]
    with pytest.raises(TooLarge, match=r"4000x3000 pixels in 4\d\d scans.*at most 32,000,000 blocks"):
        decode(bomb)
    few = picture[:-2] + scan * 20 + picture[-2:]
    assert decode(few).shape == (3000, 4000, 3)


def with_alpha() -> Image.Image:
    """Columns from clear to opaque."""
    picture = SMALL.convert("RGBA")
    picture.putalpha(Image.fromarray(np.tile(np.arange(0, 270, 9).clip(0, 255).astype(np.uint8), (20, 1))))
    return picture


def exif(orientation: int) -> bytes:
    data = Image.Exif()
    data[0x0112] = orientation
    return data.tobytes()


@pytest.mark.parametrize("oriented", [1, 6])
@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True, "exact": True}), ("WEBP", {"quality": 100})]
)
def test_on_white_as_a_viewer_shows_it(kind: str, options: dict[str, Any], oriented: int) -> None:
    data = encoded(with_alpha(), kind, exif=exif(oriented), **options)
    stored = Image.open(io.BytesIO(data)).convert("RGBA")
    white = Image.new("RGBA", stored.size, "white")
    expected = np.asarray(Image.alpha_composite(white, stored).convert("RGB"))[:, :, ::-1].astype(int)
    seen = np.rot90(expected, -1) if oriented == 6 else expected
    assert np.abs(decode(data, on_white=True) - seen).max() <= 1
    assert np.abs(ReadImage()(data) - seen).max() <= 1
    assert np.array_equal(String2Image()(data), decode(data))
    assert np.array_equal(ReadImage(on_white=False)(data), decode(data))


@pytest.mark.parametrize(
    "data",
    [
        encoded(Image.fromarray(np.eye(20, dtype=np.uint8) * 9), "PNG", transparency=0),
        encoded(Image.fromarray(np.eye(20, dtype=bool)), "PNG", transparency=0),
        encoded(Image.fromarray(np.eye(20, dtype=np.uint8) * 9).convert("RGB"), "PNG", transparency=(0, 0, 0)),
        encoded(Image.fromarray(np.eye(20, dtype=np.uint8) * 9).convert("P"), "PNG", transparency=0),
        encoded(Image.fromarray(np.eye(20, dtype=np.uint8) * 9), "GIF", transparency=0),
        cv2.imencode(".png", np.dstack([np.eye(20), np.eye(20), np.eye(20), np.eye(20) * 257]).astype(np.uint16) * 255)[
            1
        ].tobytes(),
    ],
    ids=["grey", "bits", "colour", "palette", "gif", "16 bits"],
)
def test_each_way_to_say_transparent(data: bytes) -> None:
    shown = decode(data, on_white=True)
    clear = np.eye(20) == 0
    assert (shown[clear] == 255).all()
    assert np.array_equal(shown[~clear], decode(data)[~clear])


def test_what_is_opaque_is_the_same_on_white() -> None:
    for name in (key for key in RECORDED if key.endswith(".in") and "alpha" not in key and "clear" not in key):
        data = RECORDED[name].tobytes()
        assert np.array_equal(decode(data, on_white=True), decode(data))
