"""`paddle-serving predict` with a model: an answer without a server."""

import io
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from paddle_serving_server.commands import predict
from tests import data

GOLDEN = Path(data.__file__).parent / "weight_variation"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())
POINT = json.dumps(EXPECTED["datapoint"])
WEIGHT = EXPECTED["datapoint_expected"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def result(capsys: pytest.CaptureFixture[str], words: Sequence[str]) -> Any:
    assert predict.main(words) == 0
    return json.loads(capsys.readouterr().out)["result"]


@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_a_model_answers_to_names(capsys: pytest.CaptureFixture[str], framework: str) -> None:
    model = str(GOLDEN / f"barcamp2024-model-{framework}.onnx")
    ((name, answer),) = result(capsys, ["-m", model, "-d", POINT]).items()
    assert answer == [[pytest.approx(WEIGHT, abs=1e-6)]]
    assert result(capsys, ["-m", model, "-d", f"[{POINT}, {POINT}]", "--fetch", name])[name] == answer * 2


def test_a_model_without_fields_answers_to_its_inputs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = str(shutil.copy(GOLDEN / "barcamp2024-model-pytorch.onnx", tmp_path))
    row = EXPECTED["instances"][0]
    body = json.dumps({"feed": [{"x": row}]}).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(body)))
    expected = {"y": [[pytest.approx(EXPECTED["instances_expected"][0][0], abs=1e-6)]]}
    assert result(capsys, ["-m", model, "--json", "-"]) == expected
    assert result(capsys, ["--model", model, f"x={','.join(map(str, row))}", "--backend", "openvino"]) == expected
    point = tmp_path / "point.json"
    point.write_text(json.dumps({"x": row}))
    assert result(capsys, ["-m", model, "-d", f"@{point}"]) == expected


@pytest.mark.parametrize(
    ("words", "status", "error"),
    [
        (["-d", '{"age": 3}'], 1, "feed[0] has no field 'gender'"),
        (["-d", '{"age'], 2, "--datapoint is not JSON"),
        (["-d", "[1]"], 2, "--datapoint must be an object with names, or a list of such"),
        (["-d", '{"age": NaN}'], 2, "NaN is not JSON"),
        (["-d", POINT, "x=1"], 2, "leave the inputs and --json out"),
        (["image=@x.jpg"], 2, "x.jpg cannot be read"),
        (["-d", POINT, "--backend", "none"], 2, "none"),
        ([], 2, "what is to be asked?"),
    ],
)
def test_what_cannot_be_answered_says_why(
    capsys: pytest.CaptureFixture[str], words: list[str], status: int, error: str
) -> None:
    assert predict.main(["-m", str(GOLDEN / "barcamp2024-model-pytorch.onnx"), *words]) == status
    said = capsys.readouterr()
    assert error in said.err and said.err.startswith("error: ") and not said.out


def test_somebody_has_to_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert predict.main(["-d", "{}"]) == 2
    assert "who is to be asked? HOST:PORT/NAME, or --model PATH" in capsys.readouterr().err
    assert predict.main(["-m", "nothing.onnx", "-d", "{}"]) == 2
    assert "nothing.onnx: there is no such file or folder" in capsys.readouterr().err
