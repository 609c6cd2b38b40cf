import numpy as np
import pytest

from paddle_serving_app.ops.text_page import FitTextPage
from paddle_serving_client.errors import BadInput
from tests.app.ops.recorded import frozen


@pytest.mark.parametrize(
    ("size", "fitted"),
    [
        ((600, 800), (600, 800)),  # nothing to do
        ((3000, 4000), (1504, 1984)),  # longer side to 2000, then multiples of 32
        ((20, 20), (32, 32)),  # shorter side to 30, then multiples of 32
        ((1, 1), (32, 32)),
        ((50, 750), (186, 750)),  # more than 8 times as wide as high: bars
        ((31, 100), (31, 100)),
        ((750, 50), (750, 50)),  # very high pictures get none
    ],
)
def test_sizes(size: tuple[int, int], fitted: tuple[int, int]) -> None:
    page = FitTextPage()(frozen(np.full((*size, 3), 200, np.uint8)))
    assert page.image.shape == (*fitted, 3)
    assert (page.height, page.width) == size


@pytest.mark.parametrize("size", [(600, 800), (3000, 4000), (20, 25), (50, 750), (50, 4500)])
def test_corners_come_back_to_the_original(size: tuple[int, int]) -> None:
    height, width = size
    page = FitTextPage()(np.zeros((height, width, 3), np.uint8))
    high, wide = page.image.shape[:2]
    whole = np.array([[[0, page.bar], [wide, page.bar], [wide, high - page.bar], [0, high - page.bar]]])
    assert page.in_original(whole) == pytest.approx(np.array([[[0, 0], [width, 0], [width, height], [0, height]]]))
    beyond = page.in_original(whole * 2 - 100)
    assert beyond.min() >= 0
    assert (beyond <= [width, height]).all()
    assert page.in_original(np.zeros((0, 4, 2))).shape == (0, 4, 2)


def test_bars_are_black_and_the_picture_is_between_them() -> None:
    page = FitTextPage()(np.full((40, 400, 3), 255, np.uint8))
    assert page.bar == 30
    assert not page.image[:30].any()
    assert page.image[30:70].all()
    assert not page.image[70:].any()


def test_what_is_no_picture() -> None:
    with pytest.raises(BadInput, match="FitTextPage needs a picture"):
        FitTextPage()(np.zeros((4, 4), np.uint8))
