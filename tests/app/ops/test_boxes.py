import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from paddle_serving_app.ops import boxes
from paddle_serving_app.ops.boxes import BlazeFacePostprocess, LabelledBoxes, RCNNPostprocess, boxes_in, require_rows
from paddle_serving_client.errors import BadConfig, BadInput, TooLarge
from tests.app.ops.recorded import frozen, recorded

RECORDED = recorded("boxes_drawn")
ROWS = RECORDED["rows.in"]
IM_SHAPE = {"im_shape": np.array([110, 150])}
CASES: dict[str, tuple[type[RCNNPostprocess], Any, Any, dict[str, Any]]] = {
    "rcnn": (RCNNPostprocess, None, ROWS, {}),
    "resized": (RCNNPostprocess, [300, 200], ROWS, {}),
    "face": (BlazeFacePostprocess, None, RECORDED["parts.in"], IM_SHAPE),
    "none": (RCNNPostprocess, None, np.array([[-1.0]], np.float32), {}),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "street.png").write_bytes(RECORDED["picture.in"].tobytes())
    (tmp_path / "labels.txt").write_text("\n".join(RECORDED["labels.in"].tolist()))
    return tmp_path


def picture() -> Any:
    return cv2.imdecode(RECORDED["picture.in"], cv2.IMREAD_COLOR)


def op(folder: Path) -> RCNNPostprocess:
    return RCNNPostprocess(str(folder / "labels.txt"), folder / "output")


@pytest.mark.parametrize("name", CASES)
def test_list_file_and_drawing_as_the_original(name: str, folder: Path) -> None:
    kind, resize_shape, rows, extra = CASES[name]
    post = kind(str(folder / "labels.txt"), str(folder / "output"), resize_shape)
    result = {
        "image": str(folder / "street.png"),
        **extra,
        "boxes": frozen(rows),
        "boxes.lod": np.array([0, len(rows)]),
    }
    assert post(result) == json.loads(str(RECORDED[f"{name}.out"]))
    assert (folder / "output" / "bbox.json").read_text() == str(RECORDED[f"{name}_file.out"])
    drawn: Any = cv2.imread(str(folder / "output" / "street.png"))
    assert np.array_equal((drawn ^ picture())[:, :, ::-1], RECORDED[f"{name}_changed.out"])


def test_without_drawing_nothing_but_the_folder_is_made(folder: Path) -> None:
    listed = op(folder)({"boxes": ROWS, "boxes.lod": [0, 2]}, visualize=False)
    assert [record["category_id"] for record in listed] == [1, 2]
    assert list((folder / "output").iterdir()) == []


def test_what_detectors_say_today_is_read_too(folder: Path) -> None:
    filled_up = np.vstack([ROWS[:2], np.full((3, 6), -1, np.float32)])
    assert len(op(folder)({"boxes": filled_up}, visualize=False)) == 2
    assert op(folder)({"boxes": np.zeros((0, 6), np.float32), "boxes.lod": [0, 0]}, visualize=False) == []


def test_the_drawing_stays_in_its_folder(folder: Path) -> None:
    inside = folder / "a"
    inside.mkdir()
    os.rename(folder / "street.png", inside / "street.png")
    op(folder)({"image": f"{inside}/../a/street.png", "boxes": ROWS})
    assert sorted(path.name for path in (folder / "output").iterdir()) == ["bbox.json", "street.png"]


