"""Versions of the uci model that are told apart by their answer, and what tests ask a server about them."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests import models
from tests.serving import HTTP, Server

BIAS = float(models.UCI_B[0])
ZEROS = [0.0] * 13


def set_bias(folder: Path, bias: float) -> None:
    """Other weights, written in place over the old ones: the price of ZEROS is `bias`."""
    (file,) = (path for path in folder.iterdir() if path.suffix in (".pdiparams", ".onnx"))
    before = folder / ".bias"
    old = before.read_bytes() if before.exists() else models.UCI_B.tobytes()
    raw = file.read_bytes()
    assert raw.count(old) == 1
    new = np.float32(bias).tobytes()
    file.write_bytes(raw.replace(old, new))
    before.write_bytes(new)


def ask(server: Server, name: str = "uci", feed: object = None) -> Any:
    """The result of one request over HTTP."""
    body = json.dumps({"feed": feed or [{"x": ZEROS}]}).encode()
    reply = HTTP.request(
        "POST", f"{server.url}/{name}/prediction", body=body, headers={"Content-Type": "application/json"}
    )
    assert reply.status == 200, reply.data
    return json.loads(reply.data)["result"]


def price(server: Server) -> float:
    """Which version answers."""
    return float(ask(server)["price"][0][0])


def reload(server: Server, query: str = "") -> tuple[int, dict[str, Any]]:
    """The explicit call: its status, and what became of the model."""
    reply = HTTP.request("POST", f"{server.url}/services/uci/reload{query}")
    return reply.status, json.loads(reply.data)["models"][0]


def plan(server: Server) -> dict[str, Any]:
    """What the server says of its first model."""
    said = json.loads(HTTP.request("GET", f"{server.url}/services").data)
    found: dict[str, Any] = said["services"][0]["models"][0]["plan"]
    return found


def engines(server: Server) -> list[int]:
    """Its engine processes."""
    return server.children("engine.worker")


def wait_for(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


class Callers:
    """Threads that call without a pause, and remember what was wrong."""

    def __init__(self, call: Callable[[], object], count: int = 2) -> None:
        self.wrong: list[str] = []
        self.answered = 0
        self._call = call
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._go) for _ in range(count)]

    def _go(self) -> None:
        while not self._stop.is_set():
            try:
                self._call()
                self.answered += 1
            except Exception as exc:
                self.wrong.append(repr(exc))

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
