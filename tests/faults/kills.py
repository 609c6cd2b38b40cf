"""Processes killed under load: the callers of that moment hear so at once, everybody else notices nothing."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from paddle_serving_server.commands.load.request import Target
from tests.faults import processes
from tests.faults.figures import Figure, least, most
from tests.faults.open_loop import Outcome, open_loop
from tests.serving import ROOT, Server, serve

_MODEL = ("--model", str(ROOT / "serving_model/uci_housing"), "--name", "uci")
_GOOD = json.dumps({"feed": [{"x": [0.0] * 13}], "fetch": ["price"]}).encode()
_RATE = 200.0
_PAUSE_S = 3.0


def run(folder: Path, brief: bool) -> Iterator[Figure]:
    """Engines and fronts, killed every three seconds; then the supervisor."""
    times = 2 if brief else 10
    with serve(folder, *_MODEL) as server:
        outcome = _while_killing(server, processes.engines, times)
        yield most("an engine killed every 3 s: calls without an answer", outcome.lost, 0, "calls")
        yield most("an engine killed every 3 s: calls that failed", len(outcome.failed), 0, "calls")
        files = processes.files(server)
        outcome = _while_killing(server, processes.fronts, times)
        yield least("a front killed every 3 s: calls answered well", len(outcome.good) / _count(outcome), 0.5, "of all")
        server.wait_ready()
        yield most("a front killed every 3 s: files more than before", processes.files(server) - files, 20, "files")
        children = [process.pid for process in processes.all_of(server)[1:]]
        server.process.kill()
        server.process.wait()
        yield most("the supervisor killed: the last process is gone", _gone_after_s(children), 5.0, "s")


def _while_killing(server: Server, whom: Callable[[Server], list[int]], times: int) -> Outcome:
    outcomes: list[Outcome] = []
    request = Target("127.0.0.1", server.port, "/uci/prediction").post(_GOOD, "application/json")
    seconds = _PAUSE_S * (times + 1)
    load = threading.Thread(target=lambda: outcomes.append(open_loop(server.port, request, _RATE, seconds)))
    load.start()
    for _ in range(times):
        time.sleep(_PAUSE_S)
        for number in whom(server):
            os.kill(number, signal.SIGKILL)
    load.join()
    return outcomes[0]


def _count(outcome: Outcome) -> int:
    return len(outcome.good) + len(outcome.refused) + len(outcome.late) + len(outcome.failed) + outcome.lost


def _gone_after_s(numbers: list[int]) -> float:
    started = time.monotonic()
    while time.monotonic() < started + 30.0:
        if not any(Path(f"/proc/{number}/cmdline").exists() and _is_alive(number) for number in numbers):
            return time.monotonic() - started
        time.sleep(0.05)
    return float("inf")


def _is_alive(number: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{number}/status").read_text()
    except OSError:
        return False
