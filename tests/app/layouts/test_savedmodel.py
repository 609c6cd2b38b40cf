"""A SavedModel is served as it lies there."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from paddle_serving_app import layout, tensorflow_to_onnx
from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.local_predict import LocalPredictor
from paddle_serving_app.model import Model
from paddle_serving_client.convert import main as convert
from paddle_serving_client.errors import BadModel
from tests import data
from tests.saved_models import weighted

GOLDEN = Path(data.__file__).parent / "weight_variation"
REAL = GOLDEN / "saved" / "barcamp2024-model-tensorflow"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_the_model_of_source_004_answers_its_numbers() -> None:
    expected = json.loads((GOLDEN / "expected.json").read_text())
    assert (layout.of(REAL / "1"), layout.name_of(REAL / "1")) == ("savedmodel", "barcamp2024-model-tensorflow")
    predictor = LocalPredictor()
    predictor.load_model_config(REAL / "1")
    assert (predictor.feed_names_, predictor.fetch_names_) == (["dense_input"], ["dense_1"])
    rows = np.array([*expected["instances"], expected["datapoint_features"]], np.float32)
    answer = predictor.predict({"dense_input": rows}, ["dense_1"], batch=True)["dense_1"]
    wanted = [*expected["instances_expected"], [expected["datapoint_expected"]]]
    assert answer == pytest.approx(np.array(wanted, np.float32), abs=1e-6)


def test_the_file_stands_for_its_folder(tmp_path: Path) -> None:
    folder = weighted(tmp_path / "m")
    file = folder / "saved_model.pb"
    assert (layout.of(file), layout.name_of(file)) == ("savedmodel", "m")
    assert layout.opened(file).spec == layout.opened(folder).spec


def test_another_signature_is_served_when_it_is_converted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weighted(tmp_path / "m", "serving_default", "twice")
    words = ["--dirname", str(tmp_path / "m"), "--serving_server", str(tmp_path / "s"), "--signature_name", "twice"]
    assert convert([*words, "--serving_client", str(tmp_path / "c")]) == 0
    assert "not served: signature serving_default" in capsys.readouterr().out
    model = Model.load(tmp_path / "s", ModelOptions(backend="openvino"))
    try:
        arranged = model.signature.arrange({"x": np.array([[1, 2, 3], [0, 0, 1]], np.float32)}, {})
        total, twice = model.run(arranged).arrays
    finally:
        model.close()
    assert total.tolist() == [[14.0], [3.0]]
    assert twice.tolist() == [[2.0, 4.0, 6.0], [0.0, 0.0, 2.0]]


def test_a_model_without_its_variables_is_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(REAL / "1", tmp_path / "m"))
    (folder / "variables" / "variables.data-00000-of-00001").unlink()
    with pytest.raises(BadModel, match="variables.data-00000-of-00001"):
        Model.load(folder)


@pytest.mark.skipif(tensorflow_to_onnx.refuses() is not None, reason="tf2onnx is not installed")
def test_onnx_runtime_answers_the_same(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(3, 18)).astype(np.float32)
    answers = []
    for backend in ("openvino", "onnxruntime"):
        model = Model.load(REAL / "1", ModelOptions(backend=backend))
        answers.append(model.run(model.signature.arrange({"dense_input": rows}, {})).arrays[0])
        model.close()
    assert answers[0] == pytest.approx(answers[1], abs=1e-5)
