"""The demo: one model server with the services uci, ppocr and layout, and the page. Ctrl-C or SIGTERM ends both.

Started by scripts/demo, which makes the environment first.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
START_S = 180.0


class Stop(Exception):
    """A signal said so."""


def main() -> int:
    """Run until stopped; returns the exit status."""
    flags = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    flags.add_argument("--port", type=int, default=9393, help="port of the model server (default 9393)")
    flags.add_argument("--ui-port", type=int, default=8080, help="port of the page (default 8080)")
    flags.add_argument("--host", default="127.0.0.1", help="who may connect: 0.0.0.0 lets phones on the network in")
    said = flags.parse_args()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    children: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for recipe in ("uci_housing", "ppocr"):
            _check(
                subprocess.run([sys.executable, f"convert/{recipe}.py"], cwd=ROOT).returncode, f"convert/{recipe}.py"
            )
        layout = ["serving_model/layout"] if _is_made("convert/layout.py") else []
        server = f"http://127.0.0.1:{said.port}"
        module = ["-m", "paddle_serving_server.serve", "--host", said.host, "--port", str(said.port)]
        services = ["--service", "web_service/uci_housing.py", "--service", "web_service/ppocr.py"]
        children["the model server"] = _start(*module, *layout, *services)
        page = ["web_service/ui.py", "--server", server, "--host", said.host, "--port", str(said.ui_port)]
        children["the page"] = _start(*page)
        _wait_ready(f"{server}/health", children)
        _wait_ready(f"http://127.0.0.1:{said.ui_port}/", children)
        print(f"\n  The page:    http://127.0.0.1:{said.ui_port}/")
        print(f"  The server:  {server}   (services: uci, ppocr{', layout' if layout else ''})")
        print("  Ctrl-C stops both.\n", flush=True)
        while True:
            _check_alive(children)
            time.sleep(0.5)
    except Stop:
        return 0
    except RuntimeError as exc:
        print(f"scripts/demo: {exc}", file=sys.stderr)
        return 1
    finally:
        _end(children)


def _start(*arguments: str) -> "subprocess.Popen[bytes]":
    # A session of its own: Ctrl-C comes to this process alone, which then ends the children in order.
    return subprocess.Popen([sys.executable, *arguments], cwd=ROOT, start_new_session=True)


def _wait_ready(url: str, children: "dict[str, subprocess.Popen[bytes]]") -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        _check_alive(children)
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as reply:
            if reply.status == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"{url} did not answer within {START_S:.0f} s")


def _check_alive(children: "dict[str, subprocess.Popen[bytes]]") -> None:
    for name, child in children.items():
        if child.poll() is not None:
            raise RuntimeError(f"{name} ended by itself with status {child.returncode}; its last lines are above")


def _is_made(recipe: str) -> bool:
    """Whether a recipe has made its model; it says itself what it lacks."""
    return subprocess.run([sys.executable, recipe], cwd=ROOT).returncode == 0


def _check(status: int, what: str) -> None:
    if status:
        raise RuntimeError(f"{what} failed with status {status}")


def _end(children: "dict[str, subprocess.Popen[bytes]]") -> None:
    def kill(number: int, frame: FrameType | None) -> None:
        """A second signal: do not wait."""
        for child in children.values():
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, kill)
    for child in reversed(children.values()):
        if child.poll() is None:
            child.terminate()
    for child in children.values():
        child.wait()


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stop


if __name__ == "__main__":
    sys.exit(main())
