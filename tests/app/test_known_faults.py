"""What libraries are known to compute wrongly is read, counts only where it applies, and is still so."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_app import backends
from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.choosing import known_faults
from paddle_serving_app.model import Model
from paddle_serving_app.program.operators import Operator, Program, Value
from paddle_serving_client import dtype, plugins
from paddle_serving_client.errors import BadModel
from paddle_serving_client.model_config import ModelSpec, Variable
from tests import models
from tests.app.conftest import Folder
from tests.serving import ROOT

F32, I64 = dtype.code_of("float32"), dtype.code_of("int64")
KNOWN_TYPES = {row.name for row in dtype.ELEM_TYPES.values()} | {dtype.name_of(dtype.UNKNOWN)}


def test_the_findings_are_well_formed() -> None:
    faults = known_faults.all_faults()
    assert len(faults) > 100
    assert set(known_faults.versions()) == {"paddlepaddle", "paddle2onnx", "onnxruntime", "openvino"}
    for fault in faults:
        assert fault.form in ("paddle2", "paddle3", "onnx")
        assert fault.library in ("openvino", "onnxruntime", "paddle+onednn")
        assert (fault.form, fault.library) not in [("onnx", "onnxruntime"), ("onnx", "paddle+onednn")]
        assert fault.values in (*known_faults.DECIDING, "shape", "extreme", "ties", "overflow", "special")
        assert fault.takes | fault.gives <= KNOWN_TYPES
        assert fault.operators
        assert fault.example


def graph(kind: str, code: int, *, of_shapes: bool = False, form: str = "paddle3", **attributes: object) -> Program:
    """One operator, on an input or on the length of an axis of one."""
    given, length = Value("x", code), Value("n", code)
    made = [Operator("shape64", (Value("x", F32),), (length,), {})] if of_shapes else []
    made.append(Operator(kind, (length if of_shapes else given,), (Value("y", code),), attributes))
    return Program(form, {"x": made[0].inputs[0]}, tuple(made))


def test_a_fault_counts_only_for_its_types_attributes_form_and_library() -> None:
    leaky = graph("leaky_relu", F32, negative_slope=0.1)
    (reason,) = known_faults.reasons_against(leaky, "onnxruntime")
    assert reason.startswith("onnxruntime computes leaky_relu of float32 wrongly: ")
    assert known_faults.reasons_against(leaky, "paddle+onednn") == []
    assert known_faults.reasons_against(leaky, "paddle") == []
    assert known_faults.reasons_against(graph("leaky_relu", F32, negative_slope=0.0), "onnxruntime") == []
    assert known_faults.reasons_against(graph("relu", F32), "onnxruntime") == []
    assert known_faults.reasons_against(graph("leaky_relu", F32, form="paddle2", alpha=0.1), "openvino") == []


def test_large_numbers_count_only_where_numbers_may_be_large() -> None:
    (reason,) = known_faults.reasons_against(graph("square", I64), "openvino")
    assert "openvino computes square of int64 wrongly for large numbers: " in reason
    assert known_faults.reasons_against(graph("square", I64, of_shapes=True), "openvino") == []


@pytest.mark.parametrize(
    "folder", [path for path in sorted((ROOT / "serving_model").glob("*")) if path.is_dir()], ids=lambda path: path.name
)
def test_the_models_that_come_with_the_project_are_run_by_any_library(folder: Path) -> None:
    for backend, onednn in (("openvino", False), ("onnxruntime", False), ("paddle", True)):
        assert known_faults.found_in(folder, backend, onednn=onednn) == []


def test_models_without_whole_numbers_are_not_held_back(model_folder: Folder) -> None:
    for form in ("pdmodel", "json", "onnx"):
        for name in ("uci", "conv"):
            for backend in ("openvino", "onnxruntime"):
                assert known_faults.found_in(model_folder(name, form), backend) == []


def one_operator(folder: Path, form: models.Form, kind: str, build: Any) -> Path:
    """A model of one operator: x[-1, 4] -> y."""

    def layers(paddle: Any, weight: Any) -> tuple[list[Any], list[Any]]:
        x = paddle.static.data("x", [-1, 4], kind)
        return [x], [build(paddle, x)]

    code = dtype.code_of(kind)
    spec = ModelSpec((Variable("x", "x", code, (4,)),), (Variable("y", "y", code, (4,)),))
    return models._build(folder, form, spec, layers, {})


def test_a_library_that_is_known_to_be_wrong_is_not_chosen(tmp_path: Path) -> None:
    leaky = one_operator(tmp_path / "m", "json", "float32", lambda p, x: p.nn.functional.leaky_relu(x, 0.1))
    with pytest.raises(BadModel, match="onnxruntime computes leaky_relu of float32 wrongly"):
        Model.load(leaky, ModelOptions(backend="onnxruntime"))
    softplus = one_operator(tmp_path / "n", "json", "float32", lambda p, x: p.nn.functional.softplus(x, 2.0, 3.0))
    model = Model.load(softplus, ModelOptions(backend="paddle"))
    assert not model.plan.candidate.onednn  # which is wrong for it
    model.close()


@pytest.mark.parametrize(
    ("form", "backend", "kind", "build", "x"),
    [
        ("json", "onnxruntime", "float32", lambda p, x: p.nn.functional.leaky_relu(x, 0.1), [-3.0, -1, 0, 2]),
        ("pdmodel", "openvino", "int64", lambda p, x: x + x, [2_000_000_000, -2_000_000_001, 1, 0]),
        ("pdmodel", "onnxruntime", "int64", lambda p, x: p.scale(x, 3.0, 1.0), [100_000_001, -9, 1, 0]),
        ("pdmodel", "openvino", "float64", lambda p, x: x + x, [1.7e9 + 50.5, -1, 1, 0]),
    ],
)
def test_some_findings_are_still_so(
    tmp_path: Path, form: models.Form, backend: str, kind: str, build: Any, x: list[float]
) -> None:
    """Where one is not, a library was mended: run the sweep again."""
    folder = one_operator(tmp_path / "model", form, kind, build)
    assert known_faults.found_in(folder, backend)
    answers = []
    for name in ("paddle", backend):
        plugin = plugins.load(backends, name)
        loaded = plugin.load(folder, ModelSpec((), ()), ModelOptions(onednn=False))
        answers.append(loaded.run([np.array([x], kind)], {}).arrays[0])
        loaded.close()
    assert np.abs(answers[0] - answers[1]).max() > 1e-9 * np.abs(answers[0]).max()
