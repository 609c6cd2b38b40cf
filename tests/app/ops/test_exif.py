from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from paddle_serving_app.ops.exif import orientation, upright
from tests.app.ops.test_decode import SMALL, encoded


def exif_of(oriented: int) -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "somebody"
    exif[0x0112] = oriented
    return exif.tobytes()


@pytest.mark.parametrize("oriented", range(10))
def test_as_opencv_turns_it(oriented: int) -> None:
    file = encoded(SMALL, "PNG", exif=exif_of(oriented))
    expected: Any = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)
    turned = upright(np.asarray(SMALL)[:, :, ::-1], orientation(exif_of(oriented)))
    assert np.array_equal(turned, expected)


def test_damaged_data_turns_nothing() -> None:
    whole = exif_of(6)
    assert orientation(whole) == 6
    assert orientation(b"") == 1
    for length in range(len(whole)):
        assert orientation(whole[:length]) in (1, 6)
    loop = whole[:10] + b"\xff\xff\xff\xff" + whole[14:]
    assert orientation(loop) == 1
