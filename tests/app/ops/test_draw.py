from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_app.ops.draw import BoxDrawing
from paddle_serving_client.errors import BadConfig, BadInput
from tests.app.ops.recorded import frozen

GREY = frozen(np.full((120, 300, 3), 128, np.uint8))
BOXES: list[Any] = [
    [[20, 40], [120, 40], [120, 70], [20, 70]],
    np.array([[150.4, 60], [250, 50], [280, 90], [230, 110], [150, 90]]),
]


def changed(image: Any) -> Any:
    return (image != GREY).any(axis=2)


def test_boxes_only() -> None:
    drawn = BoxDrawing()(GREY, BOXES)
    assert drawn.shape == GREY.shape
    assert changed(drawn)[40, 20:120].all()
    assert not changed(drawn)[45:65, 25:115].any()


def test_texts_stand_above_their_boxes_and_inside_the_picture() -> None:
    plain = BoxDrawing()(GREY, BOXES)
    drawn = BoxDrawing()(GREY, BOXES, ["Kasse 7", "欢迎光临"], [0.987, 0.5])
    written = (drawn != plain).any(axis=2)
    assert written[20:40, 20:60].mean() > 0.5
    assert not written[75:].any()
    assert drawn.shape == GREY.shape
    corner = BoxDrawing()(GREY, [[[290, 0], [299, 0], [299, 5], [290, 5]]], ["at the edge"], [1.0])
    assert changed(corner).sum() > 100


@pytest.mark.parametrize("text", ["", "\n\t\x00\x1b[31m", "x" * 10_000, "🙂", "مرحبا"])
def test_any_text(text: str) -> None:
    assert BoxDrawing()(GREY, BOXES[:1], [text]).shape == GREY.shape


def test_nothing_to_draw() -> None:
    assert np.array_equal(BoxDrawing()(GREY, [], [], []), GREY)
    assert BoxDrawing()(np.zeros((1, 1, 3), np.uint8), BOXES, ["a", "b"]).shape == (1, 1, 3)


def test_what_does_not_fit_says_why(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="2 boxes and 1 texts"):
        BoxDrawing()(GREY, BOXES, ["a"])
    with pytest.raises(BadInput, match="2 boxes and 3 scores"):
        BoxDrawing()(GREY, BOXES, ["a", "b"], [1, 1, 1])
    with pytest.raises(BadConfig, match="cannot be read"):
        BoxDrawing(tmp_path / "none.ttf")
