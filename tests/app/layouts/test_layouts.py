"""What each layout takes: every kind is asked the same, by names and first bytes, and opened as one package."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from paddle_serving_app import layout
from paddle_serving_app.local_predict import LocalPredictor
from paddle_serving_app.model import Model
from paddle_serving_client.errors import BadModel
from tests import models
from tests.client.io import trained
from tests.models import UCI_INPUT, UCI_PRICE, Form


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where bare models are converted to."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "paddle-serving-next" / "models"


@pytest.mark.parametrize(
    ("form", "file", "expected", "name"),
    [
        ("pdmodel", "", "paddle_program", "my model"),
        ("pdmodel", "model.pdmodel", "paddle_program", "my model"),
        ("json", "", "paddle_program", "my model"),
        ("json", "inference.json", "paddle_program", "my model"),
        ("legacy", "", "paddle_program", "my model"),
        ("separate", "__model__", "paddle_program", "my model"),
        pytest.param("onnx", "", "onnx", "my model", marks=pytest.mark.paddle2onnx),
        pytest.param("onnx", "model.onnx", "onnx", "model", marks=pytest.mark.paddle2onnx),
    ],
)
def test_a_bare_model_is_known_opened_and_left_as_it_is(
    tmp_path: Path, cache: Path, form: Form, file: str, expected: str, name: str
) -> None:
    folder = trained.uci(tmp_path / "my model", form)
    before = trained.tree(folder)
    path = folder / file if file else folder
    assert (layout.of(path), layout.name_of(path)) == (expected, name)
    assert not cache.exists()  # so far, only names and first bytes were looked at
    package = layout.opened(path)
    assert (package.path, package.layout, package.folder.parent) == (path, expected, cache)
    assert package.verdict.is_verified
    assert [(feed.alias, feed.shape) for feed in package.spec.feeds] == [("x", (13,))]
    assert trained.tree(folder) == before
    assert layout.opened(path) == package  # the next time it is there


@pytest.mark.parametrize("form", ["json", "pdmodel"])
def test_a_serving_folder_is_opened_where_it_is(tmp_path: Path, form: Form) -> None:
    folder = models.uci(tmp_path / "uci", form)
    (folder / "other.onnx").write_bytes(b"\x08\x01")  # whatever lies beside it: the config says which model it serves
    package = layout.opened(folder)
    assert (package.layout, package.folder, layout.name_of(folder)) == ("serving_folder", folder, "uci")
    assert not package.verdict.is_verified


def test_a_bare_model_answers_in_this_process(tmp_path: Path) -> None:
    folder = trained.uci(tmp_path / "uci")
    model = Model.load(folder)
    try:
        run = model.run(model.signature.arrange({"x": UCI_INPUT[None]}, {}))
        assert run.arrays[0][0, 0] == pytest.approx(UCI_PRICE, abs=1e-3)
    finally:
        model.close()
    predictor = LocalPredictor()
    predictor.load_model_config(str(folder / "model.pdmodel"))
    answer = predictor.predict(feed={"x": UCI_INPUT}, fetch=["fc_0.tmp_1"])
    assert np.allclose(answer["fc_0.tmp_1"], UCI_PRICE, atol=1e-3)


def test_errors_of_a_bare_model_name_what_was_given(tmp_path: Path) -> None:
    folder = trained.uci(tmp_path / "uci", "json")
    with (folder / "inference.pdiparams").open("r+b") as file:
        file.truncate(40)
    with pytest.raises(BadModel, match=rf"{folder}/inference.pdiparams: at parameter"):
        Model.load(folder)


def test_a_folder_with_two_models_is_nobodys_choice(tmp_path: Path) -> None:
    folder = trained.uci(tmp_path / "uci", "pdmodel")
    shutil.copy(folder / "model.pdmodel", folder / "other.pdmodel")
    with pytest.raises(BadModel, match=r"there are models in it, of which one can be given: model.pdmodel, other.pdm"):
        layout.opened(folder)
    assert layout.opened(folder / "model.pdmodel").spec.feeds
    (folder / "other.pdmodel").rename(folder / "net.onnx")
    (folder / "net.onnx").write_bytes(b"\x08\x08")
    with pytest.raises(BadModel, match="is claimed by onnx and paddle_program: it holds .*; give the file itself"):
        layout.of(folder)
    assert not layout.is_model(folder)
    assert layout.of(folder / "net.onnx") == "onnx"


def test_a_serving_folder_without_its_config_is_no_bare_model(tmp_path: Path) -> None:
    folder = models.uci(tmp_path / "uci")
    (folder / "serving_server_conf.prototxt").rename(folder / "serving_server_conf.stream.prototxt")
    with pytest.raises(BadModel, match="has no serving_server_conf.prototxt; it is no whole Serving folder"):
        layout.opened(folder)
