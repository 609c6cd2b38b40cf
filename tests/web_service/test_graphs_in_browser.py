"""Services of a Triton repository, an ensemble and user code among them: a form, and examples that are answered."""

import json
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests import models
from tests.serving import HTTP, Server, free_port, serve

Visit = Callable[..., Page]
NAMES = ("price", "twice", "both")
TWICE = """
name: "twice" backend: "python" max_batch_size: 8
input [{name: "x" data_type: TYPE_FP32 dims: [13]}]
output [{name: "y" data_type: TYPE_FP32 dims: [13]}]
"""
CODE = """
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(pb_utils.get_input_tensor_by_name(request, "x").as_numpy()) for request in requests]

    def answer(self, x):
        return pb_utils.InferenceResponse(output_tensors=[pb_utils.Tensor("y", 2 * x)])
"""
BOTH = """
name: "both" platform: "ensemble" max_batch_size: 8
input [{name: "facts" data_type: TYPE_FP32 dims: [13]}]
output [{name: "out" data_type: TYPE_FP32 dims: [1]}]
ensemble_scheduling {
  step [{model_name: "twice" model_version: -1 input_map {key: "x" value: "facts"} output_map {key: "y" value: "t"}},
        {model_name: "price" model_version: -1 input_map {key: "x" value: "t"}
         output_map {key: "fc_0.tmp_1" value: "out"}}]
}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("repository")
    model, repository = models.uci(folder / "uci"), folder / "repository"
    for name in NAMES:
        (repository / name / "1").mkdir(parents=True)
    for file in ("model.pdmodel", "model.pdiparams"):
        shutil.copy(model / file, repository / "price" / "1" / file)
    (repository / "twice" / "config.pbtxt").write_text(TWICE)
    (repository / "twice" / "1" / "model.py").write_text(CODE)
    (repository / "both" / "config.pbtxt").write_text(BOTH)
    command = ("-m", "paddle_serving_server.tritonserver")
    flags = (f"--model-repository={repository}", "--allow-grpc=false", f"--metrics-port={free_port()}", "--tune=off")
    with serve(folder, *flags, command=command, port_flag="--http-port") as running:
        yield running


@pytest.mark.parametrize("name", NAMES)
def test_the_example_is_answered_and_so_is_the_first_click(server: Server, visit: Visit, name: str) -> None:
    example = HTTP.request("GET", f"{server.url}/services/{name}/example")
    headers = {"Content-Type": example.headers["Content-Type"]}
    reply = HTTP.request("POST", f"{server.url}/{name}/prediction", body=example.data, headers=headers)
    assert reply.status == 200, reply.data
    page = visit(f"{server.url}/#{name}")
    expect(page.locator("#form input")).to_have_count(13)
    page.get_by_role("button", name="Predict").click()
    page.locator("#numbers-result .output").wait_for()
    (result,) = json.loads(reply.data)["result"].values()
    expect(page.locator("#numbers-result .output")).to_contain_text(f"{result[0][0]:.6g}")
