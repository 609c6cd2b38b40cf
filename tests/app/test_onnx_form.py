"""A converted folder brings its ONNX form along, if that answers as the Paddle program does."""

import contextlib
import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_app import onnx_form, paddle_to_onnx
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


def test_one_with_the_rows_or_the_size_written_into_it_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if paddle2onnx had taken a dimension that may vary for the one that it saw."""
    source = {"x": ((-1, 4), "float32")}
    folder = paddle_model(tmp_path / "any", source, lambda paddle, x: x * 2, "json")
    fixed = paddle_model(
        tmp_path / "fixed", source, lambda paddle, x: paddle.expand(paddle.max(x, 0, True), [1, 4]) * 2, "json"
    )
    wrong = paddle_to_onnx.onnx_of(fixed)
    monkeypatch.setattr(paddle_to_onnx, "onnx_of", lambda folder: wrong)
    assert onnx_form.add(folder).startswith(
        "no ONNX form beside it: paddle2onnx does not keep what it computes (seen with 2 rows"
    )


def test_one_that_the_manifest_does_not_name_is_not_taken(converted: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(converted, tmp_path / "uci"))
    (shipped,) = folder.glob("converted-*.onnx")
    manifest.write(folder, [name for name in manifest.listed(folder) if name != shipped.name])
    assert paddle_to_onnx.onnx_of(folder).path.parent.name == ".cache"


def test_a_folder_that_has_one_is_converted_as_ever(converted: Path, tmp_path: Path) -> None:
    argv = [
        "--dirname",
        str(converted),
        "--serving_server",
        str(tmp_path / "s"),
        "--serving_client",
        str(tmp_path / "c"),
    ]
    assert convert.main([*argv, "--onnx_form", "false"]) == 0
    assert manifest.verify(tmp_path / "s").files == ("inference.json", "inference.pdiparams")


def test_a_process_that_dies_over_it_leaves_the_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = models.uci(tmp_path / "trained", "json")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    argv = ["--dirname", str(source), "--serving_server", str(tmp_path / "s"), "--serving_client", str(tmp_path / "c")]
    assert convert.main(argv) == 0
    assert capsys.readouterr().out.endswith("the process that compares it ended with status 1\n")
    assert manifest.verify(tmp_path / "s").is_verified


def test_it_can_be_left_out(tmp_path: Path) -> None:
    source = models.uci(tmp_path / "trained", "json")
    argv = ["--dirname", str(source), "--serving_server", str(tmp_path / "s"), "--serving_client", str(tmp_path / "c")]
    assert convert.main([*argv, "--onnx_form", "false"]) == 0
    assert not list((tmp_path / "s").glob("converted-*"))
