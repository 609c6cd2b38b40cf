"""A real server for tests: started as its user would, on a free port, stopped at the end."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import urllib3

ROOT = Path(__file__).resolve().parent.parent
START_S = 60.0
MODULE = ("-m", "paddle_serving_server.serve")
HTTP = urllib3.PoolManager(retries=False, timeout=60.0)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def read_all(sock: socket.socket) -> bytes:
    """What comes until the other side closes, or is silent for as long as the socket waits."""
    said = b""
    with contextlib.suppress(TimeoutError, ConnectionResetError):
        while piece := sock.recv(65536):
            said += piece
    return said


class Server:
    """A running server."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._log = log

    @property
    def log(self) -> str:
        """What it has printed."""
        return self._log.read_text(errors="replace")

    def wait_ready(self) -> None:
        """Wait until it answers."""
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            assert self.process.poll() is None, f"the server ended:\n{self.log}"
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                if HTTP.request("GET", f"{self.url}/health").status == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(f"the server was not ready in {START_S} s:\n{self.log}")

    def children(self, module: str) -> list[int]:
        """Process numbers of its fronts (`front`) or engines (`engine.worker`)."""
        found = []
        for status in Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):
                words = (status.parent / "cmdline").read_bytes().split(b"\0")
                parent = next(line for line in status.read_text().splitlines() if line.startswith("PPid:"))
                if int(parent.split()[1]) == self.process.pid and f"paddle_serving_server.{module}".encode() in words:
                    found.append(int(status.parent.name))
        return sorted(found)

    def stop(self) -> int:
        """SIGTERM, and its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextlib.contextmanager
def serve(
    folder: Path, *flags: str, command: Sequence[str] = MODULE, waits: bool = True, port_flag: str = "--port"
) -> Iterator[Server]:
    """Run `python -m paddle_serving_server.serve FLAGS --port FREE`, with its ProcessInfo.json in `folder`.

    Nothing is measured at load unless FLAGS say so. Unless it `waits`, the server is still starting.
    """
    if tuple(command) == MODULE and "--tune" not in flags:
        flags = (*flags, "--tune", "off")
    port = free_port()
    log = folder / f"server-{port}.log"
    environment = {**os.environ, "SERVING_HOME": str(folder), "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, *command, port_flag, str(port), *flags], stdout=out, stderr=out, cwd=ROOT, env=environment
        )
    server = Server(process, port, log)
    try:
        if waits:
            server.wait_ready()
        yield server
    finally:
        if process.poll() is None:
            server.stop()
