"""`generate` and `generate_stream`: a real Triton's recorded answers, models that answer in parts, and errors."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.data import triton
from tests.serving import HTTP, Server, free_port, serve
from tests.triton_models import STRING, onnx, put

MODULE = ("-m", "paddle_serving_server.tritonserver")
STRINGS = """
backend: "onnxruntime" max_batch_size: 8
input [ { name: "INPUT0" data_type: TYPE_STRING dims: [ LENGTH ] } ]
output [ { name: "OUTPUT0" data_type: TYPE_STRING dims: [ LENGTH ] } ]
"""
WORDS = """
backend: "python" model_transaction_policy { decoupled: true }
input [ { name: "text_input" data_type: TYPE_STRING dims: [ 1 ] } ]
output [ { name: "text_output" data_type: TYPE_STRING dims: [ 1 ] } ]
"""
WORDS_MODEL = '''
import json
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    """Each word of a text is an answer; "fail" is an error."""
    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            text = pb_utils.get_input_tensor_by_name(request, "text_input").as_numpy()[0].decode()
            for word in text.split():
                word = word + json.loads(request.parameters() or "{}").get("suffix", "")
                if word == "fail":
                    sender.send(pb_utils.InferenceResponse(error=pb_utils.TritonError("cannot say that")))
                    break
                sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("text_output", np.array([word], object))]))
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
'''


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("triton") / "models"
    for name, length in (("simple_identity", -1), ("onnx_zero_1_object_1_element", 1)):
        folder = put(root / name, STRINGS.replace("LENGTH", str(length)))
        tensor = (STRING, ("batch", "n" if length < 0 else length))
        onnx(folder / "1/model.onnx", {"INPUT0": tensor}, {"OUTPUT0": tensor}, [("Identity", ["INPUT0"], ["OUTPUT0"])])
    put(root / "words", WORDS, {"1/model.py": WORDS_MODEL})
    flags = [f"--model-repository={root}", f"--grpc-port={free_port()}", "--allow-metrics=false", "--tune=off"]
    with serve(root.parent, *flags, command=MODULE, port_flag="--http-port") as server:
        yield server


def ask(server: Server, path: str, body: Any) -> tuple[int, str, bytes]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    reply = HTTP.request("POST", server.url + path, body=raw)
    return reply.status, reply.headers["Content-Type"], reply.data


def events(said: bytes) -> list[Any]:
    *parts, end = said.decode().split("\n\n")
    assert end == "" and all(part.startswith("data: ") for part in parts)
    return [json.loads(part.removeprefix("data: ")) for part in parts]


@pytest.mark.parametrize("name", triton.http("generate"))
def test_what_triton_answered(running: Server, name: str) -> None:
    case = triton.http("generate")[name]
    assert ask(running, case.path, case.body) == (case.status, case.answer_headers["Content-Type"], case.answer)


def test_each_part_is_an_event(running: Server) -> None:
    body = {"text_input": "one two three", "id": "7", "parameters": {"suffix": "!"}}
    status, kind, said = ask(running, "/v2/models/words/generate_stream", body)
    assert (status, kind) == (200, "text/event-stream; charset=utf-8")
    about = {"model_name": "words", "model_version": "1", "id": "7"}
    assert events(said) == [{"text_output": word, **about} for word in ("one!", "two!", "three!")]


def test_an_error_is_the_status_before_the_first_part_and_an_event_behind_it(running: Server) -> None:
    status, _, said = ask(running, "/v2/models/words/versions/1/generate_stream", {"text_input": "fail"})
    assert (status, json.loads(said)) == (500, {"error": "cannot say that"})
    status, _, said = ask(running, "/v2/models/words/generate_stream", {"text_input": "one fail two"})
    assert status == 200
    first, error = events(said)
    assert (first["text_output"], error) == ("one", {"error": "cannot say that"})


@pytest.mark.parametrize("text", ["", "one two", "one two three"])
def test_generate_gives_one_answer_or_an_error(running: Server, text: str) -> None:
    status, _, said = ask(running, "/v2/models/words/generate", {"text_input": text})
    assert status == 400 and b"generate expects model to produce exactly 1 response" in said
    status, _, said = ask(running, "/v2/models/words/generate", {"text_input": "one"})
    assert (status, json.loads(said)["text_output"]) == (200, "one")


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("simple_identity/generate", b"[", 500, "failed to parse the request JSON buffer"),
        ("simple_identity/generate", b"[]", 500, "JSON non-object as object"),
        ("simple_identity/generate", {"INPUT0": "a", "x": [1]}, 400, "'x' is no input of the model (INPUT0)"),
        ("simple_identity/generate_stream", {"INPUT0": 1}, 500, "non-string as string"),
        ("onnx_zero_1_object_1_element/generate", {"INPUT0": ["a", "b"]}, 400, "do not fill one row of shape [1]"),
        ("simple_identity/versions/2/generate", {"INPUT0": "a"}, 404, "version 2 is not found"),
    ],
)
def test_what_is_wrong_is_said(running: Server, path: str, body: Any, status: int, text: str) -> None:
    got, _, said = ask(running, f"/v2/models/{path}", body)
    assert (got, text in json.loads(said)["error"]) == (status, True), said


def test_another_method(running: Server) -> None:
    reply = HTTP.request("GET", f"{running.url}/v2/models/words/generate")
    assert (reply.status, reply.json()) == (405, {"error": "Method Not Allowed"})
