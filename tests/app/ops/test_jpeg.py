import cv2
import numpy as np
import pytest

from paddle_serving_app.ops.jpeg import read_jpeg
from paddle_serving_client.errors import BadInput, ServingError, UnsupportedMedia
from tests.app.ops.recorded import PICTURES

PHOTO = (PICTURES / "flower.jpg").read_bytes()
HEAD = b"\xff\xd8\xff\xe0\x00\x02"
FRAME = b"\xff\xc0\x00\x0b\x08\x00\x10\x00\x20\x01\x01\x11\x00"


def size_of(data: bytes) -> tuple[int, int]:
    jpeg = read_jpeg(data)
    return jpeg.width, jpeg.height


def test_size_of_a_photo() -> None:
    assert size_of(PHOTO) == (640, 427)


@pytest.mark.parametrize("options", [[], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 1]])
def test_kinds_of_jpeg(options: list[int]) -> None:
    _, data = cv2.imencode(".jpg", np.full((33, 65, 3), 90, np.uint8), options)
    assert size_of(data.tobytes()) == (65, 33)


def test_what_follows_the_end_is_ignored() -> None:
    assert size_of(PHOTO + b"\xff\xc3<html>\xff\xd8") == (640, 427)


@pytest.mark.parametrize("cut", [1, 2, 3, 200, 10_000, len(PHOTO) - 30])
def test_truncated(cut: int) -> None:
    with pytest.raises(BadInput, match="its end is missing"):
        read_jpeg(PHOTO[:-cut])


def test_damage_that_opencv_does_not_mention() -> None:
    start = len(PHOTO) // 2
    damaged = PHOTO[:start] + b"\xff\xa7" * 20 + PHOTO[start + 40 :]
    assert cv2.imdecode(np.frombuffer(damaged, np.uint8), cv2.IMREAD_COLOR) is not None
    with pytest.raises(BadInput, match="unexpected marker at byte"):
        read_jpeg(damaged)


def test_any_bytes_give_a_size_or_our_error() -> None:
    rng = np.random.default_rng(0)
    for k in range(300):
        data = bytearray(PHOTO[: 700 + k])
        data[2 + k % 600 : 10 + k % 600] = rng.bytes(8)
        try:
            read_jpeg(bytes(data))
        except ServingError:
            continue


@pytest.mark.parametrize("marker", [0xC3, 0xC5, 0xC9, 0xCB])
def test_kinds_that_are_not_read(marker: int) -> None:
    with pytest.raises(UnsupportedMedia, match="lossless"):
        read_jpeg(HEAD + FRAME.replace(b"\xff\xc0", bytes([0xFF, marker])) + b"\xff\xd9")


def test_twelve_bits_are_not_read() -> None:
    with pytest.raises(UnsupportedMedia, match="12 bits"):
        read_jpeg(HEAD + FRAME.replace(b"\x0b\x08", b"\x0b\x0c") + b"\xff\xd9")


def test_two_sizes_are_one_too_many() -> None:
    with pytest.raises(BadInput, match="unexpected marker"):
        read_jpeg(HEAD + FRAME + FRAME + b"\xff\xd9")


@pytest.mark.parametrize("filling", [b"\xff", b"\xff\xe0\x00\x02", b"\x00", b"\xff\x01"])
def test_a_file_made_to_take_long_does_not(filling: bytes) -> None:
    with pytest.raises(BadInput):
        read_jpeg(HEAD + FRAME + filling * (8_000_000 // len(filling)))


@pytest.mark.parametrize(("options", "scans", "visits"), [([], 1, 1.5), ([cv2.IMWRITE_JPEG_PROGRESSIVE, 1], 10, 8.0)])
def test_how_often_a_decoder_goes_over_it(options: list[int], scans: int, visits: float) -> None:
    _, data = cv2.imencode(".jpg", np.full((800, 1600, 3), 90, np.uint8), options)
    jpeg = read_jpeg(data.tobytes())
    assert jpeg.scans == scans
    assert jpeg.visits == visits * 100 * 200  # blocks of brightness, and a half of them of colour
