"""The processes of the sweep, from outside: given jobs, timed, and started anew when one crashed or hangs."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

_LIMIT_S = 30.0
_START_S = 150.0
"""For the first job of a process: it imports its library before."""


class Worker:
    """One role; its process is started when there is something to do."""

    def __init__(self, role: str, log: Path) -> None:
        self._role = role
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._fd = -1

    def do(self, job: dict[str, Any]) -> dict[str, Any]:
        """Give it a job and wait; a process that ended or hangs comes back as `crash`."""
        limit_s = _LIMIT_S
        if self._process is None:
            self._start()
            limit_s = _START_S
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()
        heard = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._fd, selectors.EVENT_READ)
            while not heard.endswith(b"\n"):
                if not selector.select(limit_s):
                    self.end()
                    return {"crash": f"no answer within {limit_s:.0f} s"}
                piece = os.read(self._fd, 1 << 16)
                if not piece:
                    return {"crash": self._ended()}
                heard += piece
        found: dict[str, Any] = json.loads(heard)
        return found

    def end(self) -> None:
        """End the process, if there is one."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        os.close(self._fd)
        self._process = None

    def _start(self) -> None:
        self._fd, theirs = os.pipe()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.compare.operators.worker", self._role, str(theirs)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[theirs],
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        os.close(theirs)

    def _ended(self) -> str:
        assert self._process is not None
        status = self._process.wait()
        self.end()
        with contextlib.suppress(ValueError):
            return f"ended by {signal.Signals(-status).name}"
        return f"ended with status {status}"
