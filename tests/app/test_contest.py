"""The fastest that is right is chosen, and whoever crashes, hangs, hogs or lies is out with the reason."""

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from paddle_serving_app import backends, processors
from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.choosing import contest, ranking
from paddle_serving_app.choosing.contestant import Contestant
from paddle_serving_app.choosing.effort import THOROUGH, Effort
from paddle_serving_app.choosing.plan import Candidate, Plan
from tests.app import rogues
from tests.app.conftest import Folder

TRIAL = (sys.executable, "-m", "tests.app.rogue_trial")
Among = Callable[..., Plan | None]
SHORT = Effort(seconds=3.0, turn_s=0.02)


@pytest.fixture
def among(monkeypatch: pytest.MonkeyPatch, model_folder: Folder, tmp_path: Path) -> Among:
    """Hold a contest among some of the rogues, with two processors."""
    here = Path(rogues.__path__[0])
    chosen = tmp_path / "rogues"
    chosen.mkdir()
    monkeypatch.setattr(backends, "__path__", [str(chosen)])
    monkeypatch.setattr(processors, "available", lambda: 2)

    def hold(*names: str, effort: Effort = SHORT, **options: int) -> Plan | None:
        for name in names:
            (chosen / f"{name}.py").symlink_to(here / f"{name}.py")
        try:
            return contest.measure(model_folder("uci", "pdmodel"), ModelOptions(**options), effort, TRIAL)  # type: ignore[arg-type]
        finally:
            for name in names:
                sys.modules.pop(f"paddle_serving_app.backends.{name}", None)

    return hold


def children() -> set[str]:
    """Processes whose parent is this one."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


@pytest.fixture(autouse=True)
def _nobody_is_left() -> Iterator[None]:
    before = children()
    yield
    assert children() <= before


def test_the_fastest_that_is_right(among: Among) -> None:
    plan = among("crashes", "honest", "lies", "quick", "unwilling")
    assert plan is not None
    assert plan.candidate == Candidate("quick", False, 2)
    assert plan.max_rows == 4
    reasons = {skipped.candidate.backend: skipped.reason for skipped in plan.skipped}
    assert reasons == {
        "crashes": "its process ended with signal SIGABRT: Fatal: bad instruction",
        "lies": "differs by 0.01 of the largest value from honest; 0.001 is allowed",
        "unwilling": "reads nothing",
    }
    times = {(m.candidate.backend, m.candidate.threads, m.rows): m.ms for m in plan.table}
    assert 2.9 < times["quick", 2, 1] < 5.0  # it sleeps 3 ms; a busy machine wakes it late
    assert 5.9 < times["quick", 1, 1] < 8.0
    assert 7.9 < times["honest", 2, 1] < 11.0
    assert ("honest", 2, 2) not in times  # too slow to be worth it
    assert [m.note for m in plan.table if m.rows == 4 and m.candidate == plan.candidate] == ["chosen"]
    assert plan.why.startswith(f"{times['quick', 2, 1]:.3g} ms for one row, ")


def test_who_is_slow_at_first_only_is_looked_at_again(among: Among) -> None:
    plan = among("honest", "stutters", effort=replace(SHORT, seconds=6.0))
    assert plan is not None
    assert plan.candidate.backend == "stutters"


def test_who_hangs_is_left_behind(among: Among) -> None:
    started = time.monotonic()
    plan = among("hangs", "quick")
    assert plan is not None
    assert plan.candidate.backend == "quick"
    (left,) = plan.skipped
    assert re.fullmatch(r"not loaded within \d+ s", left.reason)
    assert time.monotonic() - started < 30  # of the whole minute that it hangs


def test_who_takes_all_memory_is_ended(among: Among, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "free_memory_bytes", lambda: 1 << 30)
    plan = among("hogs", "quick", effort=Effort(seconds=6.0, turn_s=0.02))
    assert plan is not None
    assert plan.candidate.backend == "quick"
    (hog,) = plan.skipped
    assert hog.candidate.backend == "hogs"
    assert hog.reason.endswith("MiB, more than there is memory for")


def test_threads_that_were_asked_for_are_kept(among: Among) -> None:
    plan = among("quick", threads=1)
    assert plan is not None
    assert {m.candidate for m in plan.table} == {Candidate("quick", False, 1)}


def test_fewer_threads_where_they_are_as_good(among: Among) -> None:
    plan = among("honest", effort=replace(THOROUGH, seconds=6.0, turn_s=0.05, rounds=4))
    assert plan is not None
    assert plan.candidate == Candidate("honest", False, 1)
    assert plan.max_rows == 64
    assert plan.engines is not None
    assert (plan.engines.count, plan.engines.threads) == (2, 1)  # two that sleep, sleep at the same time
    assert plan.engines.rows_per_s == pytest.approx(2 * 125, rel=0.3)


@pytest.mark.parametrize("names", [("unwilling",), ("crashes",), ()])
def test_nobody_can(among: Among, names: tuple[str, ...], caplog: pytest.LogCaptureFixture) -> None:
    assert among(*names) is None
    assert all(f"{name}, 2 threads cannot be tried: " in caplog.text for name in names)


def test_with_the_libraries_that_are_installed(model_folder: Folder) -> None:
    pytest.importorskip("paddle")
    folder = model_folder("conv", "pdmodel")
    plan = contest.measure(folder, ModelOptions(), Effort(seconds=15.0))
    assert plan is not None
    tried = {m.candidate.library for m in plan.table} | {s.candidate.library for s in plan.skipped}
    assert tried == {"paddle", "paddle + oneDNN", "onnxruntime", "openvino"}
    assert not any("differs" in skipped.reason or "other outputs" in skipped.reason for skipped in plan.skipped)
    assert {m.candidate.library for m in plan.table} >= {"paddle", plan.candidate.library}


@pytest.mark.parametrize(
    ("figures", "best"),
    [
        ({"a": (0.045, 380), "b": (0.060, 150)}, "b"),  # 15 us are not worth 230 MB
        ({"a": (0.045, 160), "b": (0.060, 150)}, "a"),
        ({"a": (1.0, 380), "b": (1.2, 150)}, "a"),
        ({"a": (10.0, 380), "b": (10.4, 150)}, "b"),
    ],
)
def test_memory_counts_where_time_is_nearly_equal(figures: dict[str, tuple[float, int]], best: str) -> None:
    rivals = [
        cast(
            Contestant,
            SimpleNamespace(
                candidate=Candidate(name, False, 1), cost=partial(float, ms), memory_bytes=partial(int, megabytes << 20)
            ),
        )
        for name, (ms, megabytes) in figures.items()
    ]
    assert ranking.best(rivals).candidate.backend == best
