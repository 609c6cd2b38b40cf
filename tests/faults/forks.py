"""User code that forks: what its processes do to themselves does nothing to the server, and they keep nothing of it."""

import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

from tests.faults import processes
from tests.faults.figures import Figure, least, most
from tests.serving import HTTP, ROOT, Server, serve

_FORKING = str(ROOT / "tests/faults/services/forking.py")


def run(folder: Path, brief: bool) -> Iterator[Figure]:
    """Pools and processes that stay, then a stop while one of these is alive."""
    with serve(folder, "--service", _FORKING) as server:
        fronts = processes.fronts(server)
        for way in ("pool", "executor"):
            good = sum(_ask(server, way) for _ in range(3 if brief else 20))
            yield least(f"calls that fork, {way}: answered well", good, 3 if brief else 20, "calls")
        yield least("a call that leaves a process behind: answered well", _ask(server, "stays"), 1, "calls")
        changed = len(set(processes.fronts(server)) ^ set(fronts))
        yield most("fronts that ended by it", changed, 0, "fronts")
        left = [p.pid for p in processes.all_of(server) if p.pid not in (server.process.pid, *fronts)]
        yield most("exit status of a stop with such a process alive", server.stop(), 0, "")
        yield most("the port afterwards: still taken", _is_taken(server.port), 0, "ports")
        for number in left:
            with contextlib.suppress(OSError):
                os.kill(number, signal.SIGKILL)


def _ask(server: Server, way: str) -> bool:
    body = json.dumps({"feed": [{"way": way}], "fetch": []}).encode()
    headers = {"Content-Type": "application/json"}
    return HTTP.request("POST", f"{server.url}/forking/prediction", body=body, headers=headers).status == 200


def _is_taken(port: int) -> bool:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
            sock.listen()
        except OSError:
            return True
    return False
