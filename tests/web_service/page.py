"""The page's own process for tests, and pictures to give it."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from tests.serving import ROOT, free_port

UI = ROOT / "web_service" / "ui.py"
SERVICES = Path(__file__).parent / "services"
START_S = 20.0


@contextlib.contextmanager
def page_of(server_url: str, *flags: str) -> Iterator[str]:
    """Run `python web_service/ui.py --server URL FLAGS --port FREE`; its address."""
    port = free_port()
    command = [sys.executable, str(UI), "--server", server_url, "--port", str(port), *flags]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd="/")
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        status = process.wait(10)
    assert status == 0, f"the page ended with status {status}"


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        assert process.poll() is None, f"the page ended with status {process.returncode}"
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
    raise AssertionError(f"the page did not listen within {START_S} s")


def picture(kind: str = "jpg", width: int = 640, height: int = 360) -> bytes:
    """A picture file without text."""
    rows = np.linspace(60, 220, height).astype(np.uint8)[:, None, None]
    return cv2.imencode(f".{kind}", np.tile(rows, (1, width, 3)))[1].tobytes()
