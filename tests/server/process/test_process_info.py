"""ProcessInfo.json: who is on the list is ended, and nobody else."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paddle_serving_client.errors import BadConfig
from paddle_serving_server.process import process_info


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SERVING_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def stranger() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is no server, in a process group of its own."""
    listening = ["env", "--default-signal=INT", sys.executable]  # also where the tests run in the background
    process = subprocess.Popen([*listening, "-c", "input()"], stdin=subprocess.PIPE, process_group=0)
    yield process
    process.kill()
    process.communicate()


def write(home: Path, *entries: object) -> None:
    (home / process_info.NAME).write_text(json.dumps(entries))


def entry_of_0_9(pid: int, start_time: float) -> dict[str, Any]:
    return {"pid": pid, "port": [9393], "model": "['uci_housing_model']", "start_time": start_time}


def test_a_later_process_with_the_same_number_is_left_alone(home: Path, stranger: "subprocess.Popen[bytes]") -> None:
    ours = {**entry_of_0_9(stranger.pid, time.time()), "supervisor": stranger.pid, "ticks": 1}
    for entry in (ours, entry_of_0_9(stranger.pid, time.time() - 3600)):
        write(home, entry)
        assert process_info.stop(None, hard=True) == [f"Process [{stranger.pid}]  has been stopped."]
        assert stranger.poll() is None
        assert not (home / process_info.NAME).exists()


def test_a_server_of_0_9_is_ended_with_its_group(home: Path, stranger: "subprocess.Popen[bytes]") -> None:
    write(home, entry_of_0_9(stranger.pid, time.time()))
    assert process_info.stop(9393, hard=False) == ["stopped the server on port 9393"]
    assert stranger.wait(10) != 0


_IN_ITS_OWN_GROUP = """
import json, os, pathlib, signal, sys, time
from paddle_serving_server.process import process_info

entry = {"pid": os.getpgrp(), "port": [9393], "model": "['uci_housing_model']", "start_time": time.time() + 60}
pathlib.Path(sys.argv[1]).write_text(json.dumps([entry]))
signal.signal(signal.SIGINT, lambda *_: sys.exit("it was signalled"))
process_info.stop(None, hard=False)
"""


def test_the_group_of_this_command_is_not_ended(home: Path) -> None:
    command = [sys.executable, "-c", _IN_ITS_OWN_GROUP, str(home / process_info.NAME)]
    done = subprocess.run(command, process_group=0, capture_output=True, text=True, timeout=30)
    assert "BadConfig: the server of port 9393 runs in the process group of this command" in done.stderr


@pytest.mark.parametrize(
    "entry",
    [
        {"pid": 1, "port": [9393]},
        {"pid": 0, "port": [9393]},
        {"pid": -1, "port": [9393]},
        {"pid": True, "port": [9393]},
        {"pid": "4711", "port": [9393]},
        {"pid": 4711, "supervisor": -1, "port": [9393]},
        {"pid": 4711},
        "text",
    ],
)
def test_entries_that_would_reach_others_are_no_entries(home: Path, entry: object) -> None:
    write(home, entry)
    with pytest.raises(BadConfig, match="Please confirm the port"):
        process_info.stop(9393, hard=True)


def test_a_new_server_takes_the_place_of_the_last_one_on_any_of_its_ports(home: Path) -> None:
    write(home, entry_of_0_9(4711, 1.0), {**entry_of_0_9(4712, 1.0), "port": [1]})
    process_info.record([9394, 9393], "['a']")
    written = json.loads((home / process_info.NAME).read_text())
    assert [(e["pid"], e["port"]) for e in written] == [(4712, [1]), (os.getpgrp(), [9394, 9393])]
    assert written[1]["model"] == "['a']" and abs(written[1]["start_time"] - time.time()) < 60
    process_info.forget()
    assert [e["pid"] for e in json.loads((home / process_info.NAME).read_text())] == [4712]


def test_servers_that_start_together_are_all_on_the_list(home: Path) -> None:
    code = "import sys; from paddle_serving_server.process import process_info as p; p.record([int(sys.argv[1])], 'm')"
    started = [subprocess.Popen([sys.executable, "-c", code, str(port)]) for port in range(9000, 9006)]
    assert [process.wait(60) for process in started] == [0] * 6
    written = json.loads((home / process_info.NAME).read_text())
    assert sorted(e["port"][0] for e in written) == list(range(9000, 9006))


def test_a_damaged_list_is_an_empty_one(home: Path) -> None:
    (home / process_info.NAME).write_text('[{"pid": 4711')
    process_info.record([9393], "m")
    assert len(json.loads((home / process_info.NAME).read_text())) == 1
