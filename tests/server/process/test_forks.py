"""Processes that user code forks do the server no harm, and keep nothing of it."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.serving import HTTP, ROOT, Server, serve

FORKING = str(ROOT / "tests/faults/services/forking.py")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("forking"), "--service", FORKING) as server:
        yield server


def ask(server: Server, way: str) -> int:
    body = json.dumps({"feed": [{"way": way}], "fetch": []}).encode()
    url, headers = f"{server.url}/forking/prediction", {"Content-Type": "application/json"}
    return HTTP.request("POST", url, body=body, headers=headers).status


@pytest.mark.parametrize("way", ["pool", "executor", "pool"])
def test_pools_that_end(server: Server, way: str) -> None:
    fronts = server.children("front.process")
    assert ask(server, way) == 200
    assert server.children("front.process") == fronts


def test_a_process_that_outlives_the_server_keeps_no_socket(tmp_path: Path) -> None:
    with serve(tmp_path, "--service", FORKING) as server, socket.socket() as waiting:
        waiting.settimeout(10)
        waiting.connect(("127.0.0.1", server.port))
        waiting.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in waiting.recv(1000)
        assert ask(server, "stays") == 200
        (forked,) = psutil.Process(server.children("front.process")[0]).children()
        assert server.stop() == 0
        try:
            assert waiting.recv(1000) == b"", "the connection has ended, whoever else had it"
            with socket.create_server(("127.0.0.1", server.port)):
                pass
        finally:
            forked.kill()
