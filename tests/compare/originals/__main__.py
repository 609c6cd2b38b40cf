"""Run the examples and print the table: `python -m tests.compare.originals --examples DIR`. README.md says how."""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TextIO

from tests.compare.originals import classifiers, detectors, numbers_and_words, ocr, web
from tests.compare.originals.case import Case
from tests.compare.originals.stage import LOG, Ran, Stage

WRONG = "**does not work**"
CASES = (*numbers_and_words.CASES, *classifiers.CASES, *ocr.CASES, *detectors.CASES)
SELF_TESTS = (
    "test_fit_a_line.py::TestFitALine::test_inference",
    "test_fit_a_line.py::TestFitALine::test_cpu",
    "test_uci_pipeline.py::TestUCIPipeline::test_cpu",
)
_INSIDE = "ORIGINALS_IN_NAMESPACES"


def main() -> int:
    """The exit status is the number of rows that are not as they should be."""
    parser = argparse.ArgumentParser(prog="tests.compare.originals", description=__doc__)
    parser.add_argument("--examples", type=Path, required=True, help="the folder `examples` of the original repository")
    parser.add_argument("--original", default="", help="command of a Python that has the original packages")
    parser.add_argument("--only", default="", help="a regular expression that a row's folder and script must contain")
    parser.add_argument("--keep", type=Path, help="play in this folder, and leave everything there")
    parser.add_argument("--env_check", type=Path, help="the folder `env_check` of the original server's wheel")
    said = parser.parse_args()
    if said.env_check and "service" in " ".join(sys.argv):
        parser.error("--env_check kills every process with `service` in its command line, so this one must not have it")
    if os.environ.get(_INSIDE) is None:
        _enter_namespaces()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory(prefix="originals_") as temporary:
        work = (said.keep or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        stage = Stage(said.examples.resolve(), work, shlex.split(said.original) or None)
        pictures = stage.examples / "C++" / "PaddleClas" / "imagenet"
        stage.environment |= web.answer(pictures, work) | {
            "SERVING_LOG_PATH": f"{work}/", "FLAGS_serving_latency": "1",
        }  # fmt: skip
        chosen = [case for case in CASES if re.search(said.only, f"{case.folder} {_server(case)} {case.script}")]
        _say("| group | folder | server | client | ours | original | stands in |\n|---|---|---|---|---|---|---|")
        wrong = sum(not _self_test(stage, said.env_check, test) for test in (SELF_TESTS if said.env_check else ()))
        return wrong + sum(not _row(stage, case) for case in chosen)


def play(stage: Stage, case: Case) -> list[str]:
    """Run one script and its servers, with our client and then with the original one.

    Returns:
        How each of them went, in a few words.
    """
    for other in case.beside:
        stage.copy(other)
    folder = stage.copy(case.folder)
    for kind, server, client in case.models:
        stage.place(kind, folder / server, folder / client if client else None)
    if case.prepare is not None:
        case.prepare(folder)
    for command in case.before:
        _check(stage.run(command, folder, "", (), original=False), "", folder)
    with stage.servers(case.servers, folder, case.server_stubs):
        results = [_outcome(stage, case, folder, original=False)]
        has_both = stage.original is not None and case.original
        results.append(_outcome(stage, case, folder, original=True) if has_both else "-")
    for kind, server, _ in case.models:
        stage.remember(kind, folder / server)
    return results


def _outcome(stage: Stage, case: Case, folder: Path, *, original: bool) -> str:
    try:
        ran = stage.run(case.script, folder, case.stdin, case.stubs, original=original)
        if case.fails:
            known = ran.status != 0 and re.search(case.expects, ran.output)
            assert known, f"it was known to fail otherwise, with status {ran.status}:\n{ran.output}"
            return f"fails: {case.fails}"
        _check(ran, case.expects, folder)
        for name in case.writes:
            assert (folder / name).is_file(), f"it did not write {name}"
            (folder / name).unlink()
    except (AssertionError, subprocess.TimeoutExpired) as exc:
        _say(f"{case.folder} {case.script} ({'original' if original else 'ours'}): {exc}", sys.stderr)
        return WRONG
    return "works"


def _check(ran: Ran, expects: str, folder: Path) -> None:
    if ran.status == 0 and re.search(expects, ran.output, re.DOTALL):
        return
    log = folder / LOG
    servers = log.read_text(errors="replace")[-4000:] if log.exists() else ""
    wanted = f", {expects!r} was expected"
    raise AssertionError(f"exit status {ran.status}{wanted}:\n{ran.output[-4000:]}\nservers:\n{servers}")


def _row(stage: Stage, case: Case) -> bool:
    """Print one row of the table; whether both clients did what they should."""
    try:
        results = play(stage, case)
    except (AssertionError, subprocess.TimeoutExpired, OSError) as exc:
        _say(f"{case.folder} {_server(case)}: {exc}", sys.stderr)
        results = [WRONG, "-"]
    words = (case.group, case.folder, _server(case), _short(case.script), *results, _supplied(case))
    _say("| " + " | ".join(words) + " |")
    return WRONG not in results


def _self_test(stage: Stage, env_check: Path, test: str) -> bool:
    """Run a test of the original wheel, which starts servers itself, and print its row."""
    folder = stage.work / "self_test"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(env_check, folder)
    command = f"PYTHON_EXECUTABLE=python3 python3 -m pytest -q -p no:cacheprovider --rootdir . {test}"
    ran = stage.run(command, folder, "", (), original=False)
    if ran.status != 0:
        _say(f"{test}: {ran.output[-8000:]}", sys.stderr)
    file, _, name = test.partition("::")
    _say(f"| self test | env_check | {file} | {name} | {'works' if ran.status == 0 else WRONG} | - |  |")
    return ran.status == 0


def _say(text: str, where: TextIO = sys.stdout) -> None:
    where.write(f"{text}\n")
    where.flush()


def _server(case: Case) -> str:
    return ", ".join(_short(command) for command, _ in case.servers)


def _short(command: str) -> str:
    """The last script in a command, or `serve`."""
    words = [word for word in command.split() if word.endswith((".py", ".serve")) or word == "curl"]
    return Path(words[-1]).name.removeprefix("paddle_serving_server.")


def _supplied(case: Case) -> str:
    models = sorted({kind.split(":")[0] for kind, _, _ in case.models})
    return "; ".join([*(f"model {name}" for name in models), *([case.supplied] if case.supplied else [])])


def _enter_namespaces() -> None:
    """Go on in a network, a mount and a process table of our own: ports, /etc/hosts and `kill` touch nobody else."""
    command = ["unshare", "--net", "--pid", "--mount", "--fork", "--mount-proc", sys.executable, "-m", __package__]
    os.environ[_INSIDE] = "1"
    os.execvp(command[0], [*command, *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(min(main(), 100))
