"""Log lines: to stderr, and into a file where the operator wants one."""

import os
import subprocess
import sys
from pathlib import Path

from tests.serving import ROOT

CODE = "from paddle_serving_server.process import log; log.configure('INFO', 'me'); log.logger.info('a\\nb')"


def logged(where: Path) -> str:
    environment = {**os.environ, "SERVING_LOG_PATH": str(where)}
    return subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, cwd=ROOT, env=environment
    ).stderr


def test_a_line_goes_to_stderr_and_into_the_file(tmp_path: Path) -> None:
    assert logged(tmp_path).endswith("INFO    [me] a\\nb\n")
    logged(tmp_path)
    lines = (tmp_path / "log" / "serving.INFO").read_text().splitlines()
    assert [line.partition("INFO")[2] for line in lines] == ["    [me] a\\nb"] * 2


def test_a_folder_that_cannot_be_written_is_said_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file")
    said = logged(tmp_path)
    assert "SERVING_LOG_PATH: nothing is written there" in said
    assert said.endswith("INFO    [me] a\\nb\n")
