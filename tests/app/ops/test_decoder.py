"""Decoding in a process that can be ended: the same pixels, and an end."""

import os
import signal
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from paddle_serving_app.ops import decoder
from paddle_serving_app.ops.decode import decode
from paddle_serving_app.ops.decoder import decoded_apart
from paddle_serving_app.ops.png import SIGNATURE
from paddle_serving_client.errors import TooLarge
from tests.app.ops.recorded import PICTURES
from tests.app.ops.test_png import chunk

PHOTO = (PICTURES / "flower.jpg").read_bytes()


def children() -> set[int]:
    return {
        int(status.parent.name)
        for status in Path("/proc").glob("[0-9]*/status")
        if f"\nPPid:\t{os.getpid()}\n" in status.read_text()
        and b"decoder_child" in (status.parent / "cmdline").read_bytes()
    }


@pytest.mark.parametrize("flags", [cv2.IMREAD_COLOR, cv2.IMREAD_UNCHANGED, cv2.IMREAD_REDUCED_COLOR_4])
def test_the_same_pixels(flags: int) -> None:
    grey = cv2.imencode(".png", np.arange(600, dtype=np.uint16).reshape(20, 30))[1].tobytes()
    for data in (PHOTO, grey):
        apart = decoded_apart(data, flags, "it")
        here: Any = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        assert apart is not None
        assert apart.dtype == here.dtype
        assert np.array_equal(apart, here)
        apart[:] = 0  # it is ours


def test_what_cannot_be_decoded() -> None:
    assert decoded_apart(PHOTO[:40], cv2.IMREAD_COLOR, "it") is None


def test_several_at_once_share_a_few_processes() -> None:
    with ThreadPoolExecutor(12) as threads:
        images = list(threads.map(lambda _: decoded_apart(PHOTO, cv2.IMREAD_COLOR, "it"), range(24)))
    assert all(image is not None and image.shape == (427, 640, 3) for image in images)
    assert len(children()) <= 4


def test_a_process_that_died_is_replaced() -> None:
    decoded_apart(PHOTO, cv2.IMREAD_COLOR, "it")
    before = children()
    for child in before:
        os.kill(child, signal.SIGKILL)
    for child in before:
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert decoded_apart(PHOTO, cv2.IMREAD_COLOR, "it") is not None
    assert not children() & before


def test_data_without_an_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image of 1x1 pixels whose data goes on for gigabytes: libpng inflates all of it."""
    monkeypatch.setattr(decoder, "LONGEST_S", 1)
    monkeypatch.setattr(decoder, "_decoders", {})
    deflate = zlib.compressobj(9)
    body = b"".join(deflate.compress(bytes(1 << 24)) for _ in range(300))
    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    bomb = SIGNATURE + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    started = os.times()
    with pytest.raises(TooLarge, match=r"the PNG picture \(1x1 pixels\) takes more than 1 s of processor time"):
        decode(bomb)
    used = os.times()
    assert used.children_user - started.children_user < 4
    assert used.user - started.user < 0.5
