"""Models that callers of tritonserver load and unload, in the order and with the answers of a real one."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paddle_serving_client.wire.protobuf import bytes_field
from tests.data import triton
from tests.server.commands import triton_repository
from tests.server.commands.triton_repository import MODEL_PY, ROW, Triton, changing, doubled


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return triton_repository.written(tmp_path_factory.mktemp("loading") / "models")


@pytest.fixture(scope="module")
def running(repository: Path) -> Iterator[Triton]:
    with triton_repository.running(repository) as found:
        yield found


def test_a_model_py_between_other_models_and_changed_while_it_answers(running: Triton, repository: Path) -> None:
    assert running.infer("around", [1, 16], "INT32", A=ROW) == {"B": [11 * n for n in ROW], "C": [9 * n for n in ROW]}
    (repository / "code" / "1" / "model.py").write_text(MODEL_PY.replace("array * 10", "array * 100"))
    assert running.infer("code", [1, 16], "INT32", IN=ROW) == {"OUT": [10 * n for n in ROW]}
    running.change("code", "load")
    assert running.infer("around", [1, 16], "INT32", A=ROW)["B"] == [101 * n for n in ROW]


def test_what_triton_answered_to_loading_and_unloading(running: Triton) -> None:
    """In their order, for each is said of what those before it have left."""
    others = {
        "err_load_bad_json": "another parser's words",
        "err_load_bad_config": "with the reason",
        "err_file_without_config": "the same",
        "config_after": "the model of these tests has no field `runtime`",
    }
    for name, case in triton.http("explicit").items():
        status, body = running.ask(case.method, case.path.removeprefix("/v2"), case.body, case.headers)
        assert status == case.status, (name, body)
        if "index" in name:
            ours, theirs = ({e["name"]: e for e in json.loads(raw)}.get("simple") for raw in (body, case.answer))
            if name == "index_unloaded":  # it is unloaded when the answer comes
                theirs = {"name": "simple", "version": "1", "state": "UNAVAILABLE", "reason": "unloaded"}
            assert ours == theirs, name
        elif name in others:
            assert body != case.answer, name
            assert json.loads(body).get("error", "")[:40] == json.loads(case.answer).get("error", "")[:40], name
        elif name != "still_ready":
            assert body == case.answer, name
        if name == "config_after":
            assert json.loads(body)["max_batch_size"] == json.loads(case.answer)["max_batch_size"] == 4


def test_files_and_a_config_in_the_place_of_those_in_the_repository(running: Triton, tmp_path: Path) -> None:
    content = doubled(tmp_path / "model.onnx").read_bytes()
    config = '{"max_batch_size": 2, "backend": "onnxruntime"}'
    files = {"file:1/model.onnx": base64.b64encode(content).decode(), "config": config}
    assert running.infer("bare", [1, 4], "FP32", X=[1, 2, 3, 4])["Y"] == [1, 2, 3, 4]
    running.change("bare", "load", files)
    assert running.infer("bare", [1, 4], "FP32", X=[1, 2, 3, 4])["Y"] == [2, 4, 6, 8]
    assert running.get("/models/bare/config")["max_batch_size"] == 2
    running.change("bare", "load")
    assert running.infer("bare", [1, 4], "FP32", X=[1, 2, 3, 4])["Y"] == [1, 2, 3, 4]

    def parameter(name: str, number: int, value: bytes) -> list[Any]:
        return bytes_field(3, *bytes_field(1, name.encode()), *bytes_field(2, *bytes_field(number, value)))

    parts = [*parameter("file:1/model.onnx", 4, content), *parameter("config", 3, config.encode())]
    running.call("RepositoryModelLoad", *bytes_field(2, b"bare"), *parts)
    assert running.infer("bare", [1, 4], "FP32", X=[1, 2, 3, 4])["Y"] == [2, 4, 6, 8]
    running.call("RepositoryModelUnload", *bytes_field(2, b"bare"))
    assert running.index()["bare", "1"] == ("UNAVAILABLE", "unloaded")
    running.call("RepositoryModelLoad", *bytes_field(2, b"bare"))
    assert running.index()["bare", "1"] == ("READY", "")


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"file:../x": "AAAA", "config": "{}"}, "file:../x is no path in the folder of a model"),
        ({"file:1/model.onnx": "?", "config": "{}"}, "file:1/model.onnx is no base64"),
        ({"config": '{"max_batch_size": -1}'}, "'max_batch_size' must be non-negative value for simple"),
        ({"config": '{"name": "other"}'}, "the config calls the model 'other', the request 'simple'"),
    ],
)
def test_what_cannot_be_loaded_leaves_what_answers(running: Triton, parameters: dict[str, str], words: str) -> None:
    status, body = running.ask("POST", changing("simple", "load"), {"parameters": parameters})
    assert status in (400, 500)
    assert words in json.loads(body)["error"]
    assert running.infer("simple", [1, 16], "INT32", INPUT0=ROW, INPUT1=ROW)["OUTPUT1"] == [0] * 16


def test_an_ensemble_by_a_config_that_comes_with_the_request(running: Triton) -> None:
    config = running.get("/models/outer/config")
    running.change("simple", "unload")
    config["ensemble_scheduling"]["step"][1]["output_map"] = {"OUTPUT1": "SUM"}
    running.change("outer", "load", {"config": json.dumps(config)})
    assert running.infer("outer", [1, 16], "INT32", A=ROW, B=ROW)["SUM"] == [0] * 16
    config["ensemble_scheduling"]["step"][1]["model_name"] = "nobody"
    status, body = running.ask("POST", changing("outer", "load"), {"parameters": {"config": json.dumps(config)}})
    assert (status, b"depends on 'nobody', which there is not" in body) == (500, True)
    running.change("outer", "load")
    picture = '{"max_batch_size": 0, "platform": "onnxruntime_onnx"}'
    running.change("picture", "load", {"config": picture})
    assert running.get("/models/picture")["inputs"][0]["shape"] == [1, 3, 2, 2]
    running.change("picture", "load")


def test_an_ensemble_takes_its_models_with_it(running: Triton) -> None:
    running.change("outer", "unload")
    running.change("around", "unload", {"unload_dependents": True})
    assert [running.index()[name, "1"][0] for name in ("code", "simple")] == ["UNAVAILABLE", "READY"]
    running.change("ens_twice", "unload", {"unload_dependents": True})
    assert {running.index()[name, "1"] for name in ("outer", "ens_twice", "simple")} == {("UNAVAILABLE", "unloaded")}
    running.change("outer", "load")
    assert {running.index()[name, "1"] for name in ("outer", "ens_twice", "simple")} == {("READY", "")}
    assert running.infer("outer", [1, 16], "INT32", A=ROW, B=ROW)["SUM"] == [4 * n for n in ROW]
    running.change("simple", "unload")
    assert running.ask("GET", "/models/outer/ready")[0] == 400
    tensors = [{"name": n, "shape": [1, 16], "datatype": "INT32", "data": ROW} for n in "AB"]
    status, body = running.ask("POST", "/models/outer/infer", {"inputs": tensors})
    assert (status, b"service 'simple' is not loaded" in body) == (500, True)
    running.change("simple", "load")
    assert running.ask("GET", "/models/outer/ready")[0] == 200
