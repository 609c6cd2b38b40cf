"""PROFILE lines as a trace."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from paddle_serving_app import trace

OF_PADDLE_SERVING = (  # two lines of a client of 0.9, with a server that profiles
    "I0101 00:00:00.000000   7 general_model.cpp:380] [client]logid=0,client_cost=2.915ms,server_cost=0.05ms.\n"
    "PROFILE\tpid:7\tprepro_0:1000 prepro_1:1010 client_infer_0:1010 client_infer_1:1500 "
    "op0_0:1100 op0_1:1200 op1_0:1200 op1_1:1350 op2_0:1350 op2_1:1400 postpro_0:1500 postpro_1:1510 \n"
    "PROFILE\tpid:7\tpy_prepro_0:990 py_prepro_1:1000 py_client_infer_0:1000 py_client_infer_1:1510 "
    "py_postpro_0:1510 py_postpro_1:1520 \n"
)


def spans(events: list[dict[str, Any]]) -> list[tuple[int, int, str, int]]:
    """Depth, track, name and length of each span; fails where begin and end do not match."""
    open_: dict[int, list[dict[str, Any]]] = {}
    found = []
    for event in events:
        stack = open_.setdefault(event["tid"], [])
        if event["ph"] == "B":
            stack.append(event)
            found.append((len(stack), event["tid"], event["name"], 0))
        elif event["ph"] == "E":
            began = stack.pop()
            assert began["name"] == event["name"]
            at = max(k for k, span in enumerate(found) if span[1:3] == (event["tid"], event["name"]))
            found[at] = (*found[at][:3], event["ts"] - began["ts"])
    assert not any(open_.values())
    return found


def test_each_line_is_a_track_and_the_ops_of_the_server_lie_in_the_call() -> None:
    assert spans(list(trace.events(OF_PADDLE_SERVING.splitlines()))) == [
        (1, 0, "prepro", 10),
        (1, 0, "client_infer", 490),
        (2, 0, "op0", 100),
        (2, 0, "op1", 150),
        (2, 0, "op2", 50),
        (1, 0, "postpro", 10),
        (1, 1, "py_prepro", 10),
        (1, 1, "py_client_infer", 510),
        (1, 1, "py_postpro", 10),
    ]


def test_spans_side_by_side_have_tracks_of_their_own_and_halves_are_left_out() -> None:
    line = "PROFILE\tpid:7\ta_0:10 a_1:30 b_0:20 b_1:40 c_0:22 c_1:28 lost_0:5 x_1:9 none_0:7 none_1:7 \n"
    assert spans(list(trace.events([line]))) == [(1, 0, "a", 20), (2, 0, "c", 6), (1, 1, "b", 20)]


def test_the_command(tmp_path: Path) -> None:
    log, out = tmp_path / "log", tmp_path / "trace"
    log.write_text(OF_PADDLE_SERVING)
    command = [sys.executable, "-m", "paddle_serving_app.trace", "--profile_file", str(log), "--trace_file", str(out)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (said.returncode, said.stdout) == (0, f"{out}: 9 spans\n"), said.stderr
    assert {event["pid"] for event in json.loads(out.read_text())["traceEvents"]} == {7}
    log.write_text("nothing\n")
    said = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert said.returncode == 1
    assert said.stderr == f"{log} has no PROFILE lines\n"
