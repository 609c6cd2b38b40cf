"""Sizes that exported models ask for."""

import cv2
import numpy as np
import pytest
from PIL import Image

from paddle_serving_app.ops.fit import FitResize, PadTo, PillowResize, TextResize
from paddle_serving_client.errors import BadConfig, BadInput, TooLarge

PICTURE = np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)


def test_exactly_or_into_a_size() -> None:
    assert (FitResize((30, 40))(PICTURE) == cv2.resize(PICTURE, (30, 40))).all()
    assert FitResize((60, 90), keep_ratio=True).size_for(90, 60) == (90, 60)  # whatever stands upright
    assert FitResize((1024, 512), True, 32).size_for(700, 500) == (736, 512)
    assert FitResize((90, 60))(PICTURE) is PICTURE
    nearest = FitResize((7, 7), interpolation=cv2.INTER_NEAREST)(PICTURE)
    assert (nearest == cv2.resize(PICTURE, (7, 7), interpolation=cv2.INTER_NEAREST)).all()
    with pytest.raises(TooLarge):
        FitResize((16_000, 16_000))(PICTURE)
    with pytest.raises(BadConfig):
        FitResize((0, 5))


def test_as_pillow_does() -> None:
    bicubic = PillowResize(30, Image.Resampling.BICUBIC)(PICTURE)
    assert (bicubic == np.asarray(Image.fromarray(PICTURE).resize((45, 30), Image.Resampling.BICUBIC))).all()
    assert PillowResize((5, 8))(PICTURE).shape == (8, 5, 3)


def test_filled_up() -> None:
    padded = PadTo((100, 64), (1, 2, 3))(PICTURE)
    assert (padded[:60, :90] == PICTURE).all()
    assert padded[63, 99].tolist() == [1, 2, 3]
    with pytest.raises(BadInput, match="larger than the 50x64"):
        PadTo((50, 64))(PICTURE)


@pytest.mark.parametrize(
    ("arguments", "shape", "expected"),
    [
        ((736, "min"), (60, 90), (736, 1088)),
        ((960, "max"), (60, 90), (64, 96)),
        ((960, "max"), (1920, 1200), (960, 608)),
        ((320, "resize_long"), (60, 90), (224, 320)),
        ((736, "min", 800), (60, 90), (544, 800)),
        ((64, "min"), (10, 20), (64, 64)),
        ((736, "min", 4000, (100, 50)), (60, 90), (100, 50)),
        ((736, "min", 4000, (96, 0), True), (60, 90), None),
    ],
)
def test_for_text(arguments: tuple[object, ...], shape: tuple[int, int], expected: tuple[int, int] | None) -> None:
    if expected is None:
        with pytest.raises(BadConfig):
            TextResize(*arguments)  # type: ignore[arg-type]
        return
    assert TextResize(*arguments)(np.zeros((*shape, 3), np.uint8)).shape[:2] == expected  # type: ignore[arg-type]
