import numpy as np
import pytest

from paddle_serving_app.ops.classification import ImageReader
from paddle_serving_client.errors import BadConfig, BadInput
from tests.app.ops.recorded import recorded

RECORDED = recorded("detection")
FILE = RECORDED["picture.in"].tobytes()


def test_as_the_original() -> None:
    expected = RECORDED["imagenet.out"]
    got = ImageReader(image_shape=[3, 20, 20], resize_short_size=24).process_image(FILE)
    assert got.dtype == np.float32
    assert np.abs(got - expected).max() <= 1e-6 * np.abs(expected).max()


def test_the_same_random_squares_after_the_same_seed() -> None:
    np.random.seed(7)
    got = ImageReader([3, 20, 20], resize_short_size=24, crop_center=False).process_image(FILE)
    assert np.abs(got - RECORDED["imagenet_random.out"]).max() < 1e-5


def test_without_a_size_nothing_is_cut_out() -> None:
    assert ImageReader([3, 0, 0]).process_image(FILE).shape == (3, 31, 45)


def test_what_does_not_work_says_why() -> None:
    with pytest.raises(BadInput, match="not a picture"):
        ImageReader().process_image(b"text, not pixels")
    for center in (True, False):
        with pytest.raises(BadInput, match="30x30"):
            ImageReader([3, 30, 30], resize_short_size=20, crop_center=center).process_image(FILE)
    with pytest.raises(BadConfig, match=r"\(C, H, W\)"):
        ImageReader([224])
