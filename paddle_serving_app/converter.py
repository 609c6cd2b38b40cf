"""A foreign converter, run once for each model, in a process of its own that may crash or hang.

What it made is kept; so is why it cannot, where that is for good.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from paddle_serving_app import file_lock, library_error
from paddle_serving_client.errors import BadModel

Command: TypeAlias = Callable[[Path, Path], Sequence[str]]
"""Given a folder for what it needs in between, and the file it is to make: arguments for Python."""

_FOR_GOOD = (0, 1, -signal.SIGABRT, -signal.SIGSEGV)
"""Exit statuses of a conversion that ends in the same way each time; a process may also be ended from outside."""
_COLORS = re.compile(r"\x1b\[[0-9;]*m")
_TELLING = re.compile(r"error|unsupport|not support|exception", re.IGNORECASE)


def make(target: Path, model: Path, name: str, command: Command, limit_s: float) -> None:
    """Have a file made, unless it is there; several processes may want it at the same time.

    Args:
        target: the file; its name has what differs whenever the result might.
        model: what is converted, for messages.
        name: of the converter, for messages.
        command: how to call it.
        limit_s: how long it may take, in seconds.

    Raises:
        BadModel: it cannot convert the model; what it said is kept.
    """
    with file_lock.held(target.parent, limit_s):
        if target.exists():
            return
        failed = target.with_suffix(".failed")
        if failed.is_file():
            raise BadModel(f"{model}: {name} cannot convert it: {failed.read_text(encoding='utf-8')}")
        with tempfile.TemporaryDirectory(prefix=".onnx-", dir=target.parent) as scratch:
            made = Path(scratch) / f"made{target.suffix}"
            status, words = _run(command(Path(scratch), made), Path(scratch), limit_s)
            if made.exists() and made.stat().st_size:
                os.replace(made, target)
                return
            if status in _FOR_GOOD:
                (Path(scratch) / "failed").write_text(words, encoding="utf-8")
                os.replace(Path(scratch) / "failed", failed)
            raise BadModel(f"{model}: {name} cannot convert it: {words}")


def _run(argv: Sequence[str], cwd: Path, limit_s: float) -> tuple[int | None, str]:
    """The exit status, None where it was not done in time, and what of the output says most."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", *argv],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired:
        return None, f"not done in {limit_s:.0f} s"
    lines = [line for line in _COLORS.sub("", done.stdout.decode(errors="replace")).splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.search(line)]
    line = telling[0] if telling else lines[-1] if lines else "it said nothing"
    return done.returncode, library_error.text_of(f"{line} (exit status {done.returncode})")
