"""Repositories whose folders say what is served; one beside the models of `serve`; and one where nothing changes."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paddle_serving_client.errors import Busy
from paddle_serving_server.config.triton.rules import RepositoryRules
from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.dataplane import kserve_repository
from paddle_serving_server.dataplane.kserve_uploads import LoadAsked
from paddle_serving_server.services.catalogue import Catalogue
from tests import models, saved_models
from tests.server.commands.triton_repository import MODULE, doubled
from tests.server.versions import wait_for
from tests.serving import HTTP, Server, free_port, serve
from tests.triton_models import identity, put

LATEST_TWO = "max_batch_size: 4 version_policy { latest { num_versions: 2 } }"


def index(server: Server) -> dict[tuple[str, str], str]:
    """What each version is doing."""
    found = json.loads(HTTP.request("POST", f"{server.url}/v2/repository/index").data)
    return {(entry["name"], entry.get("version", "")): entry.get("state", "") for entry in found}


def answer(server: Server, model: str) -> Any:
    tensor = {"name": "X", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}
    reply = HTTP.request("POST", f"{server.url}/v2/models/{model}/infer", body=json.dumps({"inputs": [tensor]}))
    return json.loads(reply.data)["outputs"][0]["data"] if reply.status == 200 else reply.status


@pytest.fixture(scope="module")
def polled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    folder = tmp_path_factory.mktemp("polled")
    root = folder / "models"
    identity(put(root / "m", LATEST_TWO) / "1" / "model.onnx")
    identity(root / "gone" / "1" / "model.onnx")
    flags = [f"--model-repository={root}", "--model-control-mode=poll", "--repository-poll-secs=1", "--tune=off"]
    flags += [f"--grpc-port={free_port()}", "--allow-metrics=false"]
    with serve(folder, *flags, command=MODULE, port_flag="--http-port") as server:
        yield server, root


def test_models_and_versions_come_change_and_go_with_their_folders(polled: tuple[Server, Path]) -> None:
    server, root = polled
    assert index(server) == {("gone", "1"): "READY", ("m", "1"): "READY"}
    for version in ("2", "3"):
        doubled(root / "m" / version / "model.onnx")
    shutil.rmtree(root / "gone")
    identity(root / "new" / "1" / "model.onnx")
    expected = {("m", "2"): "READY", ("m", "3"): "READY", ("new", "1"): "READY"}
    wait_for(lambda: index(server) == expected, 30)
    assert (answer(server, "m"), answer(server, "m/versions/1"), answer(server, "gone")) == ([2, 4, 6, 8], 404, 404)
    doubled(root / "new" / "1" / "model.onnx")
    wait_for(lambda: answer(server, "new") == [2, 4, 6, 8], 30)


def test_what_answers_goes_on_when_its_folder_is_broken(polled: tuple[Server, Path]) -> None:
    server, root = polled
    identity(root / "kept" / "1" / "model.onnx")
    wait_for(lambda: index(server).get(("kept", "1")) == "READY", 30)
    (root / "kept" / "config.pbtxt").write_text("max_batch_size: -1")
    wait_for(lambda: "'max_batch_size' must be non-negative value for kept" in server.log, 30)
    assert (answer(server, "kept"), index(server)["kept", "1"]) == ([1, 2, 3, 4], "READY")
    (root / "kept" / "config.pbtxt").write_text("max_batch_size: 2")
    wait_for(lambda: b'"max_batch_size":2' in HTTP.request("GET", f"{server.url}/v2/models/kept/config").data, 30)


def test_callers_do_not_load_models_there(polled: tuple[Server, Path]) -> None:
    server, _ = polled
    reply = HTTP.request("POST", f"{server.url}/v2/repository/models/m/unload")
    expected = b'{"error":"explicit model load / unload is not allowed if polling is enabled"}'
    assert (reply.status, reply.data) == (503, expected)


def test_nothing_changes_where_no_mode_is_said() -> None:
    catalogue = Catalogue(config=ServerConfig(triton=RepositoryRules(repositories=("/nowhere",))))
    for change in (kserve_repository.load(catalogue, "m", LoadAsked()), kserve_repository.unload(catalogue, "m", {})):
        with pytest.raises(Busy, match="is not allowed if polling is enabled"):
            asyncio.run(change)


def test_a_repository_beside_other_models_on_the_one_port(tmp_path: Path) -> None:
    root = tmp_path / "models"
    identity(root / "m" / "1" / "model.onnx")
    uci = models.uci(tmp_path / "uci", form="onnx")
    sums = put(root / "sums", 'platform: "tensorflow_savedmodel" max_batch_size: 4')
    saved_models.weighted(sums / "1" / "model.savedmodel")
    paddle = models.uci(tmp_path / "paddle", form="json")
    program = {f"1/model{kind}": (paddle / f"inference{kind}").read_bytes() for kind in (".json", ".pdiparams")}
    put(root / "price", 'backend: "paddle" max_batch_size: 4 default_model_filename: "model.json"', program)
    with serve(tmp_path, f"uci={uci}", "--model_repository", str(root)) as server:
        names = ("m", "price", "sums", "uci")
        assert index(server) == {(name, "1"): "READY" for name in names}
        kinds = [json.loads(HTTP.request("GET", f"{server.url}/v2/models/{name}").data) for name in names]
        assert [kind["inputs"][0]["name"] for kind in kinds] == ["X", "x", "x", "x"]
        assert [kind["outputs"][0]["shape"] for kind in kinds] == [[-1, 4], [-1, 1], [-1, 1], [-1, 1]]
        assert answer(server, "m") == [1, 2, 3, 4]
        url = f"{server.url}/v2/repository/models"
        assert HTTP.request("POST", f"{url}/uci/unload").status == 200
        assert index(server)["uci", "1"] == "UNAVAILABLE"
        doubled(root / "m" / "1" / "model.onnx")
        assert HTTP.request("POST", f"{url}/m/load").status == 200
        assert answer(server, "m") == [2, 4, 6, 8]
        reply = HTTP.request("POST", f"{url}/m/unload", headers={"Origin": "http://elsewhere"})
        assert (reply.status, "not to be asked by a browser" in json.loads(reply.data)["error"]) == (403, True)
