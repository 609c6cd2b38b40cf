"""What dashboards made for Triton find at the port of metrics: its names, labels, types and words, and true numbers."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import triton_models
from tests.data.triton import HERE
from tests.serving import HTTP, Server, free_port, serve
from tests.triton_models import SIMPLE, ensemble, put, simple

MODULE = ("-m", "paddle_serving_server.tritonserver")
TWO_VERSIONS = """
backend: "onnxruntime" max_batch_size: 8 version_policy { all { } } metric_tags { key: "team" value: "a \\"b\\"" }
input [ { name: "X" data_type: TYPE_FP32 dims: [ 4 ] } ] output [ { name: "Y" data_type: TYPE_FP32 dims: [ 4 ] } ]
"""
PASSED_ON = {"INPUT0": "A", "INPUT1": "B"}
TWICE = ensemble(
    "twice", ["A", "B"], ["C"],
    [("simple", -1, PASSED_ON, {"OUTPUT0": "s"}), ("simple", -1, {"INPUT0": "s", "INPUT1": "s"}, {"OUTPUT0": "C"})],
)  # fmt: skip
PYTHON = """
backend: "python" max_batch_size: 8 DECOUPLED
input [ { name: "X" data_type: TYPE_FP32 dims: [ 4 ] } ] output [ { name: "Y" data_type: TYPE_FP32 dims: [ 4 ] } ]
"""
RAISES = """
class TritonPythonModel:
    def execute(self, requests):
        raise ValueError("boom")
