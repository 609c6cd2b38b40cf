"""convert/layout.py: the end that it adds to the model, and the real one where it has been made."""

import hashlib
import importlib.util
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.exported import task
from paddle_serving_app.model import Model
from tests.serving import ROOT

onnx: Any = pytest.importorskip("onnx")
MODEL = ROOT / "serving_model" / "layout"


@pytest.fixture
def layout() -> ModuleType:
    spec = importlib.util.spec_from_file_location("convert_layout", ROOT / "convert" / "layout.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def heads(layout: ModuleType) -> bytes:
    """A model like the real one before its end: one cell, in the middle of the grid of 64 pixels, is a table."""
    make, numbers = onnx.helper, onnx.numpy_helper.from_array
    values: list[Any] = []
    nodes, outputs = [], []
    for kind, width in (("scores", 10), ("distances", 4 * layout.DISTANCES)):
        for stride in layout.STRIDES:
            cells = -(-layout.HEIGHT // stride) * -(-layout.WIDTH // stride)
            value = np.zeros((1, cells, width), np.float32)
            if stride == 64 and kind == "scores":
                value[0, 6 * 10 + 5, 4] = 0.9
            if stride == 64 and kind == "distances":  # 1 cell to the left, 2 up, 3 to the right, 1 down
                for side, far in enumerate((1, 2, 3, 1)):
                    value[0, 6 * 10 + 5, side * layout.DISTANCES + far] = 50
            name = f"{kind}{stride}"
            values.append(numbers(value, f"{name}.value"))
            zero = make.make_node("ReduceMean", ["image"], [f"{name}.mean"], axes=[0, 1, 2, 3], keepdims=0)
            nodes += [zero, make.make_node("Mul", [f"{name}.mean", "nothing"], [f"{name}.zero"])]
            nodes.append(make.make_node("Add", [f"{name}.value", f"{name}.zero"], [name]))
            outputs.append(make.make_tensor_value_info(name, onnx.TensorProto.FLOAT, list(value.shape)))
    values.append(numbers(np.float32(0), "nothing"))
    image = make.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 3, layout.HEIGHT, layout.WIDTH])
    graph = make.make_graph(nodes, "g", [image], outputs, values)
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 13)], ir_version=8)
    model.metadata_props.add(key="character", value="\n".join("abcdefghij"))
    return bytes(model.SerializeToString())


@pytest.fixture
def root(tmp_path: Path, layout: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Path:
    wheel = tmp_path / ".cache" / layout.WHEEL
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(layout.MODEL_IN_WHEEL, heads(layout))
    monkeypatch.setattr(layout, "WHEEL_SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    return tmp_path


def found_in(folder: Path, picture: Any) -> dict[str, Any]:
    model = Model.load(folder, ModelOptions(backend="onnxruntime"))
    asked = task.read(folder, model.signature)
    arrays = model.run(model.signature.arrange(asked.fed(picture, {}))).arrays
    names = [output.alias for output in model.signature.outputs]
    return asked.found(picture, dict(zip(names, arrays, strict=True)), {})


def test_distances_of_a_cell_become_a_box_in_the_picture(
    root: Path, layout: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert layout.main(["--root", str(root)]) == 0
    picture = np.zeros((1600, 1216, 3), np.uint8)  # twice as large as the input
    found = found_in(root / "serving_model" / "layout", picture)
    assert (found["labels"], found["classes"]) == (["e"], [4])
    middle = np.array([5.5 * 64, 6.5 * 64])
    box = np.array([*(middle - [64, 128]), *(middle + [192, 64])]) * 2
    assert np.abs(np.array(found["boxes"][0]) - box).max() < 0.01
    capsys.readouterr()
    assert layout.main(["--root", str(root)]) == 0
    assert capsys.readouterr().out == "layout: there already, and whole\n"
    (root / "serving_model" / "layout" / "inference.onnx").write_bytes(b"x")
    assert layout.main(["--root", str(root)]) == 0
    assert "wrote" in capsys.readouterr().out


def test_another_wheel_is_refused(root: Path, layout: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    (root / ".cache" / layout.WHEEL).write_bytes(b"other")
    assert layout.main(["--root", str(root)]) == 1
    assert "expected" in (err := capsys.readouterr().err) and err.count("\n") == 1


@pytest.mark.skipif(not MODEL.exists(), reason="python convert/layout.py makes the model")
def test_the_parts_of_a_page_in_the_order_of_reading() -> None:
    picture = cv2.imread(str(ROOT / "static" / "samples" / "page_two_columns_en.jpg"))
    found = found_in(MODEL, picture)
    assert found["labels"] == [
        *("header", "title", "text"),
        *("title", "text", "figure", "figure_caption", "text"),
        *("title", "text", "table_caption", "table", "title", "text"),
        "footer",
    ]
    assert min(found["scores"]) > 0.5
