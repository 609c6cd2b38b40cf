"""A server that loads its models is there: it says so, lets RPC calls wait, and is told apart from one that is dead."""

import re
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import urllib3

from paddle_serving_client import Client
from paddle_serving_client.wire import health
from paddle_serving_client.wire.health import Health
from tests.serving import HTTP, Server, serve

MEASURING = re.compile(r"starting: model uci_housing: (loading|measuring|converting) .*\(\d+ s so far\)")


@pytest.fixture
def starting(uci_folder: Path, tmp_path: Path) -> Iterator[Server]:
    """One whose model has never been measured."""
    folder = tmp_path / "uci_housing"
    shutil.copytree(uci_folder, folder, ignore=lambda _, names: [name for name in names if name.startswith(".")])
    flags = ("--model", str(folder), "--name", "uci", "--tune", "load", "--tune_s", "6")
    with serve(tmp_path, *flags, waits=False) as server:
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
                if get(server, "/live") == (200, "OK"):
                    break
            except (OSError, urllib3.exceptions.HTTPError):
                assert time.monotonic() < until, server.log
                time.sleep(0.05)
        yield server


def get(server: Server, path: str) -> tuple[int, str]:
    reply = HTTP.request("GET", f"{server.url}{path}", timeout=20)
    return reply.status, reply.data.decode()


def test_whoever_asks_is_told_and_rpc_calls_wait(starting: Server, uci_folder: Path) -> None:
    for path in ("/health", "/ready"):
        status, words = get(starting, path)
        assert status == 503 and MEASURING.fullmatch(words), words
    body = b'{"feed": [{"x": [0,0,0,0,0,0,0,0,0,0,0,0,0]}], "fetch": ["price"]}'
    refused = HTTP.request("POST", f"{starting.url}/uci/prediction", body, headers={"Content-Type": "application/json"})
    assert refused.status == 503 and int(refused.headers["Retry-After"]) >= 1
    assert refused.json()["err_no"] == 8000 and MEASURING.fullmatch(refused.json()["err_msg"])
    assert get(starting, "/services")[0] == 503
    with grpc.insecure_channel(f"127.0.0.1:{starting.port}") as channel:
        said = channel.unary_unary(f"/{health.SERVICE}/Check")(b"", timeout=10)
    assert health.decode_response(said) is Health.NOT_SERVING

    client = Client()
    client.load_client_config(str(uci_folder))
    client.set_rpc_timeout_ms(60_000)
    client.connect([f"127.0.0.1:{starting.port}"])
    answer = client.predict(feed={"x": [0.0] * 13}, fetch=["price"])  # asked while it starts, answered when it can
    assert answer["price"].shape == (1, 1)
    client.release()
    assert get(starting, "/ready") == (200, "OK")
    assert get(starting, "/live") == (200, "OK")
    assert starting.stop() == 0


def test_a_server_that_starts_can_be_stopped(starting: Server) -> None:
    assert get(starting, "/health")[0] == 503, starting.log
    assert starting.stop() == 0
