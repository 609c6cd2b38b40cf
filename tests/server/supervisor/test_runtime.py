"""Processes: what dies comes back, what was accepted is finished, nothing is left behind."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from paddle_serving_client import Client
from tests import models
from tests.models import UCI_INPUT, UCI_PRICE
from tests.serving import HTTP, ROOT, Server, free_port, serve


class Callers:
    """Threads that call without a pause and remember everything that was not the right answer."""

    def __init__(self, server: Server, count: int = 4) -> None:
        self.wrong: list[str] = []
        self.answered = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(server, k)) for k in range(count)]

    def _call(self, server: Server, number: int) -> None:
        x = UCI_INPUT * (1 + number / 10)
        expected = float(x @ models.UCI_W + models.UCI_B[0])
        body = json.dumps({"feed": [{"x": x.tolist()}], "fetch": ["price"]}).encode()
        while not self._stop.is_set():
            try:
                reply = HTTP.request(
                    "POST", f"{server.url}/uci/prediction", body=body, headers={"Content-Type": "application/json"}
                )
                said = json.loads(reply.data)
                if reply.status != 200 or abs(said["result"]["price"][0][0] - expected) > 1e-3:
                    self.wrong.append(f"{reply.status} {said}, not {expected}")
            except Exception as exc:
                self.wrong.append(repr(exc))
            self.answered += 1

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def wait_for(condition: object, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def test_one_listening_socket_and_a_process_for_each_part(uci_folder: Path, tmp_path: Path) -> None:
    with serve(tmp_path, "--model", str(uci_folder), "--name", "uci", "--fronts", "2") as server:
        listening = [
            c for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port == server.port and c.status == "LISTEN"
        ]
        assert len({(c.family, c.laddr) for c in listening}) == 1
        assert len(server.children("front.process")) == 2
        assert len(server.children("engine.worker")) == 1
        with Callers(server) as callers:
            time.sleep(0.5)
        assert callers.answered > 10
        assert callers.wrong == []


def test_engines_killed_again_and_again_are_not_noticed(uci_folder: Path, tmp_path: Path) -> None:
    with serve(tmp_path, "--model", str(uci_folder), "--name", "uci") as server, Callers(server) as callers:
        for _ in range(3):
            (engine,) = server.children("engine.worker")
            os.kill(engine, signal.SIGKILL)
            wait_for(lambda dead=engine: server.children("engine.worker") not in ([], [dead]))
            before = callers.answered
            wait_for(lambda seen=before: callers.answered > seen + 20, 30)
    assert callers.wrong == []


def test_a_killed_front_is_replaced(uci_folder: Path, tmp_path: Path) -> None:
    with serve(tmp_path, "--model", str(uci_folder), "--name", "uci") as server:
        (front,) = server.children("front.process")
        os.kill(front, signal.SIGKILL)
        wait_for(lambda: server.children("front.process") not in ([], [front]))
        with Callers(server, 1) as callers:  # connections wait in the queue of the socket
            time.sleep(1.0)
        assert callers.wrong == []


@pytest.mark.parametrize("fronts", ["1", "2"])
def test_sigterm_finishes_what_was_accepted(uci_folder: Path, tmp_path: Path, fronts: str) -> None:
    """Every request whose connection was open gets its answer; the exit is clean; the port is free."""
    lost: list[str] = []
    with serve(tmp_path, "--model", str(uci_folder), "--name", "uci", "--fronts", fronts) as server:
        body = json.dumps({"feed": [{"x": UCI_INPUT.tolist()}], "fetch": ["price"]}).encode()
        head = b"POST /uci/prediction HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        request = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
        go = threading.Event()

        def call() -> None:
            with socket.create_connection(("127.0.0.1", server.port), timeout=30) as sock:
                sock.sendall(request[:100])
                go.wait()
                sock.sendall(request[100:])
                said = sock.recv(65536)
                if b" 200 " not in said[:20]:
                    lost.append(repr(said))

        threads = [threading.Thread(target=call) for _ in range(20)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        go.set()
        for thread in threads:
            thread.join()
        assert server.process.wait(20) == 0
        assert lost == []
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port))


def test_idle_and_silent_connections_do_not_delay_the_end(uci_folder: Path, tmp_path: Path) -> None:
    with serve(tmp_path, "--model", str(uci_folder), "--name", "uci") as server:
        silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
        time.sleep(0.2)
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 5
        for sock in silent:
            sock.close()


def test_a_killed_supervisor_leaves_nothing_behind(uci_folder: Path, tmp_path: Path) -> None:
    with serve(tmp_path, "--model", str(uci_folder), "--name", "uci") as server:
        children = [psutil.Process(p) for p in server.children("front.process") + server.children("engine.worker")]
        assert len(children) == 2
        server.process.kill()
        server.process.wait()
        _, alive = psutil.wait_procs(children, timeout=5)
        assert alive == []


def command(*argv: str, home: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "paddle_serving_server.serve", *argv],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "SERVING_HOME": str(home)},
        timeout=60,
    )


def test_stop_ends_the_server_of_a_port(uci_folder: Path, tmp_path: Path) -> None:
    with serve(tmp_path, "--model", str(uci_folder), "--name", "uci") as server:
        (entry,) = json.loads((tmp_path / "ProcessInfo.json").read_text())
        assert entry["port"] == [server.port]
        assert entry["pid"] == os.getpgid(server.process.pid)
        other = command("stop", "--port", "1", home=tmp_path)
        assert (other.returncode, "Please confirm the port [1]" in other.stderr) == (2, True)
        assert command("stop", "--port", str(server.port), home=tmp_path).returncode == 0
        assert server.process.wait(10) == 0
        assert not (tmp_path / "ProcessInfo.json").exists()
        assert "ProcessInfo.json file is not exists" in command("stop", home=tmp_path).stderr


def test_a_port_in_use_is_said_at_once(uci_server: Server, uci_folder: Path, tmp_path: Path) -> None:
    said = command("--model", str(uci_folder), "--port", str(uci_server.port), home=tmp_path)
    assert (said.returncode, said.stderr.strip()) == (98, f"Port {uci_server.port} is already used")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--model", "no/such/folder"], "no/such/folder"),
        (["--model", "README.md"], "README.md: of an unknown kind"),
        (["--service", "no/such.py"], "no/such.py"),
        (["--model", "UCI", "--thread", "0"], "--thread must be from 1 to 1024, got 0"),
        (["--model", "UCI", "--gpu_ids", "x"], "--gpu_ids"),
        (["--model", "UCI", "--backend", "nope"], "nope"),
        (["--model", "UCI", "--name", "../x"], "../x"),
    ],
)
def test_a_bad_start_ends_with_one_clear_line(uci_folder: Path, tmp_path: Path, flags: list[str], words: str) -> None:
    flags = [str(uci_folder) if flag == "UCI" else flag for flag in flags]
    started = time.monotonic()
    said = command(*flags, "--port", str(free_port()), home=tmp_path)
    assert said.returncode == 2
    assert words in said.stderr
    assert "Traceback" not in said.stderr
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("flags", "words"),
    [([], "You must specify your serving model"), (["--gpu_ids", "3"], "gpu_ids is not in CUDA_VISIBLE_DEVICES.")],
)
def test_some_starts_end_as_in_paddle_serving(
    uci_folder: Path, tmp_path: Path, flags: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    said = command(*([*flags, "--model", str(uci_folder)] if flags else []), home=tmp_path)
    assert (said.returncode, words in said.stderr) == (255, True), said.stderr


def test_a_damaged_model_is_refused_at_start(tmp_path: Path) -> None:
    folder = models.uci(tmp_path / "model")
    for file in folder.iterdir():
        if file.name.endswith("params"):
            file.unlink()
    said = command("--model", str(folder), "--port", str(free_port()), home=tmp_path)
    assert (said.returncode, "params" in said.stderr) == (2, True), said.stderr


def test_many_clients_of_both_protocols_get_their_own(uci_server: Server, tmp_path: Path) -> None:
    config = tmp_path / "serving_client_conf.prototxt"
    text = models.uci(tmp_path / "for_its_config") / "serving_server_conf.prototxt"
    config.write_text(text.read_text())
    with Client() as client:
        _ask_with(client, config, uci_server)


def _ask_with(client: Client, config: Path, uci_server: Server) -> None:
    client.load_client_config(str(config))
    client.connect([f"127.0.0.1:{uci_server.port}"])
    wrong: list[object] = []

    def call(seed: int) -> None:
        draw = np.random.default_rng(seed)
        for _ in range(50):
            x = draw.normal(size=(int(draw.integers(1, 5)), 13)).astype(np.float32)
            got = client.predict({"x": x}, ["price"], batch=True)
            if got is None or not np.allclose(
                got["price"], x @ models.UCI_W[:, None] + models.UCI_B, rtol=1e-3, atol=1e-3
            ):
                wrong.append((x, got))

    threads = [threading.Thread(target=call, args=(seed,)) for seed in range(16)]
    with Callers(uci_server) as callers:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (wrong, callers.wrong) == ([], [])
    assert client.predict({"x": UCI_INPUT}, ["price"])["price"] == pytest.approx(UCI_PRICE, abs=1e-3)


def test_processes_may_open_as_many_files_as_the_system_allows(uci_folder: Path, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with serve(tmp_path, "--model", str(uci_folder)) as server:
            (front,), (worker,) = server.children("front.process"), server.children("engine.worker")
            for pid in (front, worker):
                assert resource.prlimit(pid, resource.RLIMIT_NOFILE)[0] == min(hard, 65_536)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
