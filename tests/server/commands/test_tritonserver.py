"""A server by Triton's command line in explicit mode, asked what a real one was asked.

One server for everything that can be seen on one: its start is the slow part. Its models need no package onnx.
"""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc as grpcio
import pytest

from paddle_serving_client.wire.protobuf import bytes_field
from tests import triton_models
from tests.data import triton
from tests.serving import HTTP, ROOT, Server, free_port, serve
from tests.triton_models import FLOAT, SIMPLE, ensemble, onnx, put, simple

MODULE = ("-m", "paddle_serving_server.tritonserver")
A_B = {"INPUT0": "A", "INPUT1": "B"}
TWICE = ensemble(
    "ens_twice", ["A", "B"], ["TWICE_A", "TWICE_B"],
    [
        ("simple", -1, A_B, {"OUTPUT0": "s", "OUTPUT1": "d"}),
        ("simple", 1, {"INPUT0": "s", "INPUT1": "d"}, {"OUTPUT0": "TWICE_A", "OUTPUT1": "TWICE_B"}),
    ],
)  # fmt: skip
OUTER = ensemble(
    "outer", ["A", "B"], ["SUM"],
    [
        ("ens_twice", -1, {"A": "A", "B": "B"}, {"TWICE_A": "a", "TWICE_B": "b"}),
        ("simple", -1, {"INPUT0": "a", "INPUT1": "b"}, {"OUTPUT0": "SUM"}),
    ],
)  # fmt: skip
LONELY = ensemble("lonely", ["A", "B"], ["C"], [("nobody", -1, A_B, {"OUTPUT0": "C"})])
TWO_VERSIONS = """
backend: "onnxruntime" max_batch_size: 8 version_policy { all { } } instance_group [ { kind: KIND_GPU } ]
input [ { name: "X" data_type: TYPE_FP32 dims: [ 4 ] } ] output [ { name: "Y" data_type: TYPE_FP32 dims: [ 4 ] } ]
"""
PICTURE = """
name: "picture" platform: "onnxruntime_onnx"
input [ { name: "X" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [ 3, 2, 2 ] reshape { shape: [ 1, 3, 2, 2 ] } } ]
output [
  { name: "Y" data_type: TYPE_FP32 dims: [ 12 ] reshape { shape: [ 1, 3, 2, 2 ] } label_filename: "labels.txt" }
]
"""
CODE = """
backend: "python" max_batch_size: 8
input [ { name: "IN" data_type: TYPE_INT32 dims: [ 16 ] } ]
output [ { name: "OUT" data_type: TYPE_INT32 dims: [ 16 ] } ]
"""
MODEL_PY = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        arrays = [pb_utils.get_input_tensor_by_name(request, "IN").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", array * 10)]) for array in arrays]
"""
AROUND = ensemble(
    "around", ["A"], ["B", "C"],
    [
        ("code", -1, {"IN": "A"}, {"OUT": "ten"}),
        ("simple", -1, {"INPUT0": "ten", "INPUT1": "A"}, {"OUTPUT0": "B", "OUTPUT1": "C"}),
    ],
)  # fmt: skip
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
ROW = list(range(16))


def doubled(path: Path) -> Path:
    """X -> Y, twice what came."""
    tensor = (FLOAT, ("batch", 4))
    return onnx(path, {"X": tensor}, {"Y": tensor}, [("Add", ("X", "X"), ("Y",))])


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("triton") / "models"
    simple(put(root / "simple", SIMPLE) / "1" / "model.onnx")
    put(root / "ens_twice", TWICE)
    put(root / "outer", OUTER)
    put(root / "lonely", LONELY)
    triton_models.identity(put(root / "two_versions", TWO_VERSIONS) / "1" / "model.onnx")
    doubled(root / "two_versions" / "3" / "model.onnx")
    labels = "".join(f"class {n}\n" for n in range(11))
    triton_models.identity(
        put(root / "folder", PICTURE, {"labels.txt": labels}) / "1" / "model.onnx", shape=(1, 3, 2, 2)
    )
    triton_models.identity(root / "bare" / "1" / "model.onnx")
    put(root / "pointer", None, {"1/model.onnx": POINTER})
    put(root / "code", CODE, {"1/model.py": MODEL_PY})
    put(root / "around", AROUND)
    return root


def changing(model: str, verb: str) -> str:
    return f"/repository/models/{model}/{verb}"


class Triton:
    """A server, and its addresses."""

    def __init__(self, server: Server, grpc: int, metrics: int) -> None:
        self.server = server
        self.channel = grpcio.insecure_channel(f"127.0.0.1:{grpc}")
        self.metrics = f"http://127.0.0.1:{metrics}/metrics"

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        reply = HTTP.request(method, f"{self.server.url}/v2{path}", body=raw, headers=headers)
        return reply.status, reply.data

    def get(self, path: str) -> Any:
        status, body = self.ask("GET", path)
        assert status == 200, body
        return json.loads(body)

    def post(self, path: str, body: Any = None) -> Any:
        status, text = self.ask("POST", path, body)
        assert status == 200, text
        return json.loads(text) if text else None

    def change(self, model: str, verb: str, parameters: dict[str, Any] | None = None) -> None:
        self.post(changing(model, verb), {"parameters": parameters} if parameters else None)

    def index(self, **asked: bool) -> dict[tuple[str, str], tuple[str, str]]:
        """State and reason, by name and version."""
        found = self.post("/repository/index", asked or None)
        return {(e["name"], e.get("version", "")): (e.get("state", ""), e.get("reason", "")) for e in found}

    def infer(self, model: str, shape: list[int], datatype: str, **inputs: list[Any]) -> dict[str, list[Any]]:
        tensors = [{"name": n, "shape": shape, "datatype": datatype, "data": data} for n, data in inputs.items()]
        found = self.post(f"/models/{model}/infer", {"inputs": tensors})
        return {output["name"]: output["data"] for output in found["outputs"]}

    def call(self, method: str, *parts: Any) -> bytes:
        path = f"/inference.GRPCInferenceService/{method}"
        found: bytes = self.channel.unary_unary(path)(b"".join(parts), timeout=60)
        return found


@pytest.fixture(scope="module")
def running(repository: Path) -> Iterator[Triton]:
    ports = free_port(), free_port()
    flags = [f"--model-repository={repository}", f"--grpc-port={ports[0]}", f"--metrics-port={ports[1]}", "--tune=off"]
    flags += ["--model-control-mode=explicit", "--load-model=*", "--exit-on-error=false", "--http-thread-count=8"]
    with serve(repository.parent, *flags, command=MODULE, port_flag="--http-port") as server:
        found = Triton(server, *ports)
        yield found
        found.channel.close()


def test_what_is_there_and_why_something_is_not(running: Triton) -> None:
    assert running.get("")["name"] == "triton"  # which examples of its clients look for
    index = running.index()
    names = ("around", "bare", "code", "ens_twice", "outer", "picture", "simple", "two_versions")
    ready = [*((name, "1") for name in names), ("two_versions", "3")]
    assert [key for key, (state, _) in index.items() if state == "READY"] == ready
    assert list(running.index(ready=True)) == ready
    assert index["pointer", "1"][0] == index["lonely", "1"][0] == "UNAVAILABLE"
    assert "is a Git LFS pointer" in index["pointer", "1"][1]
    assert "depends on 'nobody', which there is not" in index["lonely", "1"][1]
    status, body = running.ask("GET", "/models/pointer")
    assert (status, json.loads(body)["error"]) == (
        404, "Request for unknown model: 'pointer' has no available versions"
    )  # fmt: skip
    assert running.ask("GET", "/health/ready")[0] == 503  # not all of them are
    log = running.server.log
    assert log.count("--http-thread-count is without effect") == 1
    assert "model 'two_versions': instance_group two_versions_0: KIND_GPU; this machine has no GPU" in log
    assert "model 'picture': its config calls it 'picture', and so do callers; its folder is 'folder'" in log


def test_versions(running: Triton) -> None:
    assert running.get("/models/two_versions")["versions"] == ["1", "3"]
    assert running.get("/models/two_versions/versions/1")["versions"] == ["1"]
    assert running.get("/models/two_versions/config")["version_policy"] == {"all": {}}
    answers = [
        running.infer(f"two_versions{at}", [1, 4], "FP32", X=[1, 2, 3, 4])["Y"]
        for at in ("", "/versions/1", "/versions/3")
    ]
    assert answers == [[2, 4, 6, 8], [1, 2, 3, 4], [2, 4, 6, 8]]
    status, body = running.ask("GET", "/models/two_versions/versions/2")
    assert (status, body) == (404, b'{"error":"Request for unknown model: \'two_versions\' version 2 is not found"}')


def test_a_model_takes_and_gives_the_shapes_of_its_config(running: Triton) -> None:
    metadata = running.get("/models/picture")
    assert (metadata["inputs"][0]["shape"], metadata["outputs"][0]["shape"]) == ([3, 2, 2], [12])
    values = [float(n) for n in range(12)]
    assert running.infer("picture", [3, 2, 2], "FP32", X=values) == {"Y": values}
    body: dict[str, list[dict[str, Any]]]
    body = {"inputs": [{"name": "X", "shape": [1, 3, 2, 2], "datatype": "FP32", "data": values}]}
    status, text = running.ask("POST", "/models/picture/infer", body)
    assert (status, b"Expected [3,2,2], got [1,3,2,2]" in text) == (400, True)
    body["inputs"][0]["shape"] = [3, 2, 2]
    body["outputs"] = [{"name": "Y", "parameters": {"classification": 2}}]
    (output,) = running.post("/models/picture/infer", body)["outputs"]
    assert (output["shape"], output["data"]) == ([2], ["11.000000:11", "10.000000:10:class 10"])


def test_a_config_is_filled_in_and_its_largest_batch_is_kept_to(running: Triton) -> None:
    config = running.get("/models/bare/config")
    assert (config["platform"], config["max_batch_size"], config["input"][0]["dims"]) == ("onnxruntime_onnx", 4, [4])
    body = {"inputs": [{"name": "X", "shape": [5, 4], "datatype": "FP32", "data": [0.0] * 20}]}
    status, text = running.ask("POST", "/models/bare/infer", body)
    assert (status, b"inference request batch-size must be <= 4 for 'bare'" in text) == (400, True)


@pytest.mark.parametrize("name", ["err_batch_too_big", "err_batch_mismatch", "model_meta_v1", "config"])
def test_what_triton_answered_of_a_model_with_a_config(running: Triton, name: str) -> None:
    case = triton.http()[name]
    status, body = running.ask(case.method, case.path.removeprefix("/v2"), case.body, case.headers)
    assert status == case.status
    if name != "config":
        assert body == case.answer
        return
    ours, theirs = json.loads(body), json.loads(case.answer)
    assert {key for key in ours if ours[key] != theirs.get(key)} == {"runtime"}
    assert theirs.keys() == ours.keys()


OTHERS = {
    "infer": "the other order of outputs, without parameters of sequences",
    "infer_one_out": "the same",
    "infer_id_params": "the same",
    "err_shape": "without the advice about max_batch_size",
    "config": "the fields of newer versions, and one that is deprecated",
}


@pytest.mark.parametrize("name", triton.http("ensemble"))
def test_what_triton_answered_of_an_ensemble(running: Triton, name: str) -> None:
    case = triton.http("ensemble")[name]
    status, body = running.ask(case.method, case.path.removeprefix("/v2"), case.body, case.headers)
    assert status == case.status, body
    if name not in OTHERS:
        assert body == case.answer or name == "ready"
        return
    ours, theirs = json.loads(body), json.loads(case.answer)
    if name.startswith("infer"):
        assert sorted(map(str, ours["outputs"])) == sorted(map(str, theirs["outputs"]))
        assert ours.get("id") == theirs.get("id")
    elif name == "config":
        steps = [{k: s[k] for k in s if k != "model_namespace"} for s in theirs["ensemble_scheduling"]["step"]]
        assert [{k: s[k] for k in s if k != "model_namespace"} for s in ours["ensemble_scheduling"]["step"]] == steps
        assert (ours["platform"], ours["max_batch_size"]) == (theirs["platform"], theirs["max_batch_size"])
    else:
        assert ours["error"][:90] == theirs["error"][:90]


def test_an_ensemble_of_ensembles_and_the_stages_of_its_steps(running: Triton) -> None:
    tensors = [{"name": n, "shape": [1, 16], "datatype": "INT32", "data": ROW} for n in "AB"]
    reply = HTTP.request(
        "POST", f"{running.server.url}/v2/models/outer/infer", body=json.dumps({"inputs": tensors}).encode(),
        headers={"X-Profile": "1"},
    )  # fmt: skip
    assert json.loads(reply.data)["outputs"][0]["data"] == [4 * n for n in ROW]
    for stage in ("ens_twice.simple.1.infer", "ens_twice.simple.2.queue", "simple.infer"):
        assert f"{stage};dur=" in reply.headers["Server-Timing"]
    assert set(running.infer("outer", [1, 16], "INT32", A=ROW, B=ROW)) == {"SUM"}


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


def test_metrics_have_an_address_of_their_own(running: Triton) -> None:
    assert HTTP.request("GET", running.metrics).status == 200
    assert HTTP.request("GET", running.metrics.replace("/metrics", "/v2")).status == 404


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--model-repository={root}"], "error: failed to load 'lonely': ensemble 'lonely' depends on 'nobody'"),
        (["--model-repository=/nowhere"], "failed to stat file /nowhere: there is no such folder"),
        (["--model-repository={root}", "--no-such-flag=1"], "there is no flag --no-such-flag"),
        (["--model-repository={root}", "--map=x"], "--map is FOLDER=DIR"),
        ([], "--model-repository is missing"),
    ],
)
def test_a_command_line_that_cannot_be_served(repository: Path, flags: list[str], words: str) -> None:
    command = [sys.executable, *MODULE, *(flag.format(root=repository) for flag in flags)]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, text=True)
    assert done.returncode == 2
    assert words in done.stderr
