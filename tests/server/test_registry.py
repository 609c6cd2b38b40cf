"""Models are registered, loaded, unloaded and changed while the server runs and answers, in all its fronts."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import models
from tests.server.versions import Callers, ask, engines, price, set_bias, wait_for
from tests.serving import HTTP, Server, serve


def call(server: Server, method: str, path: str, values: object = None) -> tuple[int, dict[str, Any]]:
    body = None if values is None else json.dumps(values).encode()
    reply = HTTP.request(method, f"{server.url}/registry{path}", body=body)
    return reply.status, json.loads(reply.data)


def predict(server: Server, name: str) -> tuple[int, dict[str, Any]]:
    body = json.dumps({"feed": [{"x": [0.0] * 13}]}).encode()
    reply = HTTP.request("POST", f"{server.url}/{name}/prediction", body=body)
    return reply.status, json.loads(reply.data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.uci(tmp_path_factory.mktemp("model") / "uci", form="onnx")


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    flags = ("--model", str(folder), "--name", "uci", "--fronts", "2", "--reload_interval_s", "0.1")
    with serve(tmp_path_factory.mktemp("server"), *flags) as running:
        yield running


def test_a_model_comes_and_goes_while_the_other_answers(server: Server, folder: Path) -> None:
    other = Path(shutil.copytree(folder, folder.parent / "other"))
    set_bias(other, 7.0)
    with Callers(lambda: price(server)) as callers:
        status, entry = call(server, "PUT", "/other", {"path": str(other)})
        assert (status, entry["state"], [v["state"] for v in entry["versions"]]) == (200, "READY", ["READY"])
        for _ in range(10):
            HTTP.clear()  # another connection, which any of the fronts may take
            assert ask(server, "other")["price"] == [[7.0]]
        status, entry = call(server, "POST", "/other/unload")
        assert (status, entry["state"], entry["versions"]) == (200, "UNLOADED", [])
        status, said = predict(server, "other")
        assert status == 404 and "not loaded" in said["err_msg"]
        assert call(server, "POST", "/other/load")[1]["state"] == "READY"
        assert ask(server, "other")["price"] == [[7.0]]
        assert call(server, "DELETE", "/other") == (200, {"name": "other", "state": "gone"})
        assert predict(server, "other")[0] == 404
        assert call(server, "GET", "/other")[0] == 404
    assert callers.wrong == []
    wait_for(lambda: len(engines(server)) == 1)
