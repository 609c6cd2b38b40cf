"""What OpenVINO computes in fewer bits than a model says is seen in the model's graph."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_app.choosing import objections
from tests import models
from tests.app.programs import FLOAT, FLOAT64, INT64, Form, onnx_model, paddle_model

FORMS: tuple[Form, ...] = ("pdmodel", "json")


@pytest.mark.parametrize("form", FORMS)
def test_integers_that_grow(tmp_path: Path, form: Form) -> None:
    folder = paddle_model(tmp_path / "m", {"id": ((-1, 2), "int64")}, lambda paddle, i: (i * 1000003) % 1000, form)
    (reason,) = objections.against("openvino", folder)
    assert reason == "OpenVINO computes int64 in 32 bits, and 'scale' may give larger numbers"
    (reason,) = objections.against("onnxruntime", folder)  # it is converted to a product of float32
    assert reason.startswith("onnxruntime computes scale of ")
    assert objections.against("paddle", folder, onednn=True) == []


@pytest.mark.parametrize("form", FORMS)
def test_integers_that_do_not_grow(tmp_path: Path, form: Form) -> None:
    def layers(paddle: Any, ids: Any) -> Any:
        mask = paddle.cast(paddle.not_equal(ids, paddle.zeros_like(ids)), "int64")
        places = paddle.cumsum(mask, 1)  # of truth values
        table = paddle.static.create_parameter([100, 4], "float32")
        found = paddle.nn.functional.embedding(ids, table) + paddle.cast(paddle.unsqueeze(places, -1), "float32")
        return found, paddle.argsort(found, -1)

    folder = paddle_model(tmp_path / "m", {"ids": ((-1, 5), "int64")}, layers, form)
    assert objections.against("openvino", folder) == []


@pytest.mark.parametrize("form", FORMS)
def test_float64(tmp_path: Path, form: Form) -> None:
    folder = paddle_model(
        tmp_path / "m", {"x": ((-1, 2), "float32")}, lambda paddle, x: paddle.cast(x, "float64") + 1.5, form
    )
    (reason,) = objections.against("openvino", folder)
    assert reason.startswith("OpenVINO computes float64 in 32 bits")


def test_onnx(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    ids = onnx_model(
        tmp_path / "ids",
        {"id": ((None, 1), INT64)},
        {"bucket": ((None, 1), INT64)},
        [("Mul", ["id", "p"], ["t"], {}), ("Mod", ["t", "n"], ["bucket"], {})],
        {"p": np.int64(1000003), "n": np.int64(1000)},
    )
    assert objections.against("openvino", ids) == [
        "OpenVINO computes int64 in 32 bits, and 'mul' may give larger numbers"
    ]
    age = onnx_model(
        tmp_path / "age",
        {"t": ((None, 1), FLOAT64)},
        {"age": ((None, 1), FLOAT64)},
        [("Sub", ["t", "o"], ["age"], {})],
        {"o": np.float64(1.7e9)},
    )
    assert objections.against("openvino", age) == ["OpenVINO computes float64 in 32 bits, and 'sub' gives such numbers"]
    labels = onnx_model(
        tmp_path / "labels",
        {"x": ((None, 4), FLOAT)},
        {"label": ((None,), INT64)},
        [("ArgMax", ["x"], ["k"], {"axis": 1, "keepdims": 0}), ("Add", ["k", "one"], ["label"], {})],
        {"one": np.int64(1)},
    )
    assert objections.against("openvino", labels) == []


def test_a_folder_without_a_graph(tmp_path: Path) -> None:
    (tmp_path / "model.pdmodel").write_bytes(b"\x0a\xff")
    assert objections.against("openvino", tmp_path) == []
    assert objections.against("openvino", models.uci(tmp_path / "uci")) == []
