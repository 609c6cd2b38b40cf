"""A model of a Triton repository, given by itself."""

from pathlib import Path

import numpy as np
import pytest

from paddle_serving_app import layout
from paddle_serving_app.local_predict import LocalPredictor
from paddle_serving_client.errors import BadModel
from tests import triton_models as tm


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_its_newest_version_is_served(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tm.put(tmp_path / "m", tm.SIMPLE)
    tm.identity(folder / "2/other.onnx")
    tm.simple(folder / "10/model.onnx")
    assert layout.of(folder) == "triton_model"
    assert layout.name_of(folder) == "simple"
    a = np.arange(16, dtype=np.int32)[None]
    predictor = LocalPredictor()
    predictor.load_model_config(str(folder))
    found = predictor.predict({"INPUT0": a, "INPUT1": a}, ["OUTPUT0"], batch=True)
    assert found["OUTPUT0"].tolist() == (a + a).tolist()
    assert "its config calls it 'simple'" in caplog.text


def test_a_model_that_lies_beside_the_config_is_meant_itself(tmp_path: Path) -> None:
    tm.simple(tm.put(tmp_path / "m", tm.SIMPLE) / "model.onnx")
    assert layout.of(tmp_path / "m") == "onnx"


@pytest.mark.parametrize(("name", "what"), [("ensemble_model", "an ensemble"), ("text_preprocessing", r"a model\.py")])
def test_what_no_library_runs_is_refused(tmp_path: Path, name: str, what: str) -> None:
    with pytest.raises(BadModel, match=f"{name} is {what}, which no library runs by itself; serve the repository"):
        layout.served(tm.bert(tmp_path) / name)
