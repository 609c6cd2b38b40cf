"""What files beside exported models say, as real ones are written: dialects, defaults, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from paddle_serving_app import layout
from paddle_serving_app.exported import description, task
from paddle_serving_app.exported.tasks.text_recognition import TextRecognition
from paddle_serving_app.signature import Input, Output, Signature
from paddle_serving_client import dtype
from paddle_serving_client.errors import BadConfig, BadModel, ServingError
from tests import exported_models

FLOAT = dtype.code_of(np.float32)
PICTURE = Signature((Input("x", "x", FLOAT, (-1, 3, -1, -1)),), (Output("y", "y", FLOAT),))
DETECTOR = Signature(
    (
        Input("scale", "scale", FLOAT, (-1, 2)),
        Input("a", "a", FLOAT, (-1, 2)),
        Input("b", "b", FLOAT, (-1, 3, 320, 320)),
    ),
    (Output("y", "y", FLOAT), Output("z", "z", FLOAT)),
)
OLD = """
mode: fluid
draw_threshold: 0.5
arch: YOLO
Preprocess:
- {interp: 1, max_size: 0, target_size: 32, type: Resize, use_cv2: true}
- {is_channel_first: false, is_scale: true, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], type: Normalize}
- {channel_first: true, to_bgr: false, type: Permute}
label_list: [helmet, head]
with_background: false
use_python_inference: false
"""
LINE = """
PostProcess: {name: CTCLabelDecode, character_dict: [a, 7, yes, ~, 1.10, '#']}
PreProcess:
  transform_ops:
  - DecodeImage: {channel_first: false, img_mode: BGR}
  - RecResizeImg: {image_shape: [3, 48, 320]}
"""
BOXES = """
Preprocess:
- {type: Resize, target_size: [320, 320], keep_ratio: false, interp: 2}
- {type: NormalizeImage, norm_type: none, is_scale: true, mean: [0.5, 0.5, 0.5], std: [1, 1, 1]}
- {type: Permute}
label_list: [cat]
"""
SEGMENTS = """
Deploy:
  model: model.pdmodel
  params: model.pdiparams
  transforms:
  - {type: Resize, target_size: [96, 48]}
  - {type: Normalize}
