"""A server that is started to be measured, and stopped afterwards."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from paddle_serving_client.errors import ServingError

HOST = "127.0.0.1"
START_S = 300.0
"""Longest time until it answers: converting and choosing may come first."""
_STOP_S = 30.0
_LAST_LINES = 5


class NotStarted(ServingError):
    """The server ended, or did not answer in time; the text has its last words."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def serving(flags: Sequence[str]) -> Iterator[int]:
    """Run `serve` with these flags on a free port of this machine; gives the port.

    Raises:
        NotStarted: it does not come up.
    """
    port = free_port()
    own = ["--host", HOST, "--port", str(port), "--log_level", "WARNING"]
    at = list(flags).index("--") if "--" in flags else len(flags)
    command = [sys.executable, "-m", "paddle_serving_server.serve", *flags[:at], *own, *flags[at:]]
    with started(command, port):
        yield port


@contextlib.contextmanager
def started(command: Sequence[str], port: int, folder: Path | None = None) -> Iterator["subprocess.Popen[bytes]"]:
    """Run any server that answers `GET /health` with 200; SIGTERM at the end.

    Args:
        folder: where it runs; None: here.

    Raises:
        NotStarted: it does not come up.
    """
    with tempfile.TemporaryDirectory(prefix="bench_") as home:
        log = Path(home, "log")
        with log.open("wb") as out:
            # A session of its own: Ctrl-C ends the measuring first, and that ends the server.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=folder,
                env={**os.environ, "SERVING_HOME": home},
                start_new_session=True,
            )
        try:
            _wait(process, port, log)
            yield process
        finally:
            _stop(process)


def answers(port: int, path: str = "/health") -> bool:
    """Whether a server answers there with 200."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise NotStarted(f"the server ended with status {process.returncode}: {_last_words(log)}")
        if answers(port):
            return
        time.sleep(0.02)
    raise NotStarted(f"the server did not answer within {START_S:.0f} s: {_last_words(log)}")


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return " | ".join(lines[-_LAST_LINES:]) or "it said nothing"


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
