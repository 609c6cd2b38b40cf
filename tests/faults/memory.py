"""Very many requests: what the server takes does not grow with their number."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

from paddle_serving_server.commands.load import generator
from paddle_serving_server.commands.load.amount import Load
from paddle_serving_server.commands.load.replies import HttpReplies
from paddle_serving_server.commands.load.request import Payload, Target
from tests.faults import processes
from tests.faults.figures import Figure, least, most
from tests.serving import ROOT, Server, serve

_MODEL = ("--model", str(ROOT / "serving_model/uci_housing"), "--name", "uci")
_GOOD = json.dumps({"feed": [{"x": [0.0] * 13}], "fetch": ["price"]}).encode()
_BAD = json.dumps({"feed": [{"x": [0.0] * 12}], "fetch": ["price"]}).encode()
_REQUESTS = 200_000
_LOOKS, _LOOK_S = 20, 0.5


def run(folder: Path, brief: bool) -> Iterator[Figure]:
    """Small requests, good and bad, after a warm-up with a fifth of them."""
    wanted = 20_000 if brief else _REQUESTS
    with serve(folder, *_MODEL) as server:
        for what, body in (("good", _GOOD), ("bad", _BAD)):
            target = Target("127.0.0.1", server.port, "/uci/prediction")
            payload = Payload((target.post(body, "application/json"),), HttpReplies, what)
            _ask(target, payload, wanted // 2)
            before, files = processes.memory_mb(server), _files(server)
            asked = _ask(target, payload, wanted)
            yield least(f"{what} requests: asked", asked, wanted, "requests")
            grown = processes.memory_mb(server) - before
            yield most(f"{asked} {what} requests: memory", grown, 5.0, "MB more")
            yield most(f"{asked} {what} requests: files", _files(server) - files, 0, "files more")


def _files(server: Server) -> int:
    """How many are open, once the server has closed the connections that its callers have closed."""
    counts = [processes.files(server)]
    while len(counts) < _LOOKS and (len(counts) < 2 or counts[-1] != counts[-2]):
        time.sleep(_LOOK_S)
        counts.append(processes.files(server))
    return counts[-1]


def _ask(target: Target, payload: Payload, count: int) -> int:
    """Ask at least so often; how often it was."""
    asked = 0
    while asked < count:
        result = generator.run(target, payload, Load(clients=32, seconds=2.0, warmup_s=0.0))
        asked += result.answers + result.failed
    return asked
