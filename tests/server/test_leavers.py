"""Who closes after sending is not worked for; who only ends his sending gets his answer."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import Server, read_all, serve

STEP_S = 0.2
"""Of services/slow.py."""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("leavers") / "runs"


@pytest.fixture(scope="module")
def server(uci_folder: Path, log: Path) -> Iterator[Server]:
    service = ("--service", "tests/server/service_files/slow.py", "--thread", "1")
    with serve(log.parent, *service, "--tune", "off", "--", str(uci_folder), str(log)) as running:
        yield running


def ask(server: Server, who: str, version: str = "1.1") -> socket.socket:
    body = json.dumps({"feed": [{"who": who}], "fetch": ["price"]}).encode()
    head = f"POST /slow/prediction HTTP/{version}\r\nHost: x\r\nContent-Type: application/json\r\n"
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    sock.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return sock


def test_work_for_those_who_closed_is_dropped(server: Server, log: Path) -> None:
    with ask(server, "first"):
        time.sleep(STEP_S / 4)
        for k in range(20):
            ask(server, f"leaver {k}").close()
        time.sleep(STEP_S / 4)
        with ask(server, "last") as last:
            last.settimeout(5.0)
            began = time.monotonic()
            answer = last.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200") and b"price" in answer, answer
            assert time.monotonic() - began < 6 * STEP_S
    worked_for = log.read_text().split("\n")
    assert len([who for who in worked_for if who.startswith("leaver")]) <= 2, worked_for


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_who_only_ends_his_sending_is_answered(server: Server, version: str) -> None:
    socks = [ask(server, f"half {k}", version) for k in range(4)]
    for sock in socks:
        sock.shutdown(socket.SHUT_WR)
    for sock in socks:
        with sock:
            answer = read_all(sock)
            while answer.startswith(b"HTTP/1.1 100 "):
                answer = answer.partition(b"\r\n\r\n")[2]
            assert answer.startswith(b"HTTP/1.1 200 "), answer
            assert answer.count(b"HTTP/1.1") == 1
