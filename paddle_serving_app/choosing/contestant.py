"""The process in which a candidate is tried: told what to do, watched, stopped while others have their turn, ended."""

import contextlib
import json
import math
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from paddle_serving_app import exit_status, library_error
from paddle_serving_app.choosing.plan import Candidate

COMMAND = (sys.executable, "-m", "paddle_serving_app.choosing.trial")
AS_GOOD = 1.03
"""Within this, fewer threads are better: they leave the processors to pre- and postprocessing."""
_WATCH_S = 0.1


class Contestant:
    """A candidate, its process, and what is known of it."""

    def __init__(self, candidate: Candidate, command: Sequence[str], scratch: Path) -> None:
        self.candidate = candidate
        self.reason = ""
        """Why it is out."""
        self.joins = False
        """Whether its inputs have a batch axis that may vary."""
        self.first_ms = math.inf
        """Of one row, when it gave its answers: an impression."""
        self.ms: dict[int, list[float]] = {}
        """By rows, the median of each turn."""
        self.rows = 1
        """The largest batch that was faster per row than all smaller ones."""
        self.reply: dict[str, Any] = {}
        self.answered_at = math.inf
        """When its last answer was there, on the clock of `time.monotonic`."""
        self._said = b""
        with contextlib.ExitStack() as undo:
            self._log = undo.enter_context((scratch / f"log-{id(self)}").open("w+b"))
            self.fd, theirs = os.pipe()
            undo.callback(os.close, self.fd)
            try:
                self._process = subprocess.Popen(
                    [*command, str(theirs), str(os.getpid())],
                    stdin=subprocess.PIPE,
                    stdout=self._log,
                    stderr=self._log,
                    pass_fds=[theirs],
                    # A group in this session: when this process ends, the kernel lets those go on that are stopped.
                    process_group=0,
                )
            finally:
                os.close(theirs)
            undo.pop_all()

    @property
    def is_in(self) -> bool:
        """Whether it can still be chosen."""
        return not self.reason

    def time(self, rows: int = 1) -> float:
        """Of one run, in milliseconds, in the quietest turn: others only ever make it longer; infinite: not known."""
        impression = [self.first_ms] if rows == 1 else []
        return min(self.ms.get(rows) or impression, default=math.inf)

    def row_time(self, rows: int) -> float:
        """Of one row of a batch of that size, in milliseconds."""
        return self.time(rows) / rows

    def cost(self) -> float:
        """What is compared in the end: the geometric mean of the times of a lone row and of one in the best batch."""
        return math.sqrt(self.time() * self.row_time(self.rows))

    def tell(self, message: dict[str, object]) -> None:
        """Give it a command, and let it run."""
        assert self._process.stdin is not None
        self.reply = {}
        self._signal(signal.SIGCONT)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def hear(self) -> bool:
        """Read what has come; true when its answer is whole, or when it has ended."""
        piece = os.read(self.fd, 1 << 16)
        self._said += piece
        if not piece:
            self.drop(self._last_words())
            return True
        if not self._said.endswith(b"\n"):
            return False
        self.reply, self._said = json.loads(self._said), b""
        self.answered_at = time.monotonic()
        self._signal(signal.SIGSTOP)  # threads that spin after a run would disturb the next
        if "error" in self.reply:
            self.drop(str(self.reply["error"]))
        return True

    def memory_bytes(self) -> int:
        """What it has in memory."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
            return pages * os.sysconf("SC_PAGE_SIZE")
        return 0

    def drop(self, reason: str) -> None:
        """Take it out; the first reason counts."""
        self.reason = self.reason or reason
        self.end()

    def end(self) -> None:
        """End its process, and those that it started."""
        if self.fd < 0:
            return
        self._signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._log.close()
        os.close(self.fd)
        self.fd = -1

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _last_words(self) -> str:
        status = self._process.wait()
        self._log.seek(0)
        lines = [line for line in self._log.read(1 << 20).decode(errors="replace").splitlines() if line.strip()]
        return library_error.text_of(": ".join([f"its process ended with {exit_status.shown(status)}", *lines[-1:]]))


def gather(told: Sequence[Contestant], until: float, watch: Callable[[], None]) -> list[Contestant]:
    """Wait for the answers of all that were told something.

    Args:
        told: those that owe an answer.
        until: on the clock of `time.monotonic`.
        watch: called now and then; it may drop some.

    Returns:
        Those that are still silent.
    """
    silent = [contestant for contestant in told if contestant.is_in]
    while silent and (left := until - time.monotonic()) > 0:
        with selectors.DefaultSelector() as selector:
            for contestant in silent:
                selector.register(contestant.fd, selectors.EVENT_READ, contestant)
            heard = [key.data for key, _ in selector.select(min(left, _WATCH_S)) if key.data.hear()]
        watch()
        silent = [contestant for contestant in silent if contestant not in heard and contestant.is_in]
    return silent
