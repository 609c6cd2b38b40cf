from typing import Any

import cv2
import numpy as np
import pytest

from paddle_serving_app.ops.text_boxes import DBPostProcess, FilterBoxes, GetRotateCropImage, SortedBoxes
from paddle_serving_client.errors import BadConfig, BadInput, TooLarge
from tests.app.ops.recorded import PICTURES, frozen, recorded

RECORDED = recorded("boxes")
PARAMETERS = {"thresh": 0.3, "box_thresh": 0.5, "max_candidates": 1000, "unclip_ratio": 1.5}


def bar(height: int, width: int, left: int, top: int, right: int, bottom: int) -> Any:
    probabilities = np.zeros((height, width), np.float32)
    probabilities[top:bottom, left:right] = 0.9
    return frozen(probabilities)


def test_boxes_as_the_original() -> None:
    found = DBPostProcess(PARAMETERS)(frozen(RECORDED["maps.in"].astype(np.float32)), RECORDED["ratios.in"].tolist())
    assert sum(map(len, found)) > 10
    for k, boxes in enumerate(found):
        expected = RECORDED[f"found_{k}.out"]
        assert boxes.dtype == expected.dtype
        assert boxes.shape == expected.shape
        assert np.abs(boxes.astype(int) - expected).max(initial=0) <= 1  # cv2.minAreaRect of OpenCV 3.4 and 5.0


def test_filtered_as_the_original() -> None:
    for k in range(len(RECORDED["maps.in"])):
        boxes = FilterBoxes(10, 10)(frozen(RECORDED[f"found_{k}.out"]), [150, 240, 3])
        assert np.array_equal(boxes, RECORDED[f"filtered_{k}.out"])


def test_sorted_as_the_original() -> None:
    assert np.array_equal(SortedBoxes()(frozen(RECORDED["rows.in"])), RECORDED["rows.out"])


def test_cut_out_as_the_original() -> None:
    image, quads = frozen(RECORDED["real.in"]), frozen(RECORDED["quads.in"])
    for k, quad in enumerate(quads):
        line, expected = GetRotateCropImage()(image, quad), RECORDED[f"crop_{k}.out"]
        assert line.shape == expected.shape
        assert np.abs(line.astype(int) - expected).max() <= 3  # cv2.warpPerspective rounds differently


def test_a_box_grows_and_comes_back_in_the_pixels_of_the_picture() -> None:
    boxes, scores = DBPostProcess(PARAMETERS).find(bar(100, 200, 20, 30, 120, 50), 400, 100)
    # Area 99 x 19, perimeter 236: the edges move outwards by 1.5 x 1881 / 236 = 12 pixels of the map.
    assert boxes.tolist() == [[[16, 18], [262, 18], [262, 61], [16, 61]]]
    assert scores == [pytest.approx(0.9)]


def test_dilation_joins_what_a_pixel_parts() -> None:
    parted = np.array(bar(60, 200, 20, 20, 160, 40))
    parted[:, 90] = 0
    assert len(DBPostProcess(PARAMETERS).find(parted, 200, 60)[0]) == 2
    assert len(DBPostProcess(PARAMETERS | {"use_dilation": True}).find(parted, 200, 60)[0]) == 1


def test_later_rules_finish_the_row() -> None:
    tops = [(200, 10), (100, 12), (10, 14)]
    boxes = np.array([[[x, y], [x + 50, y], [x + 50, y + 8], [x, y + 8]] for x, y in tops], np.float32)
    assert [box[0, 0] for box in SortedBoxes()(boxes)] == [100, 10, 200]
    assert [box[0, 0] for box in SortedBoxes("ppocr-v4")(boxes)] == [10, 100, 200]
    assert SortedBoxes()(np.zeros((0, 4, 2), np.float32)) == []


def test_later_rules_cut_the_longer_edges_cubically() -> None:
    image: Any = cv2.imread(str(PICTURES / "street_sign_zh.jpg"))
    quad = frozen(np.array([[60, 400], [430, 350], [440, 500], [60, 560]], np.float32))
    assert GetRotateCropImage()(image, quad).shape == (160, 373, 3)
    assert GetRotateCropImage("ppocr-v4")(image, quad).shape == (160, 384, 3)


def test_upright_text_is_laid_down() -> None:
    image = np.zeros((100, 50, 3), np.uint8)
    image[:20] = 255
    line = GetRotateCropImage("ppocr-v4")(frozen(image), np.array([[0, 0], [50, 0], [50, 100], [0, 100]]))
    assert line.shape == (50, 100, 3)
    assert line[:, :15].min() == 255  # turned counterclockwise: what was on top is on the left


def test_empty_maps_give_no_boxes() -> None:
    empty = np.zeros((2, 1, 32, 32), np.float32)
    assert [boxes.shape for boxes in DBPostProcess(PARAMETERS)(empty, [[1, 1], [1, 1]])] == [(0, 4, 2)] * 2
    assert FilterBoxes(3, 3)(np.zeros((0, 4, 2)), [10, 10]).shape == (0, 4, 2)


def test_what_does_not_fit_says_why() -> None:
    image = np.zeros((9, 9, 3), np.uint8)
    with pytest.raises(BadConfig, match="needs 'box_thresh'"):
        DBPostProcess({"thresh": 0.3})
    with pytest.raises(BadConfig, match=r"serving-0\.9, ppocr-v4; got 'v5'"):
        SortedBoxes("v5")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=r"maps \(N, 1, H, W\), got float32\[4, 4\]"):
        DBPostProcess(PARAMETERS)(np.zeros((4, 4), np.float32), [[1, 1]])
    with pytest.raises(BadInput, match="four corners"):
        GetRotateCropImage()(image, np.zeros((3, 2)))
    for corners in ([[2, 2]] * 4, [[20, 20], [30, 20], [30, 30], [20, 30]]):
        with pytest.raises(BadInput, match="nothing lies inside"):
            GetRotateCropImage()(image, np.array(corners))
    with pytest.raises(TooLarge, match="100000x100000"):
        GetRotateCropImage()(image, np.array([[0, 0], [1e5, 0], [1e5, 1e5], [0, 1e5]]))
