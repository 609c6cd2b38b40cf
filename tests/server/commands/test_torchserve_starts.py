"""TorchServe's command line: in the background and to its end, tokens, what a later start finds, what is refused."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests import torchserves
from tests.server.versions import wait_for
from tests.serving import HTTP, ROOT
from tests.torchserves import MODULE, archive

LENGTHS = "def handle(data, context):\n    return [len(row['body']) for row in data] if data else None\n"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("starts") / "store"
    store.mkdir()
    archive(store, "lengths", LENGTHS)
    archive(store, "other", LENGTHS)
    return store


def test_tokens(store: Path, tmp_path: Path) -> None:
    """On by default: they are in a file for the owner, each address has its own, and they can be renewed."""
    file = tmp_path / "key_file.json"
    with torchserves.serve(tmp_path, store, {}, "--ncs", "--models", "lengths.mar", tokens=True) as found:
        assert file.stat().st_mode & 0o777 == 0o600

        def headers(kind: str) -> dict[str, str]:
            return {"Authorization": f"Bearer {json.loads(file.read_text())[kind]['key']}"}

        for wrong in ({}, headers("management"), {"Authorization": "Bearer x"}):
            for path in ("/predictions/lengths", "/ping", "/api-description", "/wfpredict/x"):
                status, answer = found.ask("GET", path, "inf", headers=wrong)
                assert (status, answer["type"]) == (400, "InvalidKeyException"), path
        old = headers("inference")
        assert found.predict("lengths", headers=old) == (200, 3)
        status, answer = found.ask("GET", "/models", headers=old)
        assert (status, answer["type"]) == (400, "InvalidKeyException")
        assert found.ask("GET", "/models", headers=headers("management"))[0] == 200
        status, answer = found.ask("POST", "/models?url=other.mar", headers=headers("management"))
        assert (status, "--enable-model-api" in answer["message"]) == (405, True)
        assert found.ask("GET", "/token?type=inference", headers=headers("management"))[1]["code"] == 400
        assert found.ask("GET", "/token?type=nothing", headers=headers("API"))[1]["code"] == 400
        assert found.ask("GET", "/token?type=inference", headers=headers("API"))[0] == 200
        assert found.predict("lengths", headers=old)[0] == 400
        assert found.predict("lengths", headers=headers("inference")) == (200, 3)
        keys = json.loads(file.read_text())
        keys["inference"]["expiration time"] = "2020-01-01T00:00:00Z"
        file.write_text(json.dumps(keys))
        assert found.predict("lengths", headers=headers("inference"))[0] == 400
    assert not file.exists()


def test_a_later_start_finds_what_was_registered(store: Path, tmp_path: Path) -> None:
    """Started and stopped by its commands, in the background; the second start has no settings of its own."""
    ports = torchserves.free_ports()
    settings = {**torchserves.settings_of(ports), "model_store": str(store), "enable_model_api": "true"}
    (tmp_path / "given.properties").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    url = {at: f"http://127.0.0.1:{port}" for at, port in ports.items()}

    def run(*flags: str) -> str:
        with (tmp_path / "out").open("w+") as out:
            done = subprocess.run(
                [sys.executable, *MODULE, *flags], stdout=out, stderr=out, cwd=tmp_path, timeout=60,
                env=torchserves.environment(tmp_path),
            )  # fmt: skip
            out.seek(0)
            said = out.read()
        assert done.returncode == 0, said
        return said

    def ask(method: str, at: str, path: str) -> tuple[int, Any]:
        reply = HTTP.request(method, url[at] + path, body=b"four" if method == "POST" else None)
        return reply.status, json.loads(reply.data)

    def answers() -> bool:
        try:
            return ask("GET", "inf", "/ping")[0] == 200
        except urllib3.exceptions.HTTPError:
            return False

    run("--start", "--disable-token-auth", "--ts-config", "given.properties")
    wait_for(answers, 60)
    register = "/models?url=lengths.mar&initial_workers=1&batch_size=3&max_batch_delay=7"
    assert ask("POST", "mgmt", register)[0] == 200
    assert ask("POST", "mgmt", "/models?url=other.mar")[0] == 200
    assert "stopped" in run("--stop", "--ts-config", "given.properties")
    assert not answers()
    run("--start", "--disable-token-auth")
    wait_for(answers, 60)
    try:
        assert ask("POST", "inf", "/predictions/lengths") == (200, 4)
        (described,) = ask("GET", "mgmt", "/models/lengths")[1]
        kept = {name: described[name] for name in ("minWorkers", "batchSize", "maxBatchDelay", "loadedAtStartup")}
        assert kept == {"minWorkers": 1, "batchSize": 3, "maxBatchDelay": 7, "loadedAtStartup": True}
        assert ask("GET", "mgmt", "/models/other")[1][0]["workers"] == []
        names = [path.name.rpartition("-")[2] for path in sorted((tmp_path / "logs" / "config").iterdir())]
        assert names == ["startup.cfg", "snapshot.cfg", "snapshot.cfg", "startup.cfg"]
    finally:
        assert "stopped" in run("--stop")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--start"], "--model-store says where the models are"),
        (["--start", "--model-store", ".", "--models", "nope.mar"], "there is no such file in the model store"),
        (["--start", "--model-store", ".", "--models", "http://x/y.mar"], "allowed_urls"),
    ],
)
def test_a_command_line_that_cannot_be_served(tmp_path: Path, flags: list[str], words: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *MODULE, *flags], capture_output=True, cwd=tmp_path, text=True, env=environment
    )
    assert done.returncode != 0
    assert words in done.stderr
