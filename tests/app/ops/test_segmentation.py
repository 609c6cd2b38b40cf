from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from paddle_serving_app.ops.segmentation import MaskOverlay, SegPostprocess, class_mask, class_shares
from paddle_serving_client.errors import BadConfig, BadInput
from tests.app.ops.recorded import frozen, recorded

RECORDED = recorded("masks")
MASK = RECORDED["mask.in"]
LABELS = ["background", "road", "车"]


def halves(height: int = 40, width: int = 60) -> Any:
    """Class 0 on the left, 2 on the right, one row of class 1."""
    mask = np.zeros((height, width), np.int64)
    mask[:, width // 2 :] = 2
    mask[0] = 1
    return mask


def test_files_as_the_original(tmp_path: Path) -> None:
    path = tmp_path / "street.part.jpg"
    path.write_bytes(RECORDED["picture.in"].tobytes())
    post = SegPostprocess(21)
    assert post({"filename": str(path), "out": frozen(MASK), "out.lod": [0, 1]}) is None  # type: ignore[func-returns-value]
    names = sorted(found.name for found in tmp_path.glob("*.png"))
    assert names == RECORDED["names.out"].tolist()
    for what, name in zip(("mask", "result"), names, strict=True):
        got: Any = cv2.imread(str(tmp_path / name), -1)
        assert np.array_equal(got, RECORDED[f"{what}.out"]), what


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"out": MASK}, "no 'filename'"),
        ({"filename": "a.jpg"}, "no mask"),
        ({"filename": "a.jpg", "out": MASK[:, :100]}, r"512x512 classes, got uint8\[1, 100, 512\]"),
        ({"filename": "a.jpg", "out": MASK + 1}, "classes from 1 to 21, but there are 21"),
    ],
)
def test_a_result_that_is_none(result: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        SegPostprocess(21)(result)


@pytest.mark.parametrize(
    "output",
    [
        halves(),
        halves()[None],
        halves()[None, None],
        halves()[None, :, :, None],
        halves().astype(np.float32)[None],
        np.eye(3, dtype=np.float32)[halves()].transpose(2, 0, 1),
        np.eye(3, dtype=np.float32)[halves()].transpose(2, 0, 1)[None],
    ],
    ids=["hw", "1hw", "11hw", "1hw1", "float", "scores", "1 scores"],
)
def test_a_mask_in_every_form(output: Any) -> None:
    mask = class_mask(frozen(output), 3)
    assert mask.dtype == np.int32
    assert np.array_equal(mask, halves())


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (np.zeros((2, 4, 4), np.int64), r"scores \[3, H, W\], got int64\[2, 4, 4\]"),
        (np.zeros((2, 3, 4, 4)), r"\[2, 3, 4, 4\]"),
        (np.zeros(5), "got"),
        (np.zeros((0, 4)), "got"),
        (np.array([["a"]]), "numbers"),
        (np.full((2, 2), 3), "from 3 to 3, but there are 3"),
        (np.full((2, 2), -1), "from -1"),
        (np.full((2, 2), np.nan), "nan"),
    ],
)
def test_what_is_no_mask(output: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        class_mask(output, 3)


def test_shares_add_up() -> None:
    shares = class_shares(class_mask(halves(), 4), 4)
    assert shares == pytest.approx([0.4875, 0.025, 0.4875, 0])


def test_the_mask_is_painted_over_the_picture() -> None:
    image = np.full((400, 600, 3), 200, np.uint8)
    overlay = MaskOverlay(LABELS, colors=[(0, 0, 0), (0, 255, 0), (255, 0, 0)], opacity=0.5)
    plain = overlay(frozen(image), halves(), legend=False)
    assert plain.shape == image.shape
    assert plain[200, 100].tolist() == [200, 200, 200]  # background is not painted
    assert plain[200, 500].tolist() == [100, 100, 228]  # half red, as BGR
    assert plain[5, 100].tolist() == [100, 228, 100]
    assert (MaskOverlay(LABELS, background=None)(image, halves(), legend=False)[200, 100] == 100).all()


def test_the_legend_names_what_is_there() -> None:
    image = np.full((400, 600, 3), 200, np.uint8)
    overlay = MaskOverlay(["background", "road", "car"])
    corner = overlay(image, halves())[-60:, :150]
    assert (corner == 255).all(axis=2).mean() > 0.3
    nothing = overlay(image, np.zeros((4, 4), np.uint8))
    assert np.array_equal(nothing, image)


def test_an_overlay_that_cannot_be() -> None:
    for build in (
        lambda: MaskOverlay([]),
        lambda: MaskOverlay(LABELS, colors=[(0, 0, 0)]),
        lambda: MaskOverlay(LABELS, opacity=2),
        lambda: SegPostprocess(0),
    ):
        with pytest.raises(BadConfig):
            build()
