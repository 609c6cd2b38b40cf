"""A strip is seen in parts, and what was seen in two of them is one box."""

from typing import Any

import numpy as np
import pytest

from paddle_serving_app.ops.text_tiles import Tile, along, joined


def box(left: float, top: float, right: float, bottom: float) -> Any:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.int32)


def seen(tiles: tuple[Tile, ...], boxes: list[Any]) -> list[Any]:
    """What a perfect detector finds in each tile, in the tile's pixels."""
    found = []
    for tile in tiles:
        low, high = np.array(tile[:2]), np.array(tile[2:])
        parts = [np.clip(one, low, high) - low for one in boxes]
        found.append(np.array([part for part in parts if np.ptp(part, axis=0).min() > 2], np.int32).reshape(-1, 4, 2))
    return found


@pytest.mark.parametrize(
    ("size", "count"), [((2000, 100), 1), ((2001, 100), 2), ((3744, 100), 2), ((3745, 100), 3), ((100, 9000), 6)]
)
def test_tiles_are_equal_overlap_and_cover_all(size: tuple[int, int], count: int) -> None:
    tiles = along(*size, length=2000, overlap=256)
    assert len(tiles) == count
    assert len({(tile.right - tile.left, tile.bottom - tile.top) for tile in tiles}) == 1
    assert (tiles[0].left, tiles[0].top) == (0, 0)
    assert (tiles[-1].right, tiles[-1].bottom) == size
    for before, after in zip(tiles, tiles[1:], strict=False):
        assert max(before.right - after.left if size[0] > size[1] else before.bottom - after.top, 0) >= 256


LINES = [box(10, y, 900, y + 40) for y in range(20, 9900, 60)]
COLUMNS = [box(x, 10, x + 90, 50) for x in range(20, 9900, 120)]


@pytest.mark.parametrize(
    ("size", "boxes"),
    [
        ((1000, 10_000), LINES),
        ((10_000, 60), COLUMNS),
        ((10_000, 60), [box(20, 10, 9900, 50)]),  # one line through all tiles
        ((10_000, 100), [box(20, 10, 9900, 40), box(20, 60, 4000, 90), box(4400, 60, 9900, 90)]),
        ((1000, 10_000), []),
    ],
)
def test_each_text_is_one_box(size: tuple[int, int], boxes: list[Any]) -> None:
    tiles = along(*size, length=2000, overlap=256)
    whole = joined(tiles, seen(tiles, boxes))
    assert whole.shape == (len(boxes), 4, 2)
    expected = sorted(one.tolist() for one in boxes)
    assert np.abs(np.array(sorted(whole.tolist())).reshape(-1) - np.array(expected).reshape(-1)).max(initial=0) <= 1


def test_pieces_that_neighbours_cut_differently_are_one() -> None:
    tiles = (Tile(0, 0, 2000, 60), Tile(1744, 0, 3744, 60))
    ours = np.array([box(1500, 10, 1850, 50), box(1860, 10, 2000, 50)])
    theirs = np.array([box(0, 10, 180, 50), box(190, 10, 600, 50)])
    (whole,) = joined(tiles, [ours, theirs]).tolist()
    assert np.abs(np.array(whole) - box(1500, 10, 2344, 50)).max() <= 1


def test_one_tile_is_left_as_it_is() -> None:
    boxes = np.array([box(0, 0, 10, 10), box(2, 2, 8, 8)])
    assert np.array_equal(joined(along(100, 50, 2000, 256), [boxes]), boxes)
