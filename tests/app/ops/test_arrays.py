import numpy as np
import pytest

from paddle_serving_app.ops.arrays import require_hwc, require_size
from paddle_serving_client.errors import BadInput, TooLarge


@pytest.mark.parametrize(("width", "height"), [(1, 1), (16384, 3000), (200, 1), (1, 200)])
def test_sizes_that_are_read(width: int, height: int) -> None:
    require_size(width, height, "the picture")


@pytest.mark.parametrize(
    ("width", "height", "message"),
    [
        (12000, 12000, "at most 50,000,000 pixels"),
        (2**31 - 1, 2**31 - 1, "at most 50,000,000 pixels"),
        (16385, 1000, "a side may have at most 16,384"),
        (201, 1, "at most 200 times"),
        (1, 201, "at most 200 times"),
    ],
)
def test_sizes_over_a_limit(width: int, height: int, message: str) -> None:
    with pytest.raises(TooLarge, match=message):
        require_size(width, height, "the picture")


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-3, 5)])
def test_an_empty_picture_is_bad(size: tuple[int, int]) -> None:
    with pytest.raises(BadInput, match="at least 1"):
        require_size(*size, "the picture")


@pytest.mark.parametrize("shape", [(4, 4), (1, 3, 4, 4), (0, 4, 3)])
def test_a_picture_has_three_axes(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match=r"Resize needs a picture \(H, W, C\), got uint8"):
        require_hwc(np.zeros(shape, np.uint8), "Resize")
