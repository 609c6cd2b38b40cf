"""The documents as a reader follows them: their blocks of code, and a folder to run these in.

A block of bash, Python or yaml in README.md and docs/ has a comment before it that says what a test does with it:

    <!-- test: run -->            run it to its end; its status is 0 (`run, exits 2`: that one)
    <!-- test: serve 9393 -->     start it and wait until it answers on that port; what runs later finds it running.
                                  The next `serve` on that port, or the end of the document, sends SIGTERM: status 0
    <!-- test: file NAME -->      write it to NAME
    <!-- test: prints -->         compare it with what was printed last: numbers within 1e-4, `...` for anything
    <!-- not tested: REASON -->   nothing

A document is followed from top to bottom. Ports are exchanged for free ones.
"""

import contextlib
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import urllib3

from tests.serving import HTTP, ROOT, free_port

READMES = (ROOT / "README.md", ROOT / "README_CN.md")
PAGES = sorted((ROOT / "docs").glob("*.md"))
FOLLOWED = (READMES[0], *PAGES)
"""Documents whose blocks are run; README_CN.md has the blocks of README.md."""
ALL = (*READMES, *PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md")

LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
"""A link of Markdown; its group is where it leads."""
START_S = 60.0
RUN_S = 60.0
STOP_S = 30.0
_PORTS = re.compile(r"\b(7070|7071|9393|9394|8000|8001|8002|8080|8081|8082|8500|8501)\b")
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
_SHARED = ("convert", "serving_client", "serving_model", "static", "tests", "web_service")
"""Folders of the project that a reader finds in his current folder."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a document."""

    line: int
    """Of the opening fence, from 1."""
    language: str
    code: str
    note: str
    """The comment before it, without its brackets; empty where there is none."""


def blocks_of(text: str) -> list[Block]:
    """The fenced blocks of a Markdown text."""
    blocks = []
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        opened = re.fullmatch(r"( *)```(\w*)", lines[at])
        if opened is None:
            at += 1
            continue
        end = next(k for k in range(at + 1, len(lines)) if lines[k].strip() == "```")
        said = re.fullmatch(r"<!-- (.+) -->", lines[at - 1].strip()) if at else None
        indent = len(opened[1])
        code = "".join(line[indent:] + "\n" for line in lines[at + 1 : end])
        blocks.append(Block(at + 1, opened[2], code, said[1] if said else ""))
        at = end + 1
    return blocks


def without_blocks(text: str) -> str:
    """A Markdown text without its fenced blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)


def same_output(said: str, printed: str) -> bool:
    """Whether a program printed what a document says: words equal, numbers within 1e-4, `...` standing for anything."""
    pattern = ""
    numbers: list[float] = []
    for part in re.split(r"(-?\d+\.\d+(?:e-?\d+)?|\.\.\.|\s+)", said.strip()):
        if _NUMBER.fullmatch(part):
            numbers.append(float(part))
            pattern += f"({_NUMBER.pattern})"
        elif part == "...":
            pattern += r"[\s\S]*?"
        else:
            pattern += r"\s+" if part.isspace() else re.escape(part)
    found = re.fullmatch(pattern, printed.strip())
    return found is not None and all(
        math.isclose(said, float(came), rel_tol=1e-4, abs_tol=1e-4)
        for said, came in zip(numbers, found.groups(), strict=True)
    )


class Reader:
    """Somebody who follows a document with his fingers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports: dict[str, int] = {}
        self._printed = ""
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        home = {"PATH": path, "PYTHONPATH": str(ROOT), "SERVING_HOME": str(folder), "PYTHONUNBUFFERED": "1"}
        home["XDG_CACHE_HOME"] = str(folder / ".cache")
        self._environment = {**os.environ, **home}
        for name in _SHARED:
            (folder / name).symlink_to(ROOT / name)

    def follow(self, block: Block) -> None:
        """Do what the comment before a block says."""
        code = _PORTS.sub(lambda port: str(self._port(port[1])), block.code)
        what, _, rest = block.note.partition(": ")
        if what == "not tested":
            return
        verb, _, argument = rest.partition(" ")
        match verb.rstrip(","):
            case "file":
                (self._folder / argument).write_text(code, encoding="utf-8")
            case "run":
                self._run(block, code, int(argument.removeprefix("exits ") or 0))
            case "serve":
                self._serve(code, self._port(argument))
            case "prints":
                both = f"line {block.line} says\n{code}\nbut this came:\n{self._printed}"
                assert same_output(code, self._printed), both
            case _:
                raise AssertionError(f"line {block.line}: {block.note!r} means nothing to this test")

    def stop(self) -> None:
        """End what is running, and see that it ends well."""
        for port in list(self._running):
            self._stop(port)

    def kill(self) -> None:
        """End what is still running, however."""
        for process in self._running.values():
            process.kill()
            process.wait()

    def _port(self, number: str) -> int:
        if number not in self._ports:
            self._ports[number] = free_port()
        return self._ports[number]

    def _command(self, language: str, code: str) -> list[str]:
        if language == "python":
            return [sys.executable, "-c", code]
        return ["bash", "-e", "-o", "pipefail", "-c", code]

    def _run(self, block: Block, code: str, status: int) -> None:
        done = subprocess.run(
            self._command(block.language, code),
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_S,
        )
        logs = "\n".join(self._log(port) for port in self._running)
        said = f"line {block.line} ended with status {done.returncode}:\n{done.stdout}\n{done.stderr}\n{logs}"
        assert done.returncode == status, said
        self._printed = done.stdout + (done.stderr if status else "")

    def _serve(self, code: str, port: int) -> None:
        self._stop(port)
        with self._log_file(port).open("wb") as out:
            process = subprocess.Popen(
                self._command("bash", code), cwd=self._folder, env=self._environment, stdout=out, stderr=out
            )
        self._running[port] = process
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            assert process.poll() is None, f"it ended by itself:\n{self._log(port)}"
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                if HTTP.request("GET", f"http://127.0.0.1:{port}/health").status < 500:
                    return
            time.sleep(0.05)
        raise AssertionError(f"nothing answers on its port:\n{self._log(port)}")

    def _stop(self, port: int) -> None:
        if (process := self._running.pop(port, None)) is not None:
            process.terminate()
            status = process.wait(STOP_S)
            assert status == 0, f"it ended with status {status}:\n{self._log(port)}"

    def _log_file(self, port: int) -> Path:
        return self._folder / f"log-{port}"

    def _log(self, port: int) -> str:
        return self._log_file(port).read_text(errors="replace")


@contextlib.contextmanager
def reader(folder: Path) -> Iterator[Reader]:
    """Somebody with an empty folder; what he started is gone afterwards."""
    somebody = Reader(folder)
    try:
        yield somebody
        somebody.stop()
    finally:
        somebody.kill()