"""


def written(folder: Path, text: str, name: str = "inference.yml") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_dictionary_is_texts_however_they_are_written(tmp_path: Path) -> None:
    made = task.read(written(tmp_path, LINE), PICTURE)
    assert isinstance(made, TextRecognition)
    assert made.characters == ("a", "7", "yes", "~", "1.10", "#", " ")


def test_inputs_are_known_by_their_shapes_and_order_where_names_say_nothing(tmp_path: Path) -> None:
    fed = task.read(written(tmp_path, BOXES), DETECTOR).fed(exported_models.picture(), {})
    assert {name: array.shape for name, array in fed.items()} == {"a": (1, 2), "b": (1, 3, 320, 320), "scale": (1, 2)}
    assert fed["a"].tolist() == [[320, 320]]  # im_shape comes first, sorted by the names that the toolkits give
    assert np.allclose(fed["scale"], [[320 / 200, 1.0]])


def test_none_means_none_where_paddledetection_wrote_the_file(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    (paddlex, paddledetection) = (
        task.read(written(tmp_path / number, BOXES, name), DETECTOR).fed(exported_models.picture(), {})["b"]
        for number, name in (("1", "inference.yml"), ("2", "infer_cfg.yml"))
    )
    assert np.allclose(paddlex, paddledetection - 0.5, atol=1e-6)


def test_a_size_is_exact_where_paddleseg_wrote_the_file(tmp_path: Path) -> None:
    fed = task.read(written(tmp_path, SEGMENTS, "deploy.yaml"), PICTURE).fed(exported_models.picture(), {})
    assert fed["x"].shape == (1, 3, 48, 96)


def test_a_detector_of_paddledetection_0_is_told_apart_and_served(tmp_path: Path) -> None:
    inputs = Input("image", "image", FLOAT, (-1, 3, 32, 32)), Input("im_size", "size", dtype.code_of(np.int32), (-1, 2))
    old = task.read(written(tmp_path, OLD, "infer_cfg.yml"), Signature(inputs, DETECTOR.outputs))
    picture = exported_models.picture()
    fed = old.fed(picture, {})
    assert {name: array.shape for name, array in fed.items()} == {"image": (1, 3, 32, 32), "size": (1, 2)}
    assert fed["size"].tolist() == [[200, 320]]
    rows = np.array([[1, 0.9, -5, 10, 50, 60], [0, 0.2, 0, 0, 9, 9]], np.float32)
    found = old.found(picture, {"boxes": rows}, {})
    assert (found["labels"], found["boxes"]) == (["head"], [[0, 10, 50, 60]])
    with pytest.raises(BadConfig, match="YOLO takes a picture and im_size; the model takes 'x'"):
        task.read(tmp_path, PICTURE)


@pytest.mark.parametrize(
    ("text", "signature", "message"),
    [
        (BOXES.replace("Resize", "LetterBoxResize"), DETECTOR, "Preprocess[0] LetterBoxResize: there is no step"),
        (BOXES.replace("keep_ratio", "keep_ratios"), DETECTOR, "Preprocess[0] Resize: 'keep_ratios' is not known here"),
        (BOXES.replace("interp: 2", "interp: 9"), DETECTOR, "interp must be a whole number from 0 to 4, got 9"),
        (BOXES.replace("[1, 1, 1]", "[1, 0, 1]"), DETECTOR, "no deviation may be 0"),
        (BOXES.replace("label_list: [cat]", ""), DETECTOR, "label_list must be a list of 1 to"),
        (BOXES, Signature(DETECTOR.inputs[:1] * 2, ()), "a detector takes a picture, im_shape and scale_factor; this"),
        (LINE.replace("BGR", "GRAY"), PICTURE, "img_mode is BGR or RGB here, got 'GRAY'"),
        (LINE.replace("CTCLabelDecode", "UniMERNetDecode"), PICTURE, "stands behind the model is UniMERNetDecode"),
        (SEGMENTS.replace("Normalize", "ResizeByShort"), PICTURE, "transforms[1] ResizeByShort: there is no step"),
        (SEGMENTS + BOXES, PICTURE, "says its steps more than once"),
        ("Preprocess: []", PICTURE, "Preprocess must be a list of 1 to 64 steps"),
        ("Preprocess: [7]", PICTURE, "Preprocess[0] must be a mapping with a type, got 7"),
        ("PreProcess: {}", PICTURE, "says no steps"),
    ],
)
def test_what_is_not_known_is_refused_by_its_name(
    tmp_path: Path, text: str, signature: Signature, message: str
) -> None:
    with pytest.raises(ServingError) as refused:
        task.read(written(tmp_path, text), signature)
    assert message in str(refused.value)


def test_img_mode_decides_the_order_of_channels(tmp_path: Path) -> None:
    graph: Any = exported_models.EXPORTS["text_map"]
    text = yaml.safe_dump(graph[1])
    bgr = task.read(written(tmp_path, text), PICTURE).fed(exported_models.picture(), {})["x"]
    rgb = task.read(written(tmp_path, text.replace("BGR", "RGB")), PICTURE).fed(exported_models.picture(), {})["x"]
    mean, std = exported_models.IMAGENET["mean"], exported_models.IMAGENET["std"]
    plain = [x[0] * np.reshape(std, (3, 1, 1)) + np.reshape(mean, (3, 1, 1)) for x in (bgr, rgb)]
    assert np.allclose(plain[0], plain[1][::-1], atol=1e-5)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    pytest.importorskip("onnx")
    return exported_models.make("detector", tmp_path)


def test_a_folder_with_such_a_file_is_an_export(export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert (layout.of(export), layout.name_of(export)) == ("exported_model", "detector")
    assert layout.of(export / "inference.onnx") == "onnx"  # the model by itself
    assert {feed.alias for feed in layout.opened(export).spec.feeds} == {"image", "scale_factor"}
    (export / "deploy.yaml").write_text("kind: Deployment\n")
    assert layout.of(export) == "exported_model"
    (export / "inference.yml").unlink()
    assert layout.of(export) == "onnx"  # a file of Kubernetes says no steps
    assert description.find(export) is None


def test_pointers_and_missing_models_are_named(export: Path) -> None:
    (export / "inference.onnx").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(BadModel, match="inference.onnx is a Git LFS pointer"):
        layout.served(export)
    (export / "inference.onnx").unlink()
    with pytest.raises(BadModel, match="has no model beside the file that says its steps"):
        layout.served(export)
