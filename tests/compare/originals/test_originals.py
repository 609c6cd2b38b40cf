"""The example scripts of Paddle Serving 0.9 work as they are; README.md says where they are looked for."""

import os
import shlex
import subprocess
import sys

import pytest

EXAMPLES = os.environ.get("PADDLE_SERVING_EXAMPLES")
"""The folder `examples` of the original repository."""


@pytest.mark.skipif(not EXAMPLES, reason="PADDLE_SERVING_EXAMPLES does not name the original examples")
@pytest.mark.timeout(0)  # an hour or so
def test_scripts_run_unmodified() -> None:
    assert EXAMPLES is not None
    further = shlex.split(os.environ.get("PADDLE_SERVING_ORIGINALS_FLAGS", ""))
    command = [sys.executable, "-m", "tests.compare.originals", "--examples", EXAMPLES, *further]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stdout
