"""The processors and the memory that this process may use."""

import os
import sys
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


@pytest.mark.parametrize(
    ("limit", "used", "expected"),
    [
        ("max", "5", 1000 << 10),
        ("900000", "100000", 800_000),
        ("100", "200", 0),
        ("9000000000", "0", 1000 << 10),
    ],
)
def test_free_memory(limit: str, used: str, expected: int, tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text(limit + "\n")
    (tmp_path / "memory.current").write_text(used + "\n")
    (tmp_path / "meminfo").write_text("MemTotal: 2000 kB\nMemAvailable:   1000 kB\n")
    assert processors.free_memory_bytes(tmp_path, tmp_path / "meminfo") == expected


def test_free_memory_where_nobody_says(tmp_path: Path) -> None:
    assert processors.free_memory_bytes(tmp_path, tmp_path / "meminfo") == sys.maxsize
    assert processors.free_memory_bytes() > 0
