"""A temporary folder without a byte of room: the server starts or says why, and never dies of it."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import urllib3

from tests.faults import processes
from tests.faults.figures import Figure, least, most
from tests.serving import HTTP, ROOT, Server, serve

_MODEL = ("--model", str(ROOT / "serving_model/uci_housing"), "--name", "uci")
_GOOD = json.dumps({"feed": [{"x": [0.0] * 13}], "fetch": ["price"]}).encode()


def run(folder: Path, brief: bool) -> Iterator[Figure]:
    """The folder fills up while the server runs. Needs the right to mount; elsewhere nothing is measured."""
    place = folder / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], capture_output=True).returncode:
        print("   not measured: mounting is not allowed here", file=sys.stderr)  # noqa: T201  # for who reads the table
        return
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(place)
    try:
        with serve(folder, *_MODEL) as server:
            numbers = [process.pid for process in processes.all_of(server)]
            with contextlib.suppress(OSError), (place / "filler").open("wb", buffering=0) as filler:
                while True:
                    filler.write(bytes(4096))
            count = 200 if brief else 5000
            good = sum(_ask(server) for _ in range(count))
            yield least("requests with a full temporary folder: answered well", good, count, "requests")
            gone = set(numbers) - {process.pid for process in processes.all_of(server)}
            yield most("processes that died of it", len(gone), 0, "processes")
    finally:
        del os.environ["TMPDIR"]
        if before is not None:
            os.environ["TMPDIR"] = before
        subprocess.run(["umount", "-l", place], check=False)


def _ask(server: Server) -> bool:
    headers = {"Content-Type": "application/json"}
    with contextlib.suppress(urllib3.exceptions.HTTPError):
        return HTTP.request("POST", f"{server.url}/uci/prediction", body=_GOOD, headers=headers).status == 200
    return False
