"""The processes in which candidates are tried end with the one that measures, stopped or not."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.models import uci

_FORKING = """
import os, sys, time
from paddle_serving_app.choosing import trial

class Forking(trial.Trial):
    def do(self, command):
        if os.fork() == 0:
            time.sleep(600)
        import subprocess
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        return {}

trial.Trial = Forking
sys.exit(trial.main(sys.argv[1:]))
"""
_MEASURING = """
import json, sys, time
from pathlib import Path
from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.choosing import contestant
from paddle_serving_app.choosing.plan import Candidate

command = [sys.executable, "-c", sys.argv[2]] if sys.argv[2] else contestant.COMMAND
tried = contestant.Contestant(Candidate("onnxruntime", False, 1), command, Path(sys.argv[1]))
print(tried._process.pid, flush=True)
if sys.argv[3]:
    tried.tell({"do": "load", "folder": sys.argv[3], "options": {"backend": "onnxruntime"}})
    contestant.gather([tried], time.monotonic() + 60, lambda: None)
    print(json.dumps(tried.reply), flush=True)
time.sleep(600)
"""


def measuring(scratch: Path, trial: str = "", folder: str = "") -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", _MEASURING, str(scratch), trial, folder]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def await_stop(processes: list[psutil.Process]) -> None:
    end = time.monotonic() + 10
    while any(process.status() != psutil.STATUS_STOPPED for process in processes):
        assert time.monotonic() < end
        time.sleep(0.02)


def ends_with(parent: "subprocess.Popen[bytes]", processes: list[psutil.Process]) -> bool:
    """Whether all of these end when the parent is killed."""
    parent.kill()
    parent.communicate()
    end = time.monotonic() + 15
    while any(is_there(process) for process in processes):
        if time.monotonic() > end:
            for process in processes:
                process.kill()
            return False
        time.sleep(0.05)
    return True


def is_there(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("trial", ["", _FORKING])
def test_one_that_is_stopped_ends_and_so_does_what_it_has_started(tmp_path: Path, trial: str) -> None:
    folder = uci(tmp_path / "uci")
    parent = measuring(tmp_path, trial, str(folder))
    assert parent.stdout is not None
    process = psutil.Process(int(parent.stdout.readline()))
    assert b"error" not in parent.stdout.readline()
    processes = [process, *process.children(recursive=True)]
    assert len(processes) == (3 if trial else 1)
    await_stop(processes)
    assert ends_with(parent, processes)


def test_one_whose_parent_ends_before_it_is_ready_ends(tmp_path: Path) -> None:
    parent = measuring(tmp_path)
    assert parent.stdout is not None
    process = psutil.Process(int(parent.stdout.readline()))
    process.suspend()
    await_stop([process])
    assert ends_with(parent, [process])
