"""The script of the model that predicts a change of weight."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import data
from tests.serving import ROOT

GOLDEN = Path(data.__file__).parent / "weight_variation"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())


def asked(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "web_service" / "weight_variation.py"), "--models", str(GOLDEN), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("words", [("-p", "true"), ("--tensorflow", "true", "--pytorch", "false")])
def test_either_model_answers(words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    done = asked("-d", json.dumps(EXPECTED["datapoint"]), *words)
    assert done.returncode == 0, done.stderr
    ((answer,),) = next(iter(json.loads(done.stdout)["result"].values()))
    assert answer == pytest.approx(EXPECTED["datapoint_expected"], abs=1e-6)


@pytest.mark.parametrize("words", [(), ("-p", "true", "-t", "true"), ("-p", "perhaps")])
def test_one_model_is_asked(words: tuple[str, ...]) -> None:
    done = asked("-d", "{}", *words)
    assert done.returncode == 2 and "true" in done.stderr
