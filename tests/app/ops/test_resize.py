from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from paddle_serving_app.ops.resize import LimitSideLen, Resize, ResizeByFactor
from paddle_serving_client.errors import BadConfig, BadInput, TooLarge
from tests.app.ops.recorded import frozen, recorded

RECORDED = recorded("resize")
OPS: dict[str, Callable[[Any], Any]] = {
    "short_64": Resize(64),
    "short_100": Resize(100),
    "short_64_max_70": Resize(64, 70),
    "exact_64_48": Resize((64, 48)),
    "exact_64_48_max_50": Resize((64, 48), 50),
    "short_64_nearest": Resize(64, interpolation=cv2.INTER_NEAREST),
    "short_64_cubic": Resize(64, interpolation=cv2.INTER_CUBIC),
    "short_64_area": Resize(64, interpolation=cv2.INTER_AREA),
    "factor_32": ResizeByFactor(),
    "factor_32_max_100": ResizeByFactor(32, 100),
    "factor_16": ResizeByFactor(16, 2400),
}
RULES: dict[str, Callable[[Any], Any]] = {
    "shapes_factor_32": ResizeByFactor(32, 640),
    "shapes_factor_64": ResizeByFactor(64, 640),
    "shapes_short_50_max_200": Resize(50, 200),
}


@pytest.mark.parametrize("name", OPS)
def test_pixels_as_the_original(name: str) -> None:
    assert np.array_equal(OPS[name](frozen(RECORDED["real.in"])), RECORDED[f"{name}.out"])


@pytest.mark.parametrize("name", RULES)
def test_sizes_as_the_original(name: str) -> None:
    shapes = [RULES[name](np.zeros((h, w, 3), np.uint8)).shape for h, w in RECORDED["shapes.in"]]
    assert np.array_equal(shapes, RECORDED[f"{name}.out"])


def test_the_record_is_complete() -> None:
    assert {key[:-4] for key in RECORDED if key.endswith(".out")} == {*OPS, *RULES}


def test_a_thin_picture_keeps_its_axis_and_a_least_size() -> None:
    assert ResizeByFactor(32, 640)(np.zeros((1, 6000, 3), np.uint8)).shape == (32, 640, 3)
    assert ResizeByFactor(16, 2400)(np.zeros((60, 60, 3), np.uint8)).shape == (16, 32, 3)
    assert Resize(8)(np.zeros((4, 4, 1), np.uint8)).shape == (8, 8, 1)


def test_a_narrow_picture_does_not_become_a_huge_one() -> None:
    with pytest.raises(TooLarge, match="4096x819200"):
        Resize(4096)(np.zeros((200, 1, 3), np.uint8))


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_picture(image: Any) -> None:
    for op in (Resize(8), ResizeByFactor(), LimitSideLen()):
        with pytest.raises(BadInput, match="needs a picture"):
            op(image)


@pytest.mark.parametrize(
    ("shape", "kind", "expected"),
    [
        ((736, 1000), "min", (736, 992)),
        ((400, 300), "min", (992, 736)),
        ((1000, 2000), "min", (992, 1984)),
        ((15, 15), "min", (736, 736)),
        ((1000, 2000), "max", (384, 736)),
        ((100, 200), "max", (96, 192)),
        ((1, 200), "max", (32, 192)),
        ((250, 2000), "min", (736, 5888)),
        ((2000, 15), "min", (24480, 192)),  # long and narrow: 4.5 million pixels instead of 72
    ],
)
def test_sizes_for_text_detection(shape: tuple[int, int], kind: str, expected: tuple[int, int]) -> None:
    assert LimitSideLen(736, kind)(np.zeros((*shape, 3), np.uint8)).shape == (*expected, 3)


def test_impossible_settings() -> None:
    for make in (
        lambda: Resize(0),
        lambda: Resize((3, 4, 5)),
        lambda: ResizeByFactor(0),
        lambda: LimitSideLen(10),
        lambda: LimitSideLen(736, "middle"),
    ):
        with pytest.raises(BadConfig):
            make()
