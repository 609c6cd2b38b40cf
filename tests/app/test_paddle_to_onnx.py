"""Conversion by paddle2onnx: kept, in a process of its own, and never longer than it may."""

import importlib.util
import re
import shutil
import sys
from pathlib import Path

import pytest

from paddle_serving_app import paddle_to_onnx
from paddle_serving_app.backend import TensorSpec
from paddle_serving_app.paddle_to_onnx import OnnxModel
from paddle_serving_client.errors import BadModel, MissingLibrary
from tests.app.conftest import Folder

pytest.importorskip("paddle2onnx")


@pytest.fixture
def folder(model_folder: Folder, tmp_path: Path) -> Path:
    """A Paddle model that was not converted yet."""
    return shutil.copytree(model_folder("multi", "pdmodel"), tmp_path / "m", ignore=shutil.ignore_patterns(".cache"))


def test_converted_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = paddle_to_onnx.onnx_of(folder)
    assert model.path.parent == folder / ".cache"
    assert [path.name for path in model.path.parent.iterdir()] == [model.path.name]
    assert model.real_names(["fetch_name_1", "fetch_name_0"]) == ("o2_real", "o1_real")
    monkeypatch.setattr(paddle_to_onnx, "_CHILD", "raise SystemExit(9)")
    assert paddle_to_onnx.onnx_of(folder) == model
    (folder / "model.pdiparams").write_bytes((folder / "model.pdiparams").read_bytes()[:-1] + b"\1")
    with pytest.raises(BadModel, match="exit status 9"):
        paddle_to_onnx.onnx_of(folder)


@pytest.mark.parametrize(
    ("child", "message", "is_for_good"),
    [
        ("import os; os.abort()", r"it said nothing \(exit status -6\)", True),
        ("print('fine'); raise ValueError('no such\\top')", "ValueError: no such op", True),
        ("import sys; open(sys.argv[3], 'w')", "exit status 0", True),
        ("import time; time.sleep(60)", "not done in 1 s", False),
        ("import os; os.kill(os.getpid(), 9)", "exit status -9", False),
    ],
)
def test_failures(folder: Path, child: str, message: str, is_for_good: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paddle_to_onnx, "_CHILD", child)
    monkeypatch.setattr(paddle_to_onnx, "_LIMIT_S", 1.0)
    with pytest.raises(BadModel, match=rf"paddle2onnx cannot convert it: .*{message}"):
        paddle_to_onnx.onnx_of(folder)
    assert [file.suffix for file in (folder / ".cache").iterdir()] == [".failed"] * is_for_good
    monkeypatch.setattr(paddle_to_onnx, "_CHILD", "raise SystemExit('tried again')")
    with pytest.raises(BadModel, match=message if is_for_good else "tried again"):
        paddle_to_onnx.onnx_of(folder)


def test_not_installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda module: None)
    assert "pip install paddle2onnx paddlepaddle" in (paddle_to_onnx.refuses(folder) or "")
    with pytest.raises(MissingLibrary, match="paddle2onnx"):
        paddle_to_onnx.onnx_of(folder)


@pytest.mark.parametrize(
    ("python", "version", "words"),
    [
        ((3, 13), "0.9.2", "not to be had for Python 3.13: .* on Python 3.12 puts"),  # pip finds that one there
        ((3, 14), None, "not to be had for Python 3.14"),
        ((3, 12), "1.3.1", "pip install 'paddle2onnx>=2'"),
        ((3, 12), "2.1.0", None),
        ((3, 14), "2.9.0", None),
    ],
)
def test_a_converter_that_is_too_old_or_not_to_be_had(
    folder: Path, python: tuple[int, int], version: str | None, words: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", python)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "paddle2onnx" and version is None else found(name)
    )
    monkeypatch.setattr(paddle_to_onnx, "version_of", lambda name: version)
    reason = paddle_to_onnx.refuses(folder)
    assert reason is None if words is None else re.search(words, reason or "")


def test_nothing_to_convert(tmp_path: Path) -> None:
    assert "holds no" in (paddle_to_onnx.refuses(tmp_path) or "")


@pytest.mark.parametrize(
    ("program", "onnx", "expected"),
    [
        ([], ["a", "b"], ("a", "b")),
        (["p", "q"], ["q", "p"], ("q", "p")),
        (["p", "q"], ["fetch_name_1", "fetch_name_0"], ("q", "p")),
        (["p", "q"], ["x", "y"], ("p", "q")),
        (["p", "q"], ["x"], ("x",)),
        (["p"], ["fetch_name_7"], ("p",)),
    ],
)
def test_real_names(program: list[str], onnx: list[str], expected: tuple[str, ...]) -> None:
    model = OnnxModel(Path("m.onnx"), tuple(TensorSpec(name, (), 1) for name in program))
    assert model.real_names(onnx) == expected
