"""How busy a machine is: as files say it that are written here, and as Linux says it of this one."""

from pathlib import Path

import pytest

from paddle_serving_server.showing.machine_load import MachineWatch

MEMORY = "MemTotal:       1000 kB\nMemFree:   100 kB\nMemAvailable:    400 kB\nHugePages_Total:       0\n"


def test_what_was_used_between_two_looks(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text(MEMORY)
    (tmp_path / "stat").write_text("cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 2 3 4\n")
    watch = MachineWatch(tmp_path)
    assert [watch.look().busy, watch.look().busy] == [pytest.approx(0.2)] * 2, "since the start, and then once more"
    (tmp_path / "stat").write_text("cpu  160 0 110 720 110 0 0 0 90 0\n")
    load = watch.look()
    assert load.busy == pytest.approx(0.7)
    assert (load.memory_bytes, load.used_bytes) == (1000 * 1024, 600 * 1024)


def test_this_machine() -> None:
    load = MachineWatch().look()
    assert load.busy is None or 0 <= load.busy <= 1
    assert 0 < load.used_bytes < load.memory_bytes
