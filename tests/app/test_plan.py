"""A plan is kept whole or not at all, and found again as long as nothing has changed."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paddle_serving_app import processors
from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.choosing import kept_plans
from paddle_serving_app.choosing import plan as plans
from paddle_serving_app.choosing.plan import Candidate, Engines, Measurement, Plan, Skipped
from paddle_serving_client import manifest, model_config
from paddle_serving_client.errors import BadModel
from tests.app.conftest import Folder

ORT, PADDLE = Candidate("onnxruntime", False, 2), Candidate("paddle", True, 1)
PLAN = Plan(
    candidate=ORT,
    max_rows=8,
    engines=Engines(2, 1, 99.5),
    why="it is",
    table=(Measurement(ORT, 1, 2.5, "chosen"), Measurement(PADDLE, 1, 5.0)),
    skipped=(Skipped(Candidate("openvino", False, 2), "no"),),
    versions={"onnxruntime": "1.31"},
    cpu="a processor",
    seconds=9.5,
)


@pytest.fixture
def folder(model_folder: Folder, tmp_path: Path) -> Path:
    return shutil.copytree(model_folder("uci", "pdmodel"), tmp_path / "m", ignore=shutil.ignore_patterns(".cache"))


def test_there_and_back(folder: Path) -> None:
    for plan in (PLAN, replace(PLAN, engines=None, table=(), skipped=())):
        file = kept_plans.write(folder, "k" * 64, plan)
        assert file is not None
        assert file.parent == folder / ".cache"
        assert kept_plans.read(folder, "k" * 64) == plan
        assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert kept_plans.read(folder, "o" * 64) is None


def test_what_pages_get() -> None:
    said: dict[str, Any] = json.loads(json.dumps(PLAN.describe()))
    assert (said["backend"], said["threads"], said["max_rows"]) == ("onnxruntime", 2, 8)
    assert said["table"] == [
        {"backend": "onnxruntime", "threads": 2, "rows": 1, "ms": 2.5, "rows_per_s": 400.0, "note": "chosen"},
        {"backend": "paddle + oneDNN", "threads": 1, "rows": 1, "ms": 5.0, "rows_per_s": 200.0, "note": ""},
        {"backend": "openvino", "threads": 2, "rows": None, "ms": None, "rows_per_s": None, "note": "no"},
    ]
    assert said["engines"] == {"count": 2, "threads": 1, "rows_per_s": 99.5}


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "null",
        lambda text: text.replace('"threads": 2', '"threads": 0'),
        lambda text: text.replace('"max_rows": 8', '"max_rows": "8"'),
        lambda text: text.replace('"ms": 2.5', '"ms": 0'),
        lambda text: text.replace('"backend": "onnxruntime"', '"backend": null'),
        lambda text: text.replace('"versions"', '"version"'),
        lambda text: text.replace("kkkk", "kkko"),
        lambda text: "[" * 100_000,
    ],
)
def test_a_damaged_file_is_ignored(folder: Path, change: Any) -> None:
    file = kept_plans.write(folder, "k" * 64, PLAN)
    assert file is not None
    file.write_text(change(file.read_text()))
    assert kept_plans.read(folder, "k" * 64) is None
    kept_plans.write(folder, "k" * 64, PLAN)
    assert kept_plans.read(folder, "k" * 64) == PLAN


def test_where_nothing_can_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    monkeypatch.setattr("paddle_serving_app.model_cache.folder_for", lambda folder: blocked / "gone")
    assert kept_plans.write(folder, "k" * 64, PLAN) is None


def test_the_key_knows_what_matters(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def key(**options: Any) -> str:
        return kept_plans.key_of(folder, ModelOptions(**options))

    first = key()
    assert key() == first == key(backend="paddle")
    keys = [first, key(threads=1), key(gpu_id=0), key(precision="bf16")]
    config = folder / model_config.SERVER_CONFIG
    config.write_text(config.read_text() + "\n")
    keys.append(key())
    weights = folder / "model.pdiparams"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    keys.append(key())
    manifest.write(folder, ["model.pdmodel", "model.pdiparams"])
    keys.append(key())
    (folder / "notes.txt").write_text("no part of the model")
    assert key() == keys[-1]
    with monkeypatch.context() as patch:
        patch.setattr(kept_plans, "versions", lambda: {"paddle": "0"})
        keys.append(key())
    with monkeypatch.context() as patch:
        patch.setattr(processors, "available", lambda: 99)
        keys.append(key())
    with monkeypatch.context() as patch:
        patch.setattr(kept_plans, "_CPU", folder / "notes.txt")
        keys.append(key())
    assert len(set(keys)) == len(keys)


def test_a_model_without_config(folder: Path) -> None:
    (folder / model_config.SERVER_CONFIG).unlink()
    with pytest.raises(BadModel, match="prototxt"):
        kept_plans.key_of(folder, ModelOptions())


def test_names() -> None:
    assert str(ORT) == "onnxruntime, 2 threads"
    assert str(PADDLE) == "paddle + oneDNN, 1 thread"
    assert kept_plans.cpu_name()


def test_unmeasured() -> None:
    plan = plans.unmeasured("paddle", ModelOptions(threads=3), "asked for paddle")
    assert (plan.candidate, plan.max_rows) == (Candidate("paddle", True, 3), 0)
    assert plans.unmeasured("openvino", ModelOptions(), "").candidate.library == "openvino"


@pytest.mark.parametrize(
    ("asked", "threads", "expected"),
    [
        (0, 0, (2, 3)),  # what was measured
        (2, 0, (2, 3)),
        (1, 0, (1, 4)),
        (3, 0, (3, 2)),  # not measured: they share six processors
        (3, 5, (3, 5)),  # the operator says it all
    ],
)
def test_engines_beside_each_other_share_the_processors(
    monkeypatch: pytest.MonkeyPatch, asked: int, threads: int, expected: tuple[int, int]
) -> None:
    monkeypatch.setattr("paddle_serving_app.processors.available", lambda: 6)
    plan = Plan(candidate=Candidate("paddle", True, 4), engines=Engines(2, 3, 100.0), why="measured")
    assert plans.beside(plan, ModelOptions(threads=threads), asked) == expected
    assert plans.beside(None, ModelOptions(), 0) == (1, 6)
    assert plans.beside(None, ModelOptions(), 4) == (4, 1)
