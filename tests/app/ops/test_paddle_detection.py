import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from paddle_serving_app.ops.paddle_detection import Detection
from paddle_serving_client.errors import BadConfig, BadInput
from tests.app.ops.record_vision import LABELS, MEAN, STD
from tests.app.ops.recorded import recorded

BEFORE, AFTER = recorded("detection"), recorded("boxes_drawn")
STEPS: dict[str, list[dict[str, Any]]] = {
    "RCNN": [
        {"type": "Normalize", "mean": MEAN, "std": STD},
        {"type": "Resize", "target_size": 20, "max_size": 30, "image_shape": [3, 30, 30]},
        {"type": "Permute"},
        {"type": "PadStride", "stride": 16},
    ],
    "YOLO": [{"type": "Resize", "target_size": 24, "interp": 2}, {"type": "Permute", "to_bgr": True}],
}


def detection(folder: Path, **said: Any) -> Detection:
    config = {"arch": "RCNN", "Preprocess": [], "with_background": True, "label_list": LABELS[1:], **said}
    (folder / "infer_cfg.yml").write_text(json.dumps(config))  # JSON is YAML
    return Detection(folder / "infer_cfg.yml", folder / "output")


def picture(folder: Path, content: Any) -> Path:
    path = folder / "street.png"
    path.write_bytes(content.tobytes())
    return path


@pytest.mark.parametrize("arch", STEPS)
def test_the_feed_as_the_original(arch: str, tmp_path: Path) -> None:
    names = ["image", "im_info", "im_shape"] if arch == "RCNN" else ["image", "im_size"]
    path = picture(tmp_path, BEFORE["picture.in"])
    feed = detection(tmp_path, arch=arch, Preprocess=STEPS[arch]).preprocess(names, path)
    assert list(feed) == names
    for name, array in feed.items():
        expected = BEFORE[f"{arch}_{name}.out"]
        assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
        assert np.abs(array - expected).max() <= 1e-6 * np.abs(expected).max()


def test_files_as_the_original(tmp_path: Path) -> None:
    path = picture(tmp_path, AFTER["picture.in"])
    original: Any = cv2.imread(str(path))
    asked = detection(tmp_path)
    asked.preprocess(["image", "im_info", "im_shape"], path)
    asked.postprocess({"boxes": AFTER["rows.in"], "boxes.lod": [0, 4]}, ["boxes"])
    assert (tmp_path / "output" / "bbox.json").read_text() == str(AFTER["pddet_file.out"])
    drawn: Any = cv2.imread(str(tmp_path / "output" / "street.png"))
    assert np.array_equal((drawn ^ original)[:, :, ::-1], AFTER["pddet_changed.out"])


def test_ssd_gives_parts_of_the_picture(tmp_path: Path) -> None:
    asked = detection(tmp_path, arch="SSD", with_background=False)
    feed = asked.preprocess(["image"], picture(tmp_path, AFTER["picture.in"]))
    assert feed["image"].shape == (110, 150, 3)
    asked.postprocess({"boxes": np.array([[1, 0.5, 0.1, -3, 0.5, 0.5]], np.float32)}, ["boxes"])
    (record,) = json.loads((tmp_path / "output" / "bbox.json").read_text())
    assert record["bbox"] == pytest.approx([15, 0, 60, 55])


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            {"Preprocess": [{"type": "__import__"}]},
            "needs a type among Resize, Normalize, Permute, PadStride; got '__im",
        ),
        ({"Preprocess": ["Resize"]}, "step 0"),
        ({"Preprocess": [{"type": "Resize", "size": 3}]}, "arguments that do not fit"),
        ({"Preprocess": [{"type": "Permute"}] * 33}, "at most 32"),
        ({"Preprocess": None}, "needs Preprocess, a list"),
        ({"arch": "BERT"}, "'BERT' is none of YOLO"),
        ({"label_list": []}, "labels in label_list"),
    ],
)
def test_a_config_that_is_none(tmp_path: Path, said: dict[str, Any], message: str) -> None:
    with pytest.raises(BadConfig, match=message):
        detection(tmp_path, **said)


@pytest.mark.parametrize("content", [b"a: [", b"just text", b"\xff\xfe\x00", b"#" * (1 << 20) + b"\n"])
def test_a_file_that_is_no_config(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.yml").write_bytes(content)
    with pytest.raises(BadConfig):
        Detection(tmp_path / "x.yml", tmp_path)


def test_inputs_and_outputs_are_named(tmp_path: Path) -> None:
    asked = detection(tmp_path)
    with pytest.raises(BadInput, match="RCNN has 3 inputs, but these were named: image"):
        asked.preprocess(["image"], picture(tmp_path, AFTER["picture.in"]))
    with pytest.raises(BadInput, match="no 'boxes'"):
        asked.postprocess({}, ["boxes"])
