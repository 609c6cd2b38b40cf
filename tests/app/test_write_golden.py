"""A golden sample is made from a run of the model by the library that it was made for."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from paddle_serving_app import golden, write_golden
from paddle_serving_app.model import Model
from paddle_serving_client import manifest
from paddle_serving_client.errors import BadModel
from tests import models
from tests.app.conftest import Folder


@pytest.fixture
def folder(model_folder: Folder, tmp_path: Path) -> Path:
    found = Path(shutil.copytree(model_folder("uci", "pdmodel"), tmp_path / "uci"))
    manifest.write(found, ["model.pdmodel", "model.pdiparams"])
    return found


def test_made_up_inputs_and_the_outputs_of_the_model(folder: Path) -> None:
    made = write_golden.write(folder)
    found = golden.read(folder / golden.NAME)
    assert found.file == made.file
    np.testing.assert_allclose(found.outputs["price"], models.uci_answer(found.inputs["x"]), rtol=1e-5)
    assert golden.NAME in manifest.listed(folder)
    Model.load(folder).close()


def test_inputs_of_ones_own_and_one_that_is_there_is_replaced(folder: Path, tmp_path: Path) -> None:
    write_golden.write(folder)
    np.savez(tmp_path / "mine.npz", **{"input.x": models.UCI_INPUT[None], "tolerance": np.array(0.01)})  # type: ignore[arg-type]  # of numpy: names are free
    write_golden.write(folder, tmp_path / "mine.npz")
    found = golden.read(folder / golden.NAME)
    assert found.tolerance == 0.01
    np.testing.assert_allclose(found.outputs["price"], [[models.UCI_PRICE]], rtol=1e-5)


def test_outputs_that_the_model_does_not_give_are_said(folder: Path, tmp_path: Path) -> None:
    named = {"input.x": models.UCI_INPUT[None], "output.price": np.array([[17.0]], np.float32)}
    np.savez(tmp_path / "mine.npz", **named)  # type: ignore[arg-type]  # of numpy: names are free
    with pytest.raises(BadModel, match=r"expected 17.0, got 18.9"):
        write_golden.write(folder, tmp_path / "mine.npz")
    assert not (folder / golden.NAME).exists()
    Model.load(folder).close()


def test_the_command(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert write_golden.main([str(folder)]) == 0
    assert f"wrote {folder / golden.NAME}: made-up inputs, and price as the model gives them" in capfd.readouterr().out
    assert write_golden.main([str(tmp_path / "none")]) == 1
    assert capfd.readouterr().err.startswith("write_golden: ")


def test_conversion_writes_one(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "paddle_serving_client.convert", "--dirname", str(folder), "--golden"]
    command += ["--serving_server", str(tmp_path / "s"), "--serving_client", str(tmp_path / "c")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "golden.npz: made-up inputs" in done.stdout
    assert golden.NAME in json.loads((tmp_path / "s" / manifest.NAME).read_text())["files"]
    Model.load(tmp_path / "s").close()
    done = subprocess.run([*command, str(tmp_path / "none.npz")], capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