def test_labels_that_are_not_latin(folder: Path) -> None:
    (folder / "labels.txt").write_text("背景\n行人\n灯\n猫", encoding="utf-8")
    op(folder)({"image": folder / "street.png", "boxes": ROWS})
    drawn: Any = cv2.imread(str(folder / "output" / "street.png"))
    assert (drawn != picture()).any()


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({}, "no boxes, only nothing"),
        ({"image": "x.png"}, "no boxes, only image"),
        ({"boxes": ROWS}, "no 'image'"),
        ({"boxes": ROWS, "boxes.lod": [0, 9], "image": "x.png"}, "boxes.lod must rise from 0 to at most 4"),
        ({"boxes": ROWS, "boxes.lod": [3, 1], "image": "x.png"}, "boxes.lod must rise"),
        ({"boxes": np.zeros((4, 5)), "image": "x.png"}, r"\[N, 6\], got float64\[4, 5\]"),
        ({"boxes": np.float32(1), "image": "x.png"}, r"\[N, 6\]"),
        ({"boxes": np.array([["a"] * 6]), "image": "x.png"}, r"\[N, 6\]"),
        ({"boxes": ROWS * np.nan, "image": "x.png"}, "not finite"),
        ({"boxes": ROWS + 3, "image": "x.png"}, "has class 6, but there are labels for 4 classes only"),
        ({"boxes": ROWS, "image": "x.txt"}, "must end with one of .jpg"),
    ],
)
def test_a_result_that_is_none(folder: Path, result: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        op(folder)(result)


def test_faces_need_the_size_of_the_picture(folder: Path) -> None:
    face = BlazeFacePostprocess(str(folder / "labels.txt"), folder)
    with pytest.raises(BadInput, match="'im_shape'"):
        face({"boxes": ROWS})


def test_too_many_boxes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boxes, "MAX_BOXES", 3)
    with pytest.raises(TooLarge, match="4 boxes; at most 3"):
        require_rows(ROWS, 4, "boxes")


def test_folders_and_sizes_that_cannot_be(folder: Path) -> None:
    with pytest.raises(BadConfig, match="cannot be made"):
        RCNNPostprocess(str(folder / "labels.txt"), folder / "street.png" / "out")({"boxes": ROWS})
    with pytest.raises(BadConfig, match="resize_shape"):
        RCNNPostprocess(str(folder / "labels.txt"), folder, [0, 5])


def test_boxes_with_labels_in_memory() -> None:
    image = np.full((200, 300, 3), 230, np.uint8)
    draw = LabelledBoxes(["a", "b", "c", "d"])
    rows = np.array([[1, 0.9, 20, 60, 120, 160], [1, 0.8, 150, 60, 250, 160], [3, 0.2, 5, 5, 295, 195]], np.float32)
    drawn = draw(frozen(image), rows)
    assert (drawn[110, 20] == drawn[110, 150]).all()  # one class, one colour
    assert (drawn[110, 20] != image[0, 0]).any()
    assert (drawn[100, 5] == image[0, 0]).all()  # below the least score
    assert (drawn[50:60, 20:60] != image[0, 0]).any()  # the label
    assert np.array_equal(draw(image, np.array([[-1.0]])), image)
    far = np.array([[0, 0.9, -1e30, 3, 1e30, 9]], np.float32)
    assert (draw(image, far)[3, 100] != image[0, 0]).any()


SIX, COUNT, NONE = np.zeros((3, 6), np.float32), np.array([3], np.int32), np.array([[-1.0]], np.float32)


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ({"count": COUNT, "boxes": SIX}, "boxes"),
        ({"boxes": SIX, "count": COUNT}, "boxes"),
        ({"masks": np.zeros((3, 28, 28), np.float32), "keep": np.zeros((3, 1), np.int32), "boxes": SIX}, "boxes"),
        ({"landmarks": SIX[:2], "boxes": SIX, "count": COUNT}, "boxes"),
        ({"first": SIX, "second": SIX}, "first"),
        ({"count": COUNT * 0, "boxes": NONE}, "boxes"),
        ({"count": COUNT * 0, "boxes": SIX[:0]}, "boxes"),
        ({"scores": np.zeros((3, 5), np.float32)}, "scores"),
    ],
)
def test_boxes_are_found_by_their_shape(outputs: dict[str, Any], expected: str) -> None:
    assert boxes_in(outputs) == expected
