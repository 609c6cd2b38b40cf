"""convert/uci_housing.py: the folders that are kept with the code are what it writes."""

import subprocess
import sys
from pathlib import Path

import pytest

from paddle_serving_client import manifest
from tests.client.io.trained import answers, tree
from tests.models import UCI_INPUT, UCI_PRICE

ROOT = Path(__file__).parents[2]
SERVER, CLIENT = "serving_model/uci_housing", "serving_client/uci_housing"
MAX_BYTES = 4096


def run(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "convert" / "uci_housing.py"), *flags], capture_output=True, text=True, cwd="/"
    )


def test_what_it_writes_is_what_is_kept(tmp_path: Path) -> None:
    done = run("--root", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("uci_housing: the tutorial's house costs 18.901152; wrote ")
    for folder in (SERVER, CLIENT):
        assert tree(tmp_path / folder) == tree(ROOT / folder)
    assert run("--root", str(tmp_path)).stdout == "uci_housing: there already, and whole\n"


def test_kept_folder_answers(tmp_path: Path) -> None:
    got = answers(ROOT / SERVER, {"x": UCI_INPUT[None]})
    assert list(got) == ["fc_0.tmp_1"]
    assert got["fc_0.tmp_1"].item() == pytest.approx(UCI_PRICE, abs=1e-5)
    assert sum(len(content) for content in tree(ROOT / SERVER).values()) < MAX_BYTES


def test_openvino_reads_it() -> None:
    openvino = pytest.importorskip("openvino")
    core = openvino.Core()
    model = core.compile_model(ROOT / SERVER / "inference.pdmodel", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert model([UCI_INPUT[None]])[0].item() == pytest.approx(UCI_PRICE, abs=1e-4)


def test_paddle2onnx_and_onnx_runtime_read_it(tmp_path: Path) -> None:
    paddle2onnx = pytest.importorskip("paddle2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    files = [str(ROOT / SERVER / name) for name in ("inference.pdmodel", "inference.pdiparams")]
    paddle2onnx.export(*files, str(tmp_path / "m.onnx"))
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    (price,) = session.run(None, {"x": UCI_INPUT[None]})
    assert price.item() == pytest.approx(UCI_PRICE, abs=1e-4)


def test_damage_is_said(tmp_path: Path) -> None:
    assert run("--root", str(tmp_path)).returncode == 0
    (tmp_path / SERVER / "inference.pdiparams").write_bytes(b"x")
    done = run("--root", str(tmp_path))
    assert done.returncode == 0 and "wrote" in done.stdout
    assert manifest.verify(tmp_path / SERVER).is_verified