"""
REPEATS = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            x = pb_utils.get_input_tensor_by_name(request, "X").as_numpy()
            for _ in range(3):
                sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("Y", x)]))
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""
NOT_OURS = {"nv_pinned_memory_pool_total_bytes", "nv_pinned_memory_pool_used_bytes"}
"""There is no such pool here."""


class Triton:
    """A server, and what it counts."""

    def __init__(self, server: Server, port: int) -> None:
        self.server = server
        self.url = f"http://127.0.0.1:{port}/metrics"

    def infer(self, model: str, rows: int, length: int, datatype: str, *names: str) -> None:
        tensors = [
            {"name": n, "shape": [rows, length], "datatype": datatype, "data": [1] * rows * length} for n in names
        ]
        reply = HTTP.request("POST", f"{self.server.url}/v2/models/{model}/infer", body=json.dumps({"inputs": tensors}))
        assert reply.status == 200, reply.data

    def text(self) -> str:
        reply = HTTP.request("GET", self.url)
        assert reply.status == 200
        return reply.data.decode()

    def values(self, model: str, version: str = "1") -> dict[str, float]:
        """By the name of a metric, and the reason behind it where there is one."""
        found = {}
        for line in self.text().splitlines():
            if line.startswith("nv_") and f'model="{model}"' in line and f'version="{version}"' in line:
                reason = re.search(r'reason="(.*?)"', line)
                found[line.partition("{")[0] + (f" {reason[1]}" if reason else "")] = float(line.rpartition(" ")[2])
        return found

    def statistics(self, model: str) -> Any:
        (found,) = json.loads(HTTP.request("GET", f"{self.server.url}/v2/models/{model}/stats").data)["model_stats"]
        return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    root = tmp_path_factory.mktemp("triton") / "models"
    simple(put(root / "simple", SIMPLE) / "1" / "model.onnx")
    put(root / "twice", TWICE)
    for version in "13":
        triton_models.identity(put(root / "two_versions", TWO_VERSIONS) / version / "model.onnx")
    put(root / "raises", PYTHON.replace("DECOUPLED", ""), {"1/model.py": RAISES})
    decoupled = PYTHON.replace("DECOUPLED", "model_transaction_policy { decoupled: true }")
    put(root / "repeats", decoupled, {"1/model.py": REPEATS})
    metrics = free_port()
    flags = [f"--model-repository={root}", f"--grpc-port={free_port()}", f"--metrics-port={metrics}", "--tune=off"]
    with serve(root.parent, *flags, command=MODULE, port_flag="--http-port") as server:
        yield Triton(server, metrics)


def heads(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(("# HELP nv_", "# TYPE nv_"))]


def labels(text: str, model: str) -> set[str]:
    """Each sample of a model, without its value."""
    return {line.rpartition(" ")[0] for line in text.splitlines() if f'model="{model}"' in line}


def test_names_types_words_and_labels_are_those_of_a_real_triton(running: Triton) -> None:
    recorded = (HERE / "metrics.txt").read_text()
    wanted = [line for line in heads(recorded) if line.split()[2] not in NOT_OURS]
    ours = running.text()
    assert heads(ours) == wanted
    its = {line for line in labels(ours, "simple") if line.startswith("nv_")}
    assert its == labels(recorded, "simple")
    versions = {line for line in labels(ours, "two_versions") if line.startswith("nv_")}
    tag = r'_team="a \"b\"",'
    assert {line.replace(tag, "") for line in versions} == labels(recorded, "two_versions")
    assert all(tag in line for line in versions)
    list(text_string_to_metric_families(ours))  # all of it can be read


def test_requests_rows_and_batches_are_counted_apart(running: Triton) -> None:
    before = running.values("simple")
    for rows in (1, 3, 3):
        running.infer("simple", rows, 16, "INT32", "INPUT0", "INPUT1")
    after = running.values("simple")
    grown = {name: after[name] - before[name] for name in after}
    assert grown["nv_inference_request_success"] == 3
    assert grown["nv_inference_count"] == 7
    assert grown["nv_inference_exec_count"] == 3
    assert grown["nv_inference_pending_request_count"] == 0
    times = [grown[f"nv_inference_{part}_duration_us"] for part in
             ("queue", "compute_input", "compute_infer", "compute_output")]  # fmt: skip
    assert all(us >= 0 for us in times) and times[2] > 0
    assert sum(times) <= grown["nv_inference_request_duration_us"]
    assert not any(n for name, n in after.items() if name.startswith("nv_inference_request_failure"))


def test_statistics_say_the_same(running: Triton) -> None:
    running.infer("simple", 3, 16, "INT32", "INPUT0", "INPUT1")
    counted, said = running.values("simple"), running.statistics("simple")
    assert said["inference_count"] == counted["nv_inference_count"]
    assert said["execution_count"] == counted["nv_inference_exec_count"]
    assert said["inference_stats"]["success"]["count"] == counted["nv_inference_request_success"]
    for part, name in (("queue", "queue"), ("compute_infer", "compute_infer"), ("success", "request")):
        assert said["inference_stats"][part]["ns"] == 1000 * counted[f"nv_inference_{name}_duration_us"]
    by_size = {b["batch_size"]: b for b in said["batch_stats"]}
    assert by_size[3]["compute_infer"]["count"] >= 1 and by_size[3]["compute_infer"]["ns"] > 0
    assert sum(b["compute_infer"]["count"] for b in by_size.values()) == said["execution_count"]
    assert sum(size * b["compute_infer"]["count"] for size, b in by_size.items()) == said["inference_count"]


def test_each_version_counts_for_itself(running: Triton) -> None:
    before = [running.values("two_versions", version)["nv_inference_count"] for version in "13"]
    running.infer("two_versions/versions/1", 2, 4, "FP32", "X")
    after = [running.values("two_versions", version)["nv_inference_count"] for version in "13"]
    assert after == [before[0] + 2, before[1]]
    reply = HTTP.request("GET", f"{running.server.url}/v2/models/two_versions/stats")
    assert [model["version"] for model in json.loads(reply.data)["model_stats"]] == ["1", "3"]


def test_an_ensemble_counts_its_requests_and_its_models_theirs(running: Triton) -> None:
    before = running.values("twice"), running.values("simple")
    running.infer("twice", 2, 16, "INT32", "A", "B")
    after = running.values("twice"), running.values("simple")
    grown = [
        [b[f"nv_inference_{name}"] - a[f"nv_inference_{name}"] for name in ("request_success", "count", "exec_count")]
        for a, b in zip(before, after, strict=True)
    ]
    assert grown == [[1, 2, 1], [2, 4, 2]]
    infer_us = after[0]["nv_inference_compute_infer_duration_us"] - before[0]["nv_inference_compute_infer_duration_us"]
    assert infer_us > 0


def test_what_user_code_fails_at_is_a_failure_of_the_backend(running: Triton) -> None:
    body = {"inputs": [{"name": "X", "shape": [2, 4], "datatype": "FP32", "data": [0.0] * 8}]}
    reply = HTTP.request("POST", f"{running.server.url}/v2/models/raises/infer", body=json.dumps(body))
    assert reply.status == 500
    found = running.values("raises")
    assert found["nv_inference_request_failure BACKEND"] == 1
    assert found["nv_inference_request_success"] == found["nv_inference_count"] == 0


def test_an_answer_in_parts_is_one_request(running: Triton) -> None:
    body = json.dumps({"X": [1, 2, 3, 4]})
    reply = HTTP.request("POST", f"{running.server.url}/v2/models/repeats/generate_stream", body=body)
    assert reply.data.count(b"data: ") == 3
    found = running.values("repeats")
    counts = [found[f"nv_inference_{name}"] for name in ("request_success", "count", "exec_count")]
    assert counts == [1, 1, 1]
    assert found["nv_inference_pending_request_count"] == 0
