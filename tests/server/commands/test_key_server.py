"""The exchange of keys: the server waits, refuses wrong keys, starts with the right one, and keeps it to itself."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from paddle_serving_client import Client, encryption, io
from tests import models
from tests.serving import HTTP, ROOT, Server, free_port, read_all, serve

WAIT_S = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds `s`, an encrypted uci_housing, its client's folder `c`, and `key`."""
    folder = tmp_path_factory.mktemp("encrypted")
    source = models.uci(folder / "source")
    for config in source.glob("*.prototxt"):
        config.unlink()
    io.inference_model_to_serving(
        source, folder / "s", folder / "c", fetch_alias_names="price", encryption=True, key_file=folder / "key"
    )
    return folder


class KeyServer:
    """`serve --use_encryption_model`, waiting."""

    def __init__(self, folder: Path, model: Path, log: Path) -> None:
        self.port, self.rpc_port = free_port(), free_port()
        self._log = log
        ports = ("--port", str(self.port), "--encryption_rpc_port", str(self.rpc_port))
        flags = ("--model", str(model), "--name", "uci", "--use_encryption_model", *ports, "--tune", "off")
        environment = {**os.environ, "SERVING_HOME": str(folder), "PYTHONUNBUFFERED": "1"}
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "paddle_serving_server.serve", *flags, "--log_level", "DEBUG"],
                stdout=out,
                stderr=out,
                cwd=ROOT,
                env=environment,
            )

    @property
    def log(self) -> str:
        """What it has printed."""
        return self._log.read_text(errors="replace")

    def wait(self) -> None:
        """Until it listens."""
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise AssertionError(self.log)

    def bring(self, said: object) -> dict[str, Any]:
        """What it answers to a body."""
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        with contextlib.closing(line):
            line.request("POST", "/", body, {"Content-Type": "application/json"})
            reply = line.getresponse()
            assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
            answer: dict[str, Any] = json.loads(reply.read())
            return answer

    def bring_key(self, key: bytes) -> dict[str, Any]:
        """What it answers to a key."""
        return self.bring({"key": encryption.key_to_text(key)})


@contextlib.contextmanager
def waiting(folder: Path, model: Path) -> Iterator[KeyServer]:
    server = KeyServer(folder, model, folder / "server.log")
    try:
        server.wait()
        yield server
    finally:
        if server.process.poll() is None:
            server.process.terminate()
            server.process.wait(WAIT_S)


def price(port: int) -> float:
    """What the served model says of the tutorial's house."""
    reply = HTTP.request(
        "POST",
        f"http://127.0.0.1:{port}/uci/prediction",
        json={"feed": [{"x": models.UCI_INPUT.tolist()}], "fetch": ["price"]},
    )
    return float(json.loads(reply.data)["result"]["price"][0][0])


def test_from_the_first_key_to_the_end(folder: Path, tmp_path: Path) -> None:
    key = (folder / "key").read_bytes()
    with waiting(tmp_path, folder / "s") as server:
        for said, reason in (
            ({}, 'there is no "key"'),
            (b"{", "the body is not JSON"),
            ([], 'there is no "key"'),
            ({"key": 1}, 'there is no "key"'),
            ({"key": "?"}, "the key: not base64"),
            ({"key": "AAAA"}, "the key: 3 bytes; a key has 16, 24, 32"),
            ({"key": encryption.key_to_text(bytes(16))}, "encrypt_model: the key does not open it"),
        ):
            answer = server.bring(said)
            assert answer["message"] == "start serving failed"
            assert reason in answer["reason"]
        assert server.bring_key(key) == {"endpoint_list": [server.rpc_port]}
        assert price(server.rpc_port) == pytest.approx(models.UCI_PRICE, abs=1e-5)
        assert server.bring_key(key) == {"endpoint_list": [server.rpc_port]}
        assert "not the key" in server.bring_key(bytes(16))["reason"]

        with Client() as client:  # the client's side of it
            client.load_client_config(str(folder / "c"))
            client.use_key(str(folder / "key"))
            client.connect([f"127.0.0.1:{server.port}"], encryption=True)
            found = client.predict({"x": models.UCI_INPUT}, ["price"])
            assert found is not None and found["price"].item() == pytest.approx(models.UCI_PRICE, abs=1e-5)

        children = _children(server.process.pid)
        engine = next(pid for pid in children if b"engine.worker" in Path(f"/proc/{pid}/cmdline").read_bytes())
        for pid in (server.process.pid, *children):  # the key is in memory only
            for file in ("cmdline", "environ"):
                said_by_process = Path(f"/proc/{pid}/{file}").read_bytes()
                assert key not in said_by_process and encryption.key_to_text(key).encode() not in said_by_process
        os.kill(engine, signal.SIGKILL)  # the next one has it too
        assert price(server.rpc_port) == pytest.approx(models.UCI_PRICE, abs=1e-5)
        server.process.terminate()
        assert server.process.wait(WAIT_S) == 0
    assert not (tmp_path / "ProcessInfo.json").exists()
    assert encryption.key_to_text(key) not in server.log and key.hex() not in server.log
    assert not (folder / "s" / "key").exists()


