"""A server by Triton's command line: its models, versions and ensembles, asked what a real one was asked.

One server for everything that can be seen on one: its start is the slow part. Its models need no package onnx.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import triton_models
from tests.data import triton
from tests.server.commands import triton_repository
from tests.server.commands.triton_repository import A_B, MODULE, ROW, Triton, doubled
from tests.serving import HTTP, ROOT
from tests.triton_models import ensemble, put

LONELY = ensemble("lonely", ["A", "B"], ["C"], [("nobody", -1, A_B, {"OUTPUT0": "C"})])
TWO_VERSIONS = """
backend: "onnxruntime" max_batch_size: 8 version_policy { all { } } instance_group [ { kind: KIND_GPU } ]
input [ { name: "X" data_type: TYPE_FP32 dims: [ 4 ] } ] output [ { name: "Y" data_type: TYPE_FP32 dims: [ 4 ] } ]
"""
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = triton_repository.written(tmp_path_factory.mktemp("triton") / "models")
    put(root / "lonely", LONELY)
    put(root / "pointer", None, {"1/model.onnx": POINTER})
    triton_models.identity(put(root / "two_versions", TWO_VERSIONS) / "1" / "model.onnx")
    doubled(root / "two_versions" / "3" / "model.onnx")
    return root


@pytest.fixture(scope="module")
def running(repository: Path) -> Iterator[Triton]:
    with triton_repository.running(repository, "--http-thread-count=8") as found:
        yield found


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
