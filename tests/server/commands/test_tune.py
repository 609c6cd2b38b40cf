"""`tune` measures, says what it found, and keeps it for the server, which shows it."""

import json
import shutil
from pathlib import Path

import pytest

from paddle_serving_app.choosing.plan import Candidate, Engines, Measurement, Plan, Skipped
from paddle_serving_server.commands import tune
from tests.serving import HTTP, serve

QUICK, SLOW = Candidate("openvino", False, 2), Candidate("paddle", True, 2)


@pytest.fixture
def folder(uci_folder: Path, tmp_path: Path) -> Path:
    """The uci model, not measured yet."""
    return shutil.copytree(uci_folder, tmp_path / "uci", ignore=shutil.ignore_patterns(".cache"))


def test_the_server_follows_what_was_tuned(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune.main(["--model", str(folder), "--seconds", "6"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{folder}: ")
    assert "  chosen\n" in said
    assert "  library            threads  rows        ms    rows/s\n" in said
    (file,) = (folder / ".cache").glob("plan-*.json")
    assert f"kept in {file}" in said
    kept = json.loads(file.read_text())
    with serve(tmp_path, "--model", str(folder), "--tune", "off") as server:
        (service,) = HTTP.request("GET", f"{server.url}/services").json()["services"]
        (model,) = service["models"]
        assert (model["name"], service["backend"]) == ("uci", kept["candidate"]["backend"])
        plan = model["plan"]
        assert plan["threads"] == kept["candidate"]["threads"]
        if kept["max_rows"]:  # 0: the time was too short to try batches
            assert plan["max_rows"] == kept["max_rows"]
        assert len(plan["table"]) == len(kept["table"]) + len(kept["skipped"])
        assert kept["why"] in server.log
        assert "measuring" not in server.log


def test_a_server_measures_what_it_does_not_know(folder: Path, tmp_path: Path) -> None:
    with serve(tmp_path, "--model", str(folder), "--tune", "load", "--tune_s", "4") as server:
        (service,) = HTTP.request("GET", f"{server.url}/services").json()["services"]
        assert "chosen" in {row["note"] for row in service["models"][0]["plan"]["table"]}
        assert "measuring" in server.log
    assert list((folder / ".cache").glob("plan-*.json"))


def test_a_backend_or_a_batch_that_was_asked_for_wins(folder: Path, tmp_path: Path) -> None:
    flags = ("--tune", "load", "--backend", "paddle", "--batch_infer_size", "5")
    with serve(tmp_path, "--model", str(folder), *flags) as server:
        (service,) = HTTP.request("GET", f"{server.url}/services").json()["services"]
        plan = service["models"][0]["plan"]
        assert (plan["backend"], plan["max_rows"], plan["table"]) == ("paddle + oneDNN", 5, [])
        assert plan["why"] == "asked for paddle"
        assert "measuring" not in server.log


def test_a_report() -> None:
    plan = Plan(
        candidate=QUICK,
        max_rows=2,
        engines=Engines(2, 1, 1234.5),
        why="it is the best",
        table=(Measurement(QUICK, 1, 2.0), Measurement(QUICK, 2, 3.0, "chosen"), Measurement(SLOW, 1, 1234.5)),
        skipped=(Skipped(Candidate("onnxruntime", False, 2), "no such operator"),),
        versions={"openvino": "1", "paddle": "2"},
        cpu="a processor",
        seconds=9.6,
    )
    assert "\n".join(tune.report("m", plan, None)) == "\n".join(
        (
            "m: openvino, 2 threads",
            "  it is the best",
            "",
            "  library            threads  rows        ms    rows/s",
            "  openvino                 2     1         2       500",
            "  openvino                 2     2         3       667  chosen",
            "  paddle + oneDNN          2     1      1234         1",
            "  onnxruntime              2     -         -         -  out: no such operator",
            "",
            "  largest batch: 2 rows, the largest that was tried",
            "  most lone rows a second: 1,234, by 2 engine(s) of 1 thread(s)",
            "  measured in 10 s on a processor, with openvino 1, paddle 2",
            "  not kept: no folder can be written",
        )
    )


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--model", "/no/such/folder"], "there is no such file or folder"),
        (["--model", ".", "--seconds", "0"], "--seconds must be from 1 to 3600, got 0"),
        (["--model", ".", "--precision", "fp8"], "--precision must be one of fp32"),
        (["--model", ".", "--engine_threads", "-1"], "--engine_threads"),
        (["--model", ".", "--gpu_ids", "x"], "--gpu_ids takes numbers"),
        (["--model", ".", "--log_level", "loud"], "--log_level"),
        (["--model", "."], "serving_server_conf.prototxt"),
    ],
)
def test_what_cannot_be(
    flags: list[str], words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert tune.main(flags) == tune.EXIT_BAD_USE
    assert words in capsys.readouterr().err
