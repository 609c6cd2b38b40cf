"""Each task on the same model and pictures as PaddleX 3.7's own predictor: `record_paddlex.py` has asked it."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.exported import task
from paddle_serving_app.exported.task import Task
from paddle_serving_app.model import Model
from paddle_serving_client.errors import BadInput
from tests import exported_models
from tests.app.exported.record_paddlex import SIZES, runs
from tests.serving import ROOT

pytest.importorskip("onnx")
SAID: Mapping[str, Any] = json.loads((ROOT / "tests" / "data" / "paddlex" / "predictors.json").read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exported")


@cache
def opened(folder: Path, name: str) -> tuple[Model, Task]:
    made = exported_models.make(name, folder)
    model = Model.load(made, ModelOptions(backend="onnxruntime"))
    return model, task.read(made, model.signature)


def found(folder: Path, name: str, picture: Any, **options: Any) -> dict[str, Any]:
    model, asked = opened(folder, name)
    feed = asked.fed(picture, options)
    arrays = model.run(model.signature.arrange(feed)).arrays
    outputs = {output.alias: array for output, array in zip(model.signature.outputs, arrays, strict=True)}
    answer = asked.found(picture, outputs, options)
    assert set(answer) == set(asked.outputs) - {"image"}
    assert asked.drawn(picture, answer).shape == picture.shape
    return answer


def close(got: object, said: object, tolerance: float) -> bool:
    """Numbers in lists of the same shape."""
    one, other = np.array(got, np.float64), np.array(said, np.float64)
    return one.shape == other.shape and bool(np.abs(one - other).max(initial=0.0) <= tolerance)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["classifier", "multilabel"])
def test_classes(folder: Path, name: str, size: tuple[int, int]) -> None:
    got, said = found(folder, name, exported_models.picture(*size)), SAID[f"{name} {size[0]}x{size[1]}"]
    assert got["classes"] == np.array(said["class_ids"]).reshape(-1).tolist()
    assert got["labels"] == said["label_names"]
    assert close(got["scores"], said["scores"], 1e-3)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *((name, size) for name in ("detector", "layout", "detector_with_sizes", "turned") for size in SIZES),
        ("instances", SIZES[0]),  # the masks of this model are of that size
    ],
)
def test_boxes_and_masks(folder: Path, name: str, size: tuple[int, int]) -> None:
    got, said = found(folder, name, exported_models.picture(*size)), SAID[f"{name} {size[0]}x{size[1]}"]
    boxes = said["boxes"]
    assert len(boxes) > 0
    assert got["classes"] == [box["cls_id"] for box in boxes]
    assert got["labels"] == [box["label"] for box in boxes]
    assert close(got["scores"], [box["score"] for box in boxes], 1e-3)
    assert close([np.array(box).reshape(-1) for box in got["boxes"]], [box["coordinate"] for box in boxes], 1.0)
    assert len(got.get("masks", [])) == len(said.get("masks", []))
    for box, mask, whole in zip(boxes, said.get("masks", []), got.get("masks", []), strict=False):
        left, top, right, bottom = (round(side) for side in box["coordinate"])
        assert runs((whole[top:bottom, left:right] // 255).astype(int).reshape(-1).tolist()) == mask


@pytest.mark.parametrize("size", SIZES)
def test_the_class_of_each_pixel(folder: Path, size: tuple[int, int]) -> None:
    got = found(folder, "segmentation", exported_models.picture(*size))
    pixels = np.repeat(*np.array(SAID[f"segmentation {size[0]}x{size[1]}"]["pred"]).T)
    assert got["mask"].shape == size[::-1]
    assert (got["mask"].reshape(-1) == pixels).all()
    assert got["labels"] == [f"class {k}" for k in got["classes"]]


@pytest.mark.parametrize("size", SIZES)
def test_the_joints_of_a_person(folder: Path, size: tuple[int, int]) -> None:
    got = found(folder, "keypoints", exported_models.picture(*size))
    joints = np.array(SAID[f"keypoints {size[0]}x{size[1]}"]["kpts"][0]["keypoints"])
    assert close(got["points"], joints[:, :2], 0.05)
    assert close(got["scores"], joints[:, 2], 1e-3)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["text_map", "seal_map"])
def test_where_text_is(folder: Path, name: str, size: tuple[int, int]) -> None:
    got, said = found(folder, name, exported_models.picture(*size)), SAID[f"{name} {size[0]}x{size[1]}"]
    assert len(got["boxes"]) == len(said["dt_polys"]) == 3
    assert all(close(box, polygon, 1.0) for box, polygon in zip(got["boxes"], said["dt_polys"], strict=True))
    assert close(got["scores"], said["dt_scores"], 1e-3)


@pytest.mark.parametrize("size", SIZES)
def test_what_a_line_says(folder: Path, size: tuple[int, int]) -> None:
    got, said = found(folder, "line", exported_models.picture(*size)), SAID[f"line {size[0]}x{size[1]}"]
    assert got["texts"] == [said["rec_text"]]
    assert close(got["scores"], [said["rec_score"]], 1e-3)


def test_thresholds_of_a_caller(folder: Path) -> None:
    picture = exported_models.picture()
    usual = len(found(folder, "detector", picture)["boxes"])
    assert len(found(folder, "detector", picture, threshold=0.7)["boxes"]) < usual
    by_class = found(folder, "detector", picture, threshold={"0": 0.99, "3": 0.1})
    assert 0 not in by_class["classes"]
    assert 3 in by_class["classes"]
    assert len(found(folder, "classifier", picture, topk="2")["labels"]) == 2  # as forms send it
    assert found(folder, "multilabel", picture, threshold={"default": 1.0, "4": 0.1})["classes"] == [4]
    assert found(folder, "text_map", picture, box_thresh=0.9999)["boxes"] == []


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("detector", {"treshold": 1}, "unknown field 'treshold' beside the picture; there are image, threshold"),
        ("detector", {"threshold": "high"}, "threshold must be a number, got 'high'"),
        ("detector", {"threshold": {"cat": 0.5}}, "by the number of a class, got 'cat'"),
        ("detector", {"layout_merge_bboxes_mode": "all"}, "union, large, small; got 'all'"),
        ("classifier", {"topk": 0}, "topk must be a number of at least 1"),
        ("multilabel", {"threshold": [0.5]}, "threshold has 1 numbers, for 5 classes"),
        ("text_map", {"limit_type": "most"}, "'most'"),
        ("text_map", {"max_side_limit": 1e9}, "max_side_limit is at most 4000"),
        ("line", {"topk": 1}, "there are image"),
    ],
)
def test_what_cannot_be_asked_is_said(folder: Path, name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=".*") as refused:
        found(folder, name, exported_models.picture(), **options)
    assert message in str(refused.value)
