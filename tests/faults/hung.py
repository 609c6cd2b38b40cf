"""Steps that never come back: their callers hear so in time, and everybody else is served."""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import urllib3

from tests.faults import processes
from tests.faults.figures import Figure, least, most
from tests.serving import HTTP, ROOT, Server, serve

_STEPS = str(ROOT / "tests/faults/services/steps.py")
_TIMEOUT_S = 2.0


def run(folder: Path, brief: bool) -> Iterator[Figure]:
    """Twice as many hanging calls as there are threads, one after the other."""
    del brief
    with serve(
        folder, "--service", _STEPS, "--thread", "2", "--request_timeout_ms", f"{_TIMEOUT_S * 1000:g}"
    ) as server:
        fronts = processes.fronts(server)
        times = []
        for _ in range(4):
            status, took_s = _ask(server, {"hang": 1})
            times.append(took_s if status in (503, 504) else float("inf"))
        yield most("a call that hangs: answered after", max(times), _TIMEOUT_S + 1.0, "s")
        good = 0
        for _ in range(20):
            good += _ask(server, {"a": 1})[0] == 200
        yield least("20 calls after 4 that hang, with 2 threads: answered well", good, 20, "calls")
        for _ in range(20):
            _ask(server, {"hang": 1})
        until = time.monotonic() + 30.0
        while _ask(server, {"a": 1})[0] != 200 and time.monotonic() < until:
            time.sleep(0.2)
        good = sum(_ask(server, {"a": 1})[0] == 200 for _ in range(20))
        yield least("20 calls after 24 that hang: answered well", good, 20, "calls")
        yield most("fronts that are there afterwards", len(processes.fronts(server)), len(fronts), "fronts")


def _ask(server: Server, instance: dict[str, int]) -> tuple[int, float]:
    """The status, 0 where no answer came, and the seconds it took."""
    started = time.monotonic()
    body = json.dumps({"feed": [instance], "fetch": []}).encode()
    headers = {"Content-Type": "application/json"}
    status = 0
    with contextlib.suppress(urllib3.exceptions.HTTPError):
        url = f"{server.url}/hangs/prediction"
        status = HTTP.request("POST", url, body=body, headers=headers, timeout=5 * _TIMEOUT_S).status
    return status, time.monotonic() - started
