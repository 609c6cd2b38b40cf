"""One at a time, and never longer than it may take."""

import subprocess
import sys
from pathlib import Path

import pytest

from paddle_serving_app.file_lock import held


@pytest.mark.parametrize("is_folder", [True, False])
def test_one_at_a_time(tmp_path: Path, is_folder: bool) -> None:
    path = tmp_path if is_folder else tmp_path / "lock"
    with held(path, 0) as first, held(path, 0.1) as second:
        assert (first, second) == (True, False)
    with held(path, 0) as third:
        assert third


def test_a_dead_owner_lets_go(tmp_path: Path) -> None:
    code = "import os, sys\nfrom pathlib import Path\nfrom paddle_serving_app.file_lock import held\n"
    code += "with held(Path(sys.argv[1]), 0) as ours:\n    print(ours, flush=True)\n    os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.stdout == "True\n"
    with held(tmp_path, 0) as ours:
        assert ours


def test_where_no_file_can_be(tmp_path: Path) -> None:
    with held(tmp_path / "no" / "lock", 0) as ours:
        assert not ours
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")  # another user may have put it there
    with held(tmp_path / "link", 0) as ours:
        assert not ours
    assert not (tmp_path / "elsewhere").exists()
