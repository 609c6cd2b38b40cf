from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from paddle_serving_app.ops.image import (
    BGR2RGB,
    RGB2BGR,
    CenterCrop,
    Div,
    Normalize,
    PadStride,
    Sequential,
    Transpose,
)
from paddle_serving_app.ops.resize import Resize
from paddle_serving_client.errors import BadConfig, BadInput
from tests.app.ops.recorded import frozen, recorded

RECORDED = recorded("image")
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
FIRST = Transpose((2, 0, 1))
OPS: dict[str, Callable[[Any], Any]] = {
    "div": Div(255.0),
    "normalize_unit": Sequential([Div(255.0), Normalize(MEAN, STD)]),
    "normalize_255": Normalize([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
    "normalize_first": Sequential([Div(255.0), FIRST, Normalize(MEAN, STD, True)]),
    "crop_even": CenterCrop(24),
    "crop_odd": CenterCrop(31),
    "transpose": FIRST,
    "bgr2rgb": BGR2RGB(),
    "rgb2bgr": RGB2BGR(),
    "pad": Sequential([FIRST, PadStride(32)]),
    "sequence": Sequential(
        [Resize(32), CenterCrop(28), BGR2RGB(), FIRST, Div(255.0), Normalize(MEAN, STD, True)],
    ),
}


@pytest.mark.parametrize("which", ["noise", "real"])
@pytest.mark.parametrize("name", OPS)
def test_as_the_original(name: str, which: str) -> None:
    result, expected = OPS[name](frozen(RECORDED[f"{which}.in"])), RECORDED[f"{name}/{which}.out"]
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape
    tolerance = 1e-6 * np.abs(expected).max() if expected.dtype == np.float32 else 0
    assert np.abs(result.astype(np.float64) - expected).max() <= tolerance


def test_the_record_is_complete() -> None:
    assert {key.split("/")[0] for key in RECORDED if "/" in key} == set(OPS)


def test_a_single_step_prints_as_before() -> None:
    steps = Sequential([Resize(256), CenterCrop(224), BGR2RGB(), FIRST, Div(255), Normalize(MEAN, STD, True)])
    assert repr(steps).splitlines() == [
        "Sequential(",
        "    Resize(size=256, max_size=2147483647, interpolation=None)",
        "    CenterCrop(size=224)",
        "    BGR2RGB()",
        "    Transpose((2, 0, 1))",
        "    Div(255)",
        "    Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])",
        ")",
    ]


@pytest.mark.parametrize(
    ("op", "shape", "message"),
    [
        (BGR2RGB(), (4, 4), r"needs a picture \(H, W, C\), got uint8\[4, 4\]"),
        (CenterCrop(8), (4, 9, 3), "9x4 pixels has no centre of 8x8"),
        (Normalize(MEAN, STD), (3, 4, 4), r"\(H, W, C\) with 3 channels, got uint8\[3, 4, 4\]"),
        (Normalize(MEAN, STD, True), (4, 4, 3), r"\(C, H, W\) with 3 channels"),
        (PadStride(32), (4, 4), r"\(C, H, W\)"),
        (FIRST, (4, 4), r"Transpose\(2, 0, 1\) cannot reorder uint8\[4, 4\]"),
    ],
)
def test_what_does_not_fit_says_why(op: Callable[[Any], Any], shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        op(np.zeros(shape, np.uint8))


def test_impossible_settings() -> None:
    for make in (
        lambda: Div(0),
        lambda: Normalize(MEAN, [1, 0, 1]),
        lambda: Normalize(MEAN, [1, 1]),
        lambda: Transpose((2, 2, 0)),
        lambda: PadStride(-1),
    ):
        with pytest.raises(BadConfig):
            make()


def test_padding_by_nothing_changes_nothing() -> None:
    image = np.ones((3, 5, 5), np.uint8)
    assert PadStride(0)(image) is image
