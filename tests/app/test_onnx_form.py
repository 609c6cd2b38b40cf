"""A converted folder brings its ONNX form along, if that answers as the Paddle program does."""

import contextlib
import importlib.util
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_app import onnx_form
from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.model import Model
from paddle_serving_client import convert, manifest
from paddle_serving_client.errors import MissingLibrary
from tests import models
from tests.app.programs import paddle_model

pytestmark = pytest.mark.paddle2onnx


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The uci model of Paddle 3, converted by the command."""
    folder = tmp_path_factory.mktemp("converted")
    source = models.uci(folder / "trained", "json")
    argv = ["--dirname", str(source), "--serving_server", str(folder / "uci"), "--serving_client", str(folder / "c")]
    assert convert.main(argv) == 0
    return folder / "uci"


@pytest.fixture
def without_converter(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that has no paddle2onnx and no Paddle."""
    found = importlib.util.find_spec

    def find(name: str, *rest: Any) -> Any:
        return None if name in ("paddle2onnx", "paddle") else found(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", find)


@pytest.mark.usefixtures("without_converter")
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_it_is_served_without_paddle_or_converter(converted: Path, backend: str) -> None:
    with contextlib.closing(Model.load(converted, ModelOptions(backend=backend))) as model:
        given = model.run(model.signature.arrange({"x": models.UCI_INPUT[None]}))
        np.testing.assert_allclose(given.arrays[0], [[models.UCI_PRICE]], rtol=1e-6)
    assert any(name.startswith("converted-") for name in manifest.verify(converted).files)


@pytest.mark.usefixtures("without_converter")
def test_that_of_another_program_is_not_taken(converted: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(converted, tmp_path / "uci"))
    other = models.uci(tmp_path / "other", "json", models.UCI_W * 2)
    shutil.copyfile(other / "inference.pdiparams", folder / "inference.pdiparams")
    (folder / manifest.NAME).unlink()
    with pytest.raises(MissingLibrary, match="pip install paddle2onnx"):
        Model.load(folder, ModelOptions(backend="onnxruntime"))


def test_one_that_answers_otherwise_is_not_written(tmp_path: Path) -> None:
    folder = paddle_model(tmp_path / "m", {"i": ((-1, 2), "int64")}, lambda paddle, i: (i * 1000003) % 1000, "json")
    said = onnx_form.add(folder)
    assert said.startswith("no ONNX form beside it: ")
    assert "onnxruntime computes scale of " in said
    assert not list(folder.glob("converted-*"))


def test_it_can_be_left_out(tmp_path: Path) -> None:
    source = models.uci(tmp_path / "trained", "json")
    argv = ["--dirname", str(source), "--serving_server", str(tmp_path / "s"), "--serving_client", str(tmp_path / "c")]
    assert convert.main([*argv, "--onnx_form", "false"]) == 0
    assert not list((tmp_path / "s").glob("converted-*"))
