"""Large bodies are received where they stay: however they are cut, whatever follows, and whoever only announces."""

import io
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from paddle_serving_client.wire import brpc, general_model
from paddle_serving_client.wire.tensors import WireRequest, WireTensor
from tests import models
from tests.models import F32
from tests.serving import Server, serve

ROWS = (1, 1259, 1260, 1261, 8000)
"""64 KiB, from where on bodies are large, are 1260.3 rows."""


@pytest.fixture(scope="module")
def server(uci_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("large"), "--model", str(uci_folder), "--name", "uci") as running:
        yield running


def http_request(rows: F32) -> bytes:
    body = rows.tobytes()
    head = "POST /uci/prediction HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
    return f"{head}Accept: application/x-npy\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def frame(rows: F32, number: int) -> bytes:
    call = WireRequest(tensors=(WireTensor(name="x", alias="x", array=rows),), fetch=("price",))
    return brpc.request_frame("GeneralModelService", "inference", number, general_model.encode_request(call))


def send_in_pieces(sock: socket.socket, requests: list[bytes], chance: random.Random) -> threading.Thread:
    """Cut anywhere, and often just before, at and behind the end of a request."""
    data = b"".join(requests)
    ends = np.cumsum(list(map(len, requests)))
    cuts = {int(end) + k for end in ends for k in (-1, 0, 1, 13) if chance.random() < 0.4}
    cuts |= {chance.randrange(len(data)) for _ in range(8)}
    bounds = [0, *sorted(cut for cut in cuts if 0 < cut < len(data)), len(data)]

    def send() -> None:
        for start, end in zip(bounds, bounds[1:], strict=False):
            sock.sendall(data[start:end])
            time.sleep(chance.choice([0, 0, 0.002]))

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def batches(chance: random.Random) -> list[F32]:
    values = np.random.default_rng(chance.randrange(1 << 30))
    return [values.random((chance.choice(ROWS), 13), np.float32) for _ in range(chance.randrange(2, 6))]


@pytest.mark.parametrize("seed", range(8))
def test_http_requests_one_behind_the_other(server: Server, seed: int) -> None:
    chance = random.Random(seed)
    asked = batches(chance)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as sock, sock.makefile("rb") as answers:
        sending = send_in_pieces(sock, list(map(http_request, asked)), chance)
        for rows in asked:
            head = {line.partition(b":")[0].lower(): line for line in iter(answers.readline, b"\r\n")}
            body = answers.read(int(head[b"content-length"].partition(b":")[2]))
            np.testing.assert_allclose(np.load(io.BytesIO(body)), models.uci_answer(rows), rtol=1e-4, atol=1e-3)
        sending.join()


@pytest.mark.parametrize("seed", range(8))
def test_brpc_frames_one_behind_the_other(server: Server, seed: int) -> None:
    chance = random.Random(seed)
    asked = dict(enumerate(batches(chance), 1))
    reader = brpc.FrameReader(reads="replies")
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as sock:
        sending = send_in_pieces(sock, [frame(rows, number) for number, rows in asked.items()], chance)
        while asked:
            reader.feed(sock.recv(65536))
            while (reply := reader.next()) is not None:
                (output,) = general_model.decode_response(reply.payload).outputs
                expected = models.uci_answer(asked.pop(reply.meta.correlation_id))
                np.testing.assert_allclose(output.tensors[0].array, expected, rtol=1e-4, atol=1e-3)
        sending.join()


@pytest.mark.parametrize(
    "head",
    [
        b"POST /uci/prediction HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n",
        b"PRPC" + struct.pack(">II", 60_000_000, 50),
    ],
    ids=["http", "brpc"],
)
def test_who_announces_much_and_sends_little_takes_little(server: Server, head: bytes) -> None:
    (front,) = server.children("front.process")
    before = memory_of(front)
    crowd = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(40)]
    for sock in crowd:
        sock.sendall(head + b"a" * 1000)
    until = time.monotonic() + 10
    while memory_of(front)["VmSize"] - before["VmSize"] < 40 * 60e6 and time.monotonic() < until:
        time.sleep(0.02)
    # 2.4 GB were announced; where the system gives memory in pages of 2 MiB, each connection takes one of them.
    assert memory_of(front)["VmRSS"] - before["VmRSS"] < 160e6
    for sock in crowd:
        sock.close()
    while memory_of(front)["VmSize"] - before["VmSize"] > 600e6 and time.monotonic() < until:
        time.sleep(0.02)
    assert memory_of(front)["VmSize"] - before["VmSize"] < 600e6, "what they announced is given back when they go"


def memory_of(process: int) -> dict[str, float]:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return {line.partition(":")[0]: 1024 * float(line.split()[1]) for line in lines if line.startswith("Vm")}
