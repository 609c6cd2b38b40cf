"""Where examples are played: copies of their folders, servers started as their readme says, and what clients print."""

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.compare.originals import stand_ins

START_S, RUN_S = 120, 240
LOG = "servers.log"
STUBS = Path(__file__).parent / "stubs"


@dataclass(frozen=True, slots=True)
class Ran:
    """How a script ended, and everything that it printed."""

    status: int
    output: str


@dataclass
class Stage:
    """One run of examples.

    Args:
        examples: the folder `examples` of the original repository.
        work: an empty folder.
        original: the command of a Python with the original packages; None: there is none.
    """

    examples: Path
    work: Path
    original: Sequence[str] | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def copy(self, folder: str) -> Path:
        """A copy of an example's folder that may be written to, made anew."""
        copy = self.work / "play" / folder
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.examples / folder, copy)
        return copy

    def place(self, kind: str, server: Path, client: Path | None) -> None:
        """Put a stand-in where an example looks for its model."""
        made = self.work / "made" / kind.replace("/", "_")
        if not made.exists():
            stand_ins.of(kind)(made / "server", made / "client")
        shutil.copytree(made / "server", server)
        if client is not None:
            shutil.copytree(made / "client", client, dirs_exist_ok=True)

    def remember(self, kind: str, server: Path) -> None:
        """Keep what was measured about a stand-in, so that the next server that loads it need not."""
        plans, kept = server / ".cache", self.work / "made" / kind.replace("/", "_") / "server" / ".cache"
        if plans.is_dir() and not kept.exists():
            shutil.copytree(plans, kept)

    @contextlib.contextmanager
    def servers(
        self, commands: Sequence[tuple[str, Sequence[int]]], folder: Path, stubs: Sequence[str]
    ) -> Iterator[None]:
        """Run servers until the block ends, each in a process group of its own; what they print is in the file LOG."""
        log = folder / LOG
        running: list[subprocess.Popen[bytes]] = []
        try:
            for command, ports in commands:
                with log.open("ab") as out:
                    running.append(
                        subprocess.Popen(
                            ["sh", "-c", f"exec {command}"],
                            cwd=folder,
                            env=self._environment(stubs),
                            stdout=out,
                            stderr=out,
                            start_new_session=True,
                        )
                    )
                for port in ports:
                    _wait_for(port, running[-1])
            yield
        finally:
            for process in running:
                _end(process)

    def run(self, command: str, folder: Path, stdin: str, stubs: Sequence[str], *, original: bool) -> Ran:
        """Run a client to its end, with our packages or the original ones."""
        done = subprocess.run(
            ["sh", "-c", command],
            input=stdin,
            cwd=folder,
            env=self._environment(stubs, original=original),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=RUN_S,
        )
        return Ran(done.returncode, done.stdout)

    def _environment(self, stubs: Sequence[str], *, original: bool = False) -> Mapping[str, str]:
        path = [str(STUBS / stub) for stub in stubs]
        further = os.environ.get("ORIGINAL_PYTHONPATH" if original else "PYTHONPATH")
        path += [further] if further else []
        commands = f"{self._python(original)}:{os.environ['PATH']}"
        mine = {"PATH": commands, "PYTHONPATH": ":".join(path), "PYTHONUNBUFFERED": "1"}
        return {**os.environ, **self.environment, **mine}

    def _python(self, original: bool) -> Path:
        """A folder with the `python3` that commands mean."""
        folder = self.work / ("original" if original else "ours")
        folder.mkdir(exist_ok=True)
        command = shlex.join(self.original or ()) if original else sys.executable
        (folder / "python3").write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (folder / "python3").chmod(0o755)
        return folder


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            raise AssertionError(f"the server ended with status {process.returncode} before it listened on {port}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError(f"nobody listened on port {port} within {START_S} s")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """SIGINT, as `serve stop` sends it, to the whole group; SIGKILL where that is not enough."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
