"""A plan is made once, kept, and used by whoever loads the model; without one the model is served all the same."""

import contextlib
import logging
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.choosing import choose, contest, kept_plans
from paddle_serving_app.choosing.plan import Candidate, Plan
from paddle_serving_app.model import Model
from paddle_serving_client.errors import BadModel
from tests.app.conftest import Folder
from tests.app.programs import Form, paddle_model

CRASH = (sys.executable, "-c", "raise SystemExit('cannot even start')")
PLAN = Plan(candidate=Candidate("openvino", False, 1), max_rows=4, why="a test wants it")


@pytest.fixture(scope="module")
def measured(model_folder: Folder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The uci model, with a plan made by measuring."""
    folder = tmp_path_factory.mktemp("measured") / "uci"
    shutil.copytree(model_folder("uci", "pdmodel"), folder, ignore=shutil.ignore_patterns(".cache"))
    assert choose.plan_for(folder, ModelOptions(), 10.0) is not None
    return folder


@pytest.fixture
def folder(model_folder: Folder, tmp_path: Path) -> Path:
    return shutil.copytree(model_folder("uci", "pdmodel"), tmp_path / "uci", ignore=shutil.ignore_patterns(".cache"))


def test_what_was_measured_is_kept(measured: Path) -> None:
    started = time.monotonic()
    plan = choose.plan_for(measured, ModelOptions(), 10.0, CRASH)
    assert plan is not None
    assert plan == choose.plan_for(measured, ModelOptions(), 0, CRASH)
    assert time.monotonic() - started < 2
    with contextlib.closing(Model.load(measured, ModelOptions(), tune_s=10.0)) as model:
        assert (model.plan, model.backend_name) == (plan, plan.candidate.backend)


def test_the_second_start_imports_only_what_was_chosen(measured: Path) -> None:
    code = (
        "import sys; from paddle_serving_app.model import Model; m = Model.load(sys.argv[1], tune_s=10.0);"
        "print(m.backend_name, *({'paddle', 'onnxruntime', 'openvino'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(measured)], capture_output=True, text=True, check=True)
    chosen, *imported = done.stdout.split()
    assert imported == [chosen]


def test_nothing_is_measured_unless_asked_for(folder: Path) -> None:
    assert choose.plan_for(folder, ModelOptions(), 0, CRASH) is None
    assert not list((folder / ".cache").glob("plan-*"))


def test_a_failure_is_no_failure_of_the_load(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert choose.plan_for(folder, ModelOptions(), 1.0, CRASH) is None
    assert "cannot even start" in caplog.text
    caplog.clear()
    assert choose.plan_for(folder, ModelOptions(), 1.0, ("/no/such/program",)) is None
    assert "measuring failed" in caplog.text


def test_a_plan_is_followed(folder: Path) -> None:
    kept_plans.write(folder, kept_plans.key_of(folder, ModelOptions()), PLAN)
    with contextlib.closing(Model.load(folder, tune_s=0)) as model:
        assert (model.backend_name, model.plan) == ("openvino", PLAN)
    with contextlib.closing(Model.load(folder, ModelOptions(backend="onnxruntime"), tune_s=0)) as model:
        assert (model.backend_name, model.plan.why) == ("onnxruntime", "asked for onnxruntime")
    with contextlib.closing(Model.load(folder)) as model:
        assert model.plan.why.startswith("nothing was measured: ")


def test_a_plan_that_does_not_work_any_more(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    gone = replace(PLAN, candidate=Candidate("onnxruntime", False, 1))
    kept_plans.write(folder, kept_plans.key_of(folder, ModelOptions()), gone)
    caplog.set_level(logging.WARNING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("paddle_serving_app.backends.onnxruntime.missing", lambda: "it was removed")
        patch.setattr(kept_plans, "key_of", lambda folder, options: "k")
        kept_plans.write(folder, "k", gone)
        with contextlib.closing(Model.load(folder, tune_s=0)) as model:
            assert model.backend_name != "onnxruntime"
    assert "cannot be loaded now" in caplog.text


def test_tune_replaces_what_was_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept_plans.write(folder, kept_plans.key_of(folder, ModelOptions()), PLAN)
    better = replace(PLAN, max_rows=2)
    monkeypatch.setattr(contest, "measure", lambda *given: better)
    plan, file = choose.tune(folder, ModelOptions(), 1.0)
    assert plan == better == choose.plan_for(folder, ModelOptions(), 0)
    assert file is not None
    monkeypatch.setattr(contest, "measure", lambda *given: None)
    with pytest.raises(BadModel, match="no library"):
        choose.tune(folder, ModelOptions(), 1.0)


def test_nobody_is_left_when_the_engine_is_killed(folder: Path) -> None:
    """Those that wait for their turn are stopped; they must not stay so for ever."""
    code = (
        "import sys; from pathlib import Path; from paddle_serving_app.choosing import choose;"
        "from paddle_serving_app.backend import ModelOptions; choose.plan_for(Path(sys.argv[1]), ModelOptions(), 30.0)"
    )
    engine = subprocess.Popen([sys.executable, "-c", code, str(folder)])
    trials: list[str] = []
    until = time.monotonic() + 20
    while not any(_state(number) == "T" for number in trials) and time.monotonic() < until:
        time.sleep(0.02)
        trials = Path(f"/proc/{engine.pid}/task/{engine.pid}/children").read_text().split()
    assert trials
    engine.kill()
    engine.wait()
    until = time.monotonic() + 10
    while any(_state(number) not in ("", "Z") for number in trials) and time.monotonic() < until:
        time.sleep(0.02)
    assert {_state(number) for number in trials} <= {"", "Z"}


def _state(number: str) -> str:
    """Of a process, as one letter; empty where there is none."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def test_a_plan_in_doubt_is_made_again_but_not_for_ever(folder: Path) -> None:
    key = kept_plans.key_of(folder, ModelOptions())
    kept_plans.write(folder, key, replace(PLAN, doubt="the machine was busy"))
    assert choose.plan_for(folder, ModelOptions(), 10.0, CRASH) == replace(PLAN, doubt="the machine was busy")
    made = choose.plan_for(folder, ModelOptions(), 10.0)
    assert made is not None
    assert (made.tries, made.why == PLAN.why) == (2, False)
    last = replace(PLAN, doubt="the machine is always busy", tries=3)
    kept_plans.write(folder, key, last)
    assert choose.plan_for(folder, ModelOptions(), 10.0) == last


LEAKY = {"x": ((-1, 4), "float32")}
HASHED = {"id": ((-1, 2), "int64")}


@pytest.mark.paddle2onnx
@pytest.mark.parametrize("form", ["pdmodel", "json"])
def test_whoever_is_chosen_is_right_below_zero(tmp_path: Path, form: Form) -> None:
    """paddle2onnx forgets the slope of some programs, which numbers from 0 to 1 do not show."""
    folder = paddle_model(tmp_path / "m", LEAKY, lambda paddle, x: paddle.nn.functional.leaky_relu(x, 0.1), form)
    with contextlib.closing(Model.load(folder, ModelOptions(), tune_s=10.0)) as model:
        given = model.run(model.signature.arrange({"x": np.array([[-5, 5, 0.5, 0]], np.float32)}))
        np.testing.assert_allclose(given.arrays[0], [[-0.5, 5, 0.5, 0]], err_msg=model.backend_name)


@pytest.mark.paddle2onnx
@pytest.mark.parametrize("form", ["pdmodel", "json"])
def test_whoever_is_chosen_is_right_with_large_integers(tmp_path: Path, form: Form) -> None:
    folder = paddle_model(tmp_path / "m", HASHED, lambda paddle, i: (i * 1000003) % 1000, form)
    with contextlib.closing(Model.load(folder, ModelOptions(), tune_s=10.0)) as model:
        given = model.run(model.signature.arrange({"id": np.array([[123456, 7654321]], np.int64)}))
        np.testing.assert_array_equal(given.arrays[0], [[368, 963]], err_msg=model.backend_name)
    assert any("OpenVINO computes int64 in 32 bits" in skipped.reason for skipped in model.plan.skipped)


def test_a_library_that_computes_in_fewer_bits_is_not_taken_by_name(tmp_path: Path) -> None:
    folder = paddle_model(tmp_path / "m", HASHED, lambda paddle, i: (i * 1000003) % 1000)
    with pytest.raises(BadModel, match="OpenVINO computes int64 in 32 bits"):
        Model.load(folder, ModelOptions(backend="openvino"))
