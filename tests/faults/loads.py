"""A second model is loaded and unloaded again and again while the first one answers: nothing fails, nothing is left."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.faults import processes
from tests.faults.figures import Figure, least, most
from tests.faults.open_loop import Outcome, closed_loop, open_loop, quantile
from tests.serving import HTTP, ROOT, Server, serve

_FIRST = ROOT / "serving_model/uci_housing"
_CYCLES, _BRIEF = 200, 10
_LOAD_PART = 0.7
_PIECE_S = 2.0
_SETTLE_S = 3.0
_BODY = json.dumps({"feed": [{"x": [0.0] * 13}], "fetch": ["price"]}).encode()
_HEAD = "POST /uci/prediction HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_REQUEST = (_HEAD % len(_BODY)).encode() + _BODY


def run(folder: Path, brief: bool) -> Iterator[Figure]:
    """At 70 % of what the server can answer; the second model has another name every other time."""
    cycles = _BRIEF if brief else _CYCLES
    second = Path(shutil.copytree(_FIRST, folder / "second"))
    with serve(folder, "--model", str(_FIRST), "--name", "uci", "--fronts", "2") as server:
        rate = _LOAD_PART * closed_loop(server.port, _REQUEST, 16, 1.0 if brief else 5.0).rate
        for k in range(3):
            _cycle(server, second, f"warm-up-{k}")
        time.sleep(_SETTLE_S)
        before = processes.memory_mb(server), processes.files(server), len(processes.all_of(server))
        with _Load(server.port, rate) as load:
            for k in range(cycles):
                _cycle(server, second, f"second-{k}" if k % 2 else "second")
        time.sleep(_SETTLE_S)
        after = processes.memory_mb(server), processes.files(server), len(processes.all_of(server))
    outcomes = load.outcomes
    bad = sum(len(o.refused) + len(o.late) + len(o.failed) + o.lost for o in outcomes)
    good = [seconds for o in outcomes for seconds in o.good]
    what = f"{cycles} loads and unloads"
    yield least(f"{what}: answers of the first model", len(good), 1, "answers")
    yield most(f"{what}: calls of the first model that failed", bad, 0, "calls")
    yield most(f"{what}: its p99", quantile(good, 0.99) * 1000, 1000, "ms", is_rough=True)
    yield most(f"{what}: memory", after[0] - before[0], 10.0, "MB more")
    yield most(f"{what}: files", after[1] - before[1], 0, "files more")
    yield most(f"{what}: processes", after[2] - before[2], 0, "processes more")


class _Load:
    """Requests at a rate, in pieces, until it is told to end."""

    def __init__(self, port: int, rate: float) -> None:
        self.outcomes: list[Outcome] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._ask, args=(port, rate))

    def _ask(self, port: int, rate: float) -> None:
        while not self._is_over.is_set():
            self.outcomes.append(open_loop(port, _REQUEST, rate, _PIECE_S))

    def __enter__(self) -> "_Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()


def _cycle(server: Server, model: Path, name: str) -> None:
    """Load it, ask it once, and unload it."""
    _registry(server, "PUT", name, {"path": str(model)})
    reply = HTTP.request(
        "POST", f"{server.url}/{name}/prediction", body=_BODY, headers={"Content-Type": "application/json"}
    )
    assert reply.status == 200, reply.data
    _registry(server, "DELETE", name, None)


def _registry(server: Server, method: str, name: str, values: object) -> None:
    body = None if values is None else json.dumps(values).encode()
    reply = HTTP.request(method, f"{server.url}/registry/{name}", body=body)
    assert reply.status == 200, reply.data
