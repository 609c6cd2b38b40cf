"""Callers who hold connections and send nothing more: everybody else is served as before, and they are cut off."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from paddle_serving_server.commands.load.request import Target
from tests.faults import processes
from tests.faults.figures import Figure, most
from tests.faults.open_loop import open_loop, quantile
from tests.serving import HTTP, ROOT, Server, serve

_MODEL = ("--model", str(ROOT / "serving_model/uci_housing"), "--name", "uci")
_GOOD = json.dumps({"feed": [{"x": [0.0] * 13}], "fetch": ["price"]}).encode()
_HALF_HEAD = b"POST /uci/prediction HTTP/1.1\r\nHost: x\r\n"
_HALF_BODY = _HALF_HEAD + b"Content-Type: application/json\r\nContent-Length: 200000\r\n\r\n" + b"[" * 1000
_LARGE = _HALF_HEAD + b"Content-Type: application/json\r\nContent-Length: 62000000\r\n\r\n"
_SLACK_S = 4.0


def run(folder: Path, brief: bool) -> Iterator[Figure]:
    """A thousand connections with half a head or half a body, then forty with large ones."""
    with serve(folder, *_MODEL) as server:
        rate, seconds = 200.0, 3.0 if brief else 10.0
        request = Target("127.0.0.1", server.port, "/uci/prediction").post(_GOOD, "application/json")
        alone = open_loop(server.port, request, rate, seconds)
        before = processes.memory_mb(server)
        started = time.monotonic()
        besieging = [_connected(server, _HALF_HEAD if k % 2 else _HALF_BODY) for k in range(1000)]
        with contextlib.ExitStack() as held:
            for sock in besieging:
                held.enter_context(sock)
            outcome = open_loop(server.port, request, rate, seconds)
            yield most("1000 half-sent requests: /health", _health_s(server), 0.1, "s")
            slower = quantile(outcome.good, 0.99) / quantile(alone.good, 0.99)
            yield most("1000 half-sent requests: p99 of the others", slower, 2.0, "times what it was", is_rough=True)
            yield most("1000 half-sent requests: others unanswered", outcome.lost + len(outcome.failed), 0, "requests")
            yield most("1000 half-sent requests: memory", processes.memory_mb(server) - before, 60.0, "MB more")
            if not brief:
                yield most(
                    "1000 half-sent requests: all cut off", _until_closed(besieging, started), 30 + _SLACK_S, "s"
                )
        yield from _large_bodies(server, 0.3 if brief else 2.0)


def _large_bodies(server: Server, send_s: float) -> Iterator[Figure]:
    before = processes.memory_mb(server)
    with contextlib.ExitStack() as held:
        for _ in range(40):
            sock = held.enter_context(_connected(server, _LARGE))
            sock.settimeout(send_s)
            with contextlib.suppress(OSError):
                sock.sendall(b" " * 61_000_000)
        yield most("40 bodies of 62 MB, not finished: memory", processes.memory_mb(server) - before, 1100.0, "MB more")
        yield most("40 bodies of 62 MB, not finished: /health", _health_s(server), 0.1, "s")


def _connected(server: Server, first: bytes) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=5.0)
    with contextlib.suppress(OSError):
        sock.sendall(first)
    return sock


def _health_s(server: Server) -> float:
    started = time.perf_counter()
    status = HTTP.request("GET", f"{server.url}/health", headers={"Connection": "close"}).status
    return time.perf_counter() - started if status == 200 else float("inf")


def _until_closed(sockets: list[socket.socket], started: float) -> float:
    """Seconds from the start until the server has closed them all."""
    for sock in sockets:
        sock.settimeout(max(1.0, started + 90.0 - time.monotonic()))
        try:
            while sock.recv(65536):
                pass
        except TimeoutError:
            return float("inf")
        except OSError:
            continue
    return time.monotonic() - started
