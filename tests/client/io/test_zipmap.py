"""Classifiers of scikit-learn: their list of maps becomes a tensor, and what cannot be served is said at conversion."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.model import Model
from paddle_serving_client import convert
from paddle_serving_client.io import zipmap
from paddle_serving_client.wire.proto import onnx_pb2 as pb

FLOAT, INT64, TEXT = 1, 7, 8


def classifier(folder: Path, *, label: int = INT64, classes: list[int] | list[str], is_sequence: bool = True) -> Path:
    """What skl2onnx writes of a LogisticRegression: label and probabilities, by operators of ai.onnx.ml."""
    from onnx import checker, helper, save

    numbers: dict[str, Any] = {"classlabels_strings" if isinstance(classes[0], str) else "classlabels_ints": classes}
    named: dict[str, Any] = {"classlabels_strings" if isinstance(classes[0], str) else "classlabels_int64s": classes}
    kind = INT64 if isinstance(classes[0], int) else TEXT
    linear = helper.make_node(
        "LinearClassifier",
        ["X"],
        ["label", "scores"],
        domain="ai.onnx.ml",
        coefficients=[1.0, 0.0, 0.0, 1.0, -1.0, -1.0],
        intercepts=[0.0, 0.5, 0.0],
        post_transform="SOFTMAX",
        **numbers,
    )
    last = helper.make_node("ZipMap", ["scores"], ["output_probability"], domain="ai.onnx.ml", **named)
    maps = helper.make_map_type_proto(kind, helper.make_tensor_type_proto(FLOAT, []))
    outputs = [helper.make_value_info("output_probability", helper.make_sequence_type_proto(maps))]
    if label:
        outputs.insert(0, helper.make_tensor_value_info("label", kind, [None]))
    graph = helper.make_graph([linear, last], "g", [helper.make_tensor_value_info("X", FLOAT, [None, 2])], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("ai.onnx.ml", 1)])
    model.ir_version = 9
    checker.check_model(model)
    folder.mkdir()
    save(model, folder / "model.onnx")
    return folder


def converted(source: Path, folder: Path, *flags: str) -> int:
    argv = ["--dirname", str(source), "--serving_server", str(folder / "s"), "--serving_client", str(folder / "c")]
    return convert.main([*argv, *flags])


@pytest.mark.parametrize("sealed", [False, True])
def test_probabilities_come_out_as_a_tensor(tmp_path: Path, sealed: bool, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx")
    key = tmp_path / "key"
    flags = ("--encryption", "--key_file", str(key)) if sealed else ()
    assert converted(classifier(tmp_path / "m", classes=[3, 5, 9]), tmp_path, *flags) == 0
    said = capsys.readouterr().out
    assert "fetch output_probability: float32 [3]" in said
    assert "output_probability has a column for each class: 3, 5, 9" in said
    assert not [path for path in (tmp_path / "s").iterdir() if path.name.endswith(".made")]
    model = Model.load(tmp_path / "s", ModelOptions(backend="onnxruntime"), key=key.read_bytes() if sealed else None)
    label, probability = model.run(model.signature.arrange({"X": np.array([[2, 0], [0, 2]], np.float32)})).arrays
    assert label.tolist() == [3, 5]
    scores = np.exp([[2, 0.5, -2], [0, 2.5, -2]])
    np.testing.assert_allclose(probability, scores / scores.sum(1, keepdims=True), rtol=1e-5)


def test_labels_that_are_text_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx")
    assert converted(classifier(tmp_path / "m", classes=["cat", "dog", "owl"]), tmp_path) == 0
    said = capsys.readouterr().out
    assert "fetch label: string" in said and "a column for each class: cat, dog, owl" in said


def test_what_is_none_stays_as_it_is() -> None:
    model = pb.ModelProto(graph=pb.GraphProto(node=[pb.NodeProto(op_type=b"Relu", input=[b"x"], output=[b"y"])]))
    before = model.SerializeToString()
    assert zipmap.taken_out(model) == []
    assert model.SerializeToString() == before
