"""Stopping under load, with slow callers attached: what was accepted is answered, and the port is free in time."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from paddle_serving_server.commands.load.request import Target
from tests.faults.figures import Figure, most
from tests.faults.open_loop import Outcome, closed_loop
from tests.serving import ROOT, serve

_MODEL = ("--model", str(ROOT / "serving_model/uci_housing"), "--name", "uci")
_GOOD = json.dumps({"feed": [{"x": [0.0] * 13}], "fetch": ["price"]}).encode()
_HALF = b"POST /uci/prediction HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"


def run(folder: Path, brief: bool) -> Iterator[Figure]:
    """SIGTERM while sixteen callers are served and fifty are slow, again and again."""
    times, odd = [], 0
    statuses = set()
    for _ in range(2 if brief else 20):
        with serve(folder, *_MODEL) as server, contextlib.ExitStack() as slow:
            for _ in range(50):
                sock = slow.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                sock.sendall(_HALF)
            outcomes: list[Outcome] = []
            request = Target("127.0.0.1", server.port, "/uci/prediction").post(_GOOD, "application/json")
            load = threading.Thread(target=lambda: outcomes.append(closed_loop(server.port, request, 16, 1.0)))  # noqa: B023
            load.start()
            time.sleep(0.5)
            started = time.monotonic()
            statuses.add(server.stop())
            times.append(time.monotonic() - started)
            load.join()
            odd += len(outcomes[0].failed)
    yield most("SIGTERM with 50 slow callers: longest stop", max(times), 5.0, "s")
    yield most("SIGTERM under load: answers that are neither good nor a refusal", odd, 0, "answers")
    yield most("SIGTERM under load: exit statuses other than 0", len(statuses - {0}), 0, "statuses")