def test_a_server_that_cannot_start_says_why_and_waits_on(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in (folder / "s").iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    params = broken / encryption.PARAMS
    raw = params.read_bytes()
    params.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    key = (folder / "key").read_bytes()
    with waiting(tmp_path, broken) as server:
        answer = server.bring_key(key)
        assert answer["message"] == "start serving failed"
        assert "encrypt_params: damaged or exchanged" in answer["reason"]
        params.write_bytes(raw)
        assert server.bring_key(key) == {"endpoint_list": [server.rpc_port]}


def test_the_first_free_port_is_taken(folder: Path, tmp_path: Path) -> None:
    with waiting(tmp_path, folder / "s") as server, socket.socket() as taken:
        taken.bind(("0.0.0.0", server.rpc_port))
        taken.listen()
        (port,) = server.bring_key((folder / "key").read_bytes())["endpoint_list"]
        assert port > server.rpc_port
        assert price(port) == pytest.approx(models.UCI_PRICE, abs=1e-5)


def test_what_is_not_such_a_request_is_refused_within_limits(folder: Path, tmp_path: Path) -> None:
    with waiting(tmp_path, folder / "s") as server:
        for head, status in (
            (b"POST / HTTP/1.1\r\nContent-Length: 4097\r\n\r\n", b" 413 "),
            (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n", b" 413 "),
            (b"POST / HTTP/1.1\r\n\r\n", b" 411 "),
            (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b" 411 "),
            (b"GET / HTTP/1.1\r\n\r\n", b" 405 "),
            (b"GET /" + b"x" * 70000 + b" HTTP/1.1\r\n\r\n", b" 414 "),
        ):
            with socket.create_connection(("127.0.0.1", server.port), WAIT_S) as line:
                line.sendall(head)
                assert status in read_all(line), head[:40]
        silent = [socket.create_connection(("127.0.0.1", server.port), WAIT_S) for _ in range(16)]
        with socket.create_connection(("127.0.0.1", server.port), WAIT_S) as line:
            assert read_all(line) == b""  # one more than there may be at a time
        for line in silent:
            line.close()
        assert "start serving failed" in _until_answered(server)


def test_nothing_is_served_to_other_machines_before(folder: Path, tmp_path: Path) -> None:
    with waiting(tmp_path, folder / "s") as server:
        listening = Path("/proc/net/tcp").read_text().splitlines()
        mine = [line.split()[1] for line in listening if f":{server.port:04X} " in line and " 0A " in line]
        assert mine == [f"0100007F:{server.port:04X}"]
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(WAIT_S) == 0


def test_a_key_file_starts_it_at_once(folder: Path, tmp_path: Path) -> None:
    with serve(tmp_path, "--model", str(folder / "s"), "--name", "uci", "--key_file", str(folder / "key")) as server:
        assert price(server.port) == pytest.approx(models.UCI_PRICE, abs=1e-5)


def test_a_new_version_is_opened_with_the_same_key(folder: Path, tmp_path: Path) -> None:
    def convert(weights: models.F32, key: Path) -> None:
        source = models.uci(tmp_path / "source", weights=weights)
        for config in source.glob("*.prototxt"):
            config.unlink()
        where = (tmp_path / "s", tmp_path / "c")
        io.inference_model_to_serving(source, *where, fetch_alias_names="price", encryption=True, key_file=key)
        (tmp_path / "s" / "fluid_time_file").touch()

    convert(models.UCI_W, folder / "key")
    flags = ("--model", str(tmp_path / "s"), "--name", "uci", "--key_file", str(folder / "key"))
    with serve(tmp_path, *flags, "--reload_interval_s", "0.1") as server:
        convert(models.UCI_W * 0, tmp_path / "another key")
        _until(lambda: "the key does not open it" in server.log, server)
        assert price(server.port) == pytest.approx(models.UCI_PRICE, abs=1e-5)
        convert(models.UCI_W * 0, folder / "key")
        _until(lambda: price(server.port) == pytest.approx(float(models.UCI_B[0]), abs=1e-4), server)


def _until(condition: Callable[[], bool], server: Server) -> None:
    until = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until, server.log
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ((), "s holds an encrypted model: its key is needed (--key_file, or --use_encryption_model)"),
        (("--key_file", "none"), "the key file none cannot be read: No such file or directory"),
        (("--key_file", "-"), "standard input: 0 bytes; a key has 16, 24, 32"),
        (("--key_file", "key", "--use_encryption_model"), "give one of them"),
    ],
)
def test_without_a_key_it_does_not_start(folder: Path, flags: tuple[str, ...], reason: str) -> None:
    command = [sys.executable, "-m", "paddle_serving_server.serve", "--model", str(folder / "s"), "--tune", "off"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SERVING_HOME": str(folder)}
    done = subprocess.run(
        [*command, "--port", str(free_port()), *flags],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    )
    assert done.returncode == 2
    assert reason in done.stderr


def _until_answered(server: KeyServer) -> str:
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return str(server.bring({})["message"])
        time.sleep(0.05)
    raise AssertionError(server.log)


def _children(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            parent = next(line for line in status.read_text().splitlines() if line.startswith("PPid:"))
            if int(parent.split()[1]) == pid:
                found.append(int(status.parent.name))
    return found
