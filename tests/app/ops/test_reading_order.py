"""Boxes in the order in which a page is read."""

import numpy as np
import pytest

from paddle_serving_app.ops.reading_order import reading_order
from paddle_serving_client.errors import BadInput

PAGE = {
    "header": (136, 62, 403, 80),
    "title": (266, 158, 974, 204),
    "left 1": (142, 506, 367, 528),
    "left 2": (139, 558, 538, 937),
    "figure": (132, 966, 593, 1312),
    "right 1": (660, 507, 921, 528),
    "right 2": (658, 558, 1052, 816),
    "table": (650, 884, 1110, 1141),
    "footer": (612, 1677, 635, 1693),
}


def ordered(boxes: dict[str, tuple[int, int, int, int]], seed: int) -> list[str]:
    names = np.random.default_rng(seed).permutation(list(boxes)).tolist()
    return [names[k] for k in reading_order(np.array([boxes[name] for name in names], np.float32))]


@pytest.mark.parametrize("seed", range(5))
def test_titles_columns_and_footers(seed: int) -> None:
    assert ordered(PAGE, seed) == list(PAGE)


def test_without_a_title_columns_are_read_one_after_the_other() -> None:
    columns = {name: box for name, box in PAGE.items() if name not in ("header", "title")}
    assert ordered(columns, 3) == list(columns)


def test_boxes_on_each_other_are_read_from_the_top() -> None:
    assert reading_order(np.array([[0, 50, 100, 100], [10, 0, 90, 90]], np.float32)) == [1, 0]
    assert reading_order(np.zeros((0, 4), np.float32)) == []
    with pytest.raises(BadInput, match=r"\[K, 4\]"):
        reading_order(np.zeros((3, 6), np.float32))
