"""The processors that this process may use."""

import os
from pathlib import Path

import pytest

from paddle_serving_app import processors


@pytest.fixture(autouse=True)
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with eight."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", 8),
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("50000 100000", 1),
        ("9900000 100000", 8),
        ("", 8),
    ],
)
def test_quota(quota: str, expected: int, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert processors.available(tmp_path / "cpu.max") == expected


def test_no_quota(tmp_path: Path) -> None:
    assert processors.available(tmp_path / "missing") == 8


def test_here() -> None:
    assert 1 <= processors.available() <= 8
