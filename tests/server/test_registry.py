"""Models are registered, loaded, unloaded and changed while the server runs and answers, in all its fronts."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests import models
from tests.faults import processes
from tests.server.versions import Callers, engines, set_bias, wait_for
from tests.serving import HTTP, Server, serve

FRONTS = 2


def call(server: Server, method: str, path: str, values: object = None) -> tuple[int, dict[str, Any]]:
    body = None if values is None else json.dumps(values).encode()
    reply = HTTP.request(method, f"{server.url}/registry{path}", body=body)
    return reply.status, json.loads(reply.data)


def predict(server: Server, name: str, query: str = "") -> tuple[int, Any]:
    """The status, and the price that its version gives, or what is wrong."""
    body = json.dumps({"feed": [{"x": [0.0] * 13}]}).encode()
    headers = {"Content-Type": "application/json"}
    reply = HTTP.request("POST", f"{server.url}/{name}/prediction{query}", body=body, headers=headers)
    said = json.loads(reply.data)
    return reply.status, said["result"]["price"][0][0] if reply.status == 200 else said["err_msg"]


def in_all_fronts(server: Server, name: str, query: str = "") -> set[Any]:
    """All answers of a service to the same call, on connections that any front may take."""
    answers = set()
    for _ in range(12 * FRONTS):
        HTTP.clear()
        answers.add(predict(server, name, query))
    return answers


def states(entry: dict[str, Any]) -> dict[str, str]:
    return {version["version"]: version["state"] for version in entry["versions"]}


def with_bias(folder: Path, target: Path, bias: float) -> Path:
    """A copy of the model whose answer is `bias`."""
    shutil.copytree(folder, target)
    set_bias(target, bias)
    return target


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.uci(tmp_path_factory.mktemp("model") / "uci", form="onnx")


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    flags = ("--model", str(folder), "--name", "uci", "--fronts", str(FRONTS), "--reload_interval_s", "0.1")
    with serve(tmp_path_factory.mktemp("server"), *flags) as running:
        yield running


def test_a_model_comes_and_goes_while_the_other_answers(server: Server, folder: Path, tmp_path: Path) -> None:
    other = with_bias(folder, tmp_path / "other", 7.0)
    with Callers(lambda: predict(server, "uci")[0] == 200 or 1 / 0) as callers:
        status, entry = call(server, "PUT", "/other", {"path": str(other)})
        assert (status, entry["state"], states(entry)) == (200, "READY", {"1": "READY"})
        assert in_all_fronts(server, "other") == {(200, 7.0)}
        status, entry = call(server, "POST", "/other/unload")
        assert (status, entry["state"], entry["versions"]) == (200, "UNLOADED", [])
        assert in_all_fronts(server, "other") == {(404, "service 'other' is not loaded (UNLOADED)")}
        listed = json.loads(HTTP.request("GET", f"{server.url}/services").data)["services"]
        assert [(s["name"], s["state"], s["ready"]) for s in listed] == [
            ("uci", "READY", True),
            ("other", "UNLOADED", False),
        ]
        assert call(server, "POST", "/other/load")[1]["state"] == "READY"
        assert in_all_fronts(server, "other") == {(200, 7.0)}
        assert call(server, "DELETE", "/other") == (200, {"name": "other", "state": "gone"})
        assert {status for status, _ in in_all_fronts(server, "other")} == {404}
        assert [model["name"] for model in call(server, "GET", "")[1]["models"]] == ["uci"]
    assert callers.wrong == [] and callers.answered > 10
    wait_for(lambda: len(engines(server)) == 1)


def test_several_versions_answer_at_once_and_follow_their_folder(server: Server, folder: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    for number in (1, 2, 3):
        with_bias(folder, base / str(number), float(number))
    status, entry = call(server, "PUT", "/many", {"path": str(base), "versions": {"latest": 2}})
    assert (status, states(entry)) == (200, {"3": "READY", "2": "READY"})
    assert in_all_fronts(server, "many") == {(200, 3.0)}
    assert in_all_fronts(server, "many", "?version=2") == {(200, 2.0)}
    assert predict(server, "many", "?version=1") == (404, "service 'many' has no version '1'; there are 3, 2")
    assert call(server, "POST", "/many/default", {"version": "2"})[0] == 200
    assert call(server, "POST", "/many/labels", {"canary": "3"})[0] == 200
    assert in_all_fronts(server, "many") == {(200, 2.0)}
    assert in_all_fronts(server, "many", "?version=canary") == {(200, 3.0)}
    status, said = call(server, "POST", "/many/default", {"version": "7"})
    assert status == 409 and said["err_msg"] == "'many' has no version '7'; there is 2, 3"
    call(server, "POST", "/many/default", {"version": ""})
    with Callers(lambda: predict(server, "many")[0] == 200 or 1 / 0) as callers:
        (base / "4").mkdir()
        (base / "4" / "serving_server_conf.prototxt").write_text("feed_var { name: ]")  # and no model
        shutil.copytree(base / "3", tmp_path / "coming")
        set_bias(tmp_path / "coming", 5.0)
        (tmp_path / "coming").rename(base / "5")
        wait_for(lambda: predict(server, "many") == (200, 5.0), 60)
        wait_for(lambda: states(call(server, "GET", "/many")[1]).get("2") is None, 60)
        shutil.rmtree(base / "5")
        wait_for(lambda: predict(server, "many") == (200, 3.0), 60)
    assert callers.wrong == []
    call(server, "DELETE", "/many")


def test_settings_change_while_it_answers_and_those_that_cannot_be_leave_it_as_it_was(
    server: Server, folder: Path, tmp_path: Path
) -> None:
    one, two = (with_bias(folder, tmp_path / str(bias), bias) for bias in (1.0, 2.0))
    call(server, "PUT", "/changing", {"path": str(one)})
    with Callers(lambda: predict(server, "changing")[0] == 200 or 1 / 0) as callers:
        before = len(engines(server))
        status, entry = call(server, "POST", "/changing/scale", {"instances": 2})
        assert (status, entry["instances"], len(engines(server))) == (200, 2, before + 1)
        status, entry = call(server, "POST", "/changing/configure", {"rows": 4, "wait_ms": 1, "instances": 1})
        assert (status, entry["rows"], entry["wait_ms"]) == (200, 4, 1)
        assert call(server, "PUT", "/changing", {"path": str(two)})[0] == 200
        assert in_all_fronts(server, "changing") == {(200, 2.0)}
        broken = with_bias(folder, tmp_path / "broken", 3.0)
        (broken / "model.onnx").write_bytes(b"no model")
        status, said = call(server, "PUT", "/changing", {"path": str(broken)})
        assert status == 409 and said["path"] == str(two) and said["state"] == "READY", said
        assert "other settings were refused" in said["reason"]
        assert in_all_fronts(server, "changing") == {(200, 2.0)}
    assert callers.wrong == [] and callers.answered > 10
    assert call(server, "POST", "/changing/scale", {"instances": 0})[1]["state"] == "UNLOADED"
    call(server, "DELETE", "/changing")


def test_a_model_that_cannot_be_loaded_says_why_and_is_tried_again(
    server: Server, folder: Path, tmp_path: Path
) -> None:
    broken = with_bias(folder, tmp_path / "broken", 3.0)
    (broken / "model.onnx").rename(tmp_path / "whole.onnx")
    (broken / "model.onnx").write_bytes(b"no model")
    status, said = call(server, "PUT", "/broken", {"path": str(broken)})
    assert (status, said["state"]) == (409, "REFUSED") and said["reason"]
    status, words = predict(server, "broken")
    assert status == 404 and words.startswith("service 'broken' is not loaded (REFUSED)")
    os.replace(tmp_path / "whole.onnx", broken / "model.onnx")
    assert call(server, "POST", "/broken/load")[1]["state"] == "READY"
    assert in_all_fronts(server, "broken") == {(200, 3.0)}
    call(server, "DELETE", "/broken")


@pytest.mark.parametrize(
    ("method", "path", "values", "status", "words"),
    [
        ("PUT", "/new", {}, 400, "must say where the model is"),
        ("PUT", "/new", {"path": "/nowhere"}, 400, "path /nowhere"),
        ("PUT", "/-new", {"path": "/nowhere"}, 400, "letters, digits"),
        ("PUT", "/new", {"path": "/nowhere", "colour": 1}, 400, "unknown setting 'colour'"),
        ("PUT", "/new", {"path": "/nowhere", "versions": "some"}, 400, "versions: expected"),
        ("PUT", "/new", {"path": "/nowhere", "rows": -1}, 400, "rows must be from 0 to 65536, got -1"),
        ("POST", "/new/load", None, 404, "no model 'new' is registered"),
        ("POST", "/uci/scale", {"instances": "two"}, 400, "expected"),
        ("POST", "/uci/scale", {"instances": 1000}, 400, "instances must be from 0 to 256"),
        ("POST", "/uci/default", {"version": "1"}, 409, "follows its newest version"),
        ("POST", "/uci/load?timeout=never", None, 400, "timeout must be a number"),
    ],
)
def test_what_cannot_be_done_is_said(
    server: Server, method: str, path: str, values: object, status: int, words: str
) -> None:
    answered, said = call(server, method, path, values)
    assert answered == status and words in said["err_msg"]


def test_who_does_not_wait_is_answered_at_once(server: Server, folder: Path, tmp_path: Path) -> None:
    other = with_bias(folder, tmp_path / "later", 9.0)
    status, said = call(server, "PUT", "/later?wait=false", {"path": str(other)})
    assert (status, said["state"]) == (202, "asked")
    wait_for(lambda: call(server, "GET", "/later")[0] == 200)
    assert call(server, "POST", "/later/load?timeout=0.001")[0] in (200, 504)
    wait_for(lambda: call(server, "GET", "/later")[1]["state"] == "READY")
    call(server, "DELETE", "/later")


def test_a_front_that_comes_later_has_what_was_registered(server: Server, folder: Path, tmp_path: Path) -> None:
    other = with_bias(folder, tmp_path / "kept", 4.0)
    call(server, "PUT", "/kept", {"path": str(other)})
    fronts = server.children("front.process")
    os.kill(fronts[0], signal.SIGKILL)
    wait_for(lambda: len(server.children("front.process")) == FRONTS and server.children("front.process") != fronts)
    assert in_all_fronts(server, "kept") == {(200, 4.0)}
    assert call(server, "DELETE", "/kept")[0] == 200
    assert in_all_fronts(server, "kept") == {(404, "no service 'kept'; served here: 'uci'")}


def test_a_front_that_dies_while_a_model_loads_delays_it(server: Server, folder: Path, tmp_path: Path) -> None:
    other = with_bias(folder, tmp_path / "during", 8.0)
    call(server, "PUT", "/during?wait=false", {"path": str(other)})
    os.kill(server.children("front.process")[0], signal.SIGKILL)
    wait_for(lambda: len(server.children("front.process")) == FRONTS)
    wait_for(lambda: call(server, "GET", "/during")[1].get("state") in (None, "READY"), 60)
    # the question may have died with its front
    assert call(server, "PUT", "/during", {"path": str(other)})[0] == 200
    assert in_all_fronts(server, "during") == {(200, 8.0)}
    call(server, "DELETE", "/during")


def test_what_loads_can_be_unloaded_and_whoever_asked_is_answered(server: Server, folder: Path, tmp_path: Path) -> None:
    other = with_bias(folder, tmp_path / "brief", 8.0)
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(call, server, "PUT", "/brief", {"path": str(other)})
        wait_for(lambda: call(server, "GET", "/brief")[0] == 200)
        assert call(server, "POST", "/brief/unload")[1]["state"] == "UNLOADED"
        assert loading.result(60)[0] == 200
    assert call(server, "POST", "/brief/reload")[0] == 409
    assert call(server, "DELETE", "/brief")[0] == 200
    wait_for(lambda: len(engines(server)) == 1)


def test_versions_may_have_paths_of_their_own(server: Server, folder: Path, tmp_path: Path) -> None:
    paths = {version: str(with_bias(folder, tmp_path / version, float(version))) for version in ("1.0", "2.5")}
    values = {"paths": {"1.0": paths["1.0"]}}
    assert states(call(server, "PUT", "/named", values)[1]) == {"1.0": "READY"}
    status, entry = call(server, "POST", "/named/configure", {"paths": paths, "default": "1.0"})
    assert (status, states(entry)) == (200, {"1.0": "READY", "2.5": "READY"})
    assert in_all_fronts(server, "named") == {(200, 1.0)}
    assert in_all_fronts(server, "named", "?version=2.5") == {(200, 2.5)}
    call(server, "DELETE", "/named")


def test_a_server_begins_with_nothing_and_goes_on_without_what_is_broken(folder: Path, tmp_path: Path) -> None:
    with serve(tmp_path, "--allow_no_model") as server:
        assert json.loads(HTTP.request("GET", f"{server.url}/services").data) == {"services": []}
        assert call(server, "PUT", "/uci", {"path": str(folder)})[0] == 200
        assert predict(server, "uci")[0] == 200
    broken = Path(shutil.copytree(folder, tmp_path / "broken"))
    (broken / "model.onnx").write_bytes(b"no model")
    with serve(tmp_path, f"broken={broken}", f"uci={folder}", "--allow_broken_models") as server:
        assert predict(server, "uci")[0] == 200
        assert call(server, "GET", "/broken")[1]["state"] == "REFUSED"


def test_ten_loads_and_unloads_leave_nothing_behind(server: Server, folder: Path, tmp_path: Path) -> None:
    """`tests/faults/loads.py` has the figures of two hundred, at 70 % load."""
    other = with_bias(folder, tmp_path / "cycled", 6.0)
    with Callers(lambda: predict(server, "uci")[0] == 200 or 1 / 0, 1) as callers:
        for k in range(12):
            assert call(server, "PUT", f"/cycle{k}", {"path": str(other)})[0] == 200
            assert predict(server, f"cycle{k}") == (200, 6.0)
            assert call(server, "DELETE", f"/cycle{k}")[0] == 200
            if k == 1:
                before = processes.files(server), len(processes.all_of(server)), processes.memory_mb(server)
    assert callers.wrong == []
    wait_for(lambda: len(processes.all_of(server)) == before[1])
    wait_for(lambda: processes.files(server) <= before[0] + 2)  # connections of this test
    assert processes.memory_mb(server) < before[2] + 15
