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
        ((2400, 1080), (1984, 896)),  # a screenshot of a telephone is a page
        ((10220, 1080), (9472, 992)),  # a long one is a strip: its shorter side to 1000
        ((9000, 600), (9000, 600)),
        ((60, 9000), (500, 9000)),  # bars as for one of its tiles
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


@pytest.mark.parametrize(("size", "count"), [((3000, 4000), 1), ((10220, 1080), 6), ((60, 9000), 6), ((2001, 500), 2)])
def test_a_strip_is_given_in_tiles(size: tuple[int, int], count: int) -> None:
    page = FitTextPage()(np.zeros((*size, 3), np.uint8))
    parts = page.parts()
    assert len(parts) == count
    assert len({part.shape for part in parts}) == 1
    assert max(parts[0].shape) <= 2000
    assert sum(part.shape[0] * part.shape[1] for part in parts) >= page.image.shape[0] * page.image.shape[1]


def test_bars_are_black_and_the_picture_is_between_them() -> None:
    page = FitTextPage()(np.full((40, 400, 3), 255, np.uint8))
    assert page.bar == 30
    assert not page.image[:30].any()
    assert page.image[30:70].all()
    assert not page.image[70:].any()


def test_what_is_no_picture() -> None:
    with pytest.raises(BadInput, match="FitTextPage needs a picture"):
        FitTextPage()(np.zeros((4, 4), np.uint8))
