"""Files of services that change are told, once they are whole."""

import os
from pathlib import Path

import pytest

from paddle_serving_server.supervisor.code_watcher import CodeWatcher


@pytest.fixture
def watcher() -> CodeWatcher:
    watcher = CodeWatcher(look_s=0.02)
    watcher.socket.settimeout(10)
    watcher.start()
    return watcher


def test_a_changed_file_is_told_once(watcher: CodeWatcher, tmp_path: Path) -> None:
    file, other = tmp_path / "service.py", tmp_path / "other.py"
    file.write_text("a = 1\n")
    other.write_text("b = 1\n")
    watcher.add([str(file), str(other)])
    file.write_text("a = 22\n")
    assert watcher.socket.recv(4096).decode() == str(file)
    watcher.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        watcher.socket.recv(4096)


def test_a_file_that_is_replaced_or_comes_back_is_told(watcher: CodeWatcher, tmp_path: Path) -> None:
    """Editors write beside a file and rename, so that for a moment it may not be there."""
    file = tmp_path / "service.py"
    file.write_text("a = 1\n")
    watcher.add([str(file)])
    file.unlink()
    (tmp_path / "new").write_text("a = 1\n")
    os.rename(tmp_path / "new", file)
    assert watcher.socket.recv(4096).decode() == str(file)


def test_what_was_added_is_not_forgotten_for_its_being_added_again(watcher: CodeWatcher, tmp_path: Path) -> None:
    file = tmp_path / "service.py"
    file.write_text("a = 1\n")
    slow = CodeWatcher(look_s=0.05)
    slow.socket.settimeout(10)
    slow.add([str(file)])
    file.write_text("a = 22\n")
    slow.add([str(file)])
    slow.start()
    assert slow.socket.recv(4096).decode() == str(file)
