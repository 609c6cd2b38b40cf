"""TensorFlow Serving's REST API and gRPC services, over a model that runs in this process.

The answers of `half_plus_two` are those of tensorflow/serving's own tests: http_rest_api_handler_test.cc and
tensorflow_model_server_test.py.
"""

import asyncio
import contextlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_client.wire import protobuf
from paddle_serving_client.wire.grpc import Status
from paddle_serving_client.wire.tfserving import Wanted
from paddle_serving_client.wire.tfserving_proto import PredictRequest
from paddle_serving_server.config.listening import Listening
from paddle_serving_server.config.values import Limits
from paddle_serving_server.dataplane import tfserving_calls
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.engine.variants import VariantsEngine
from paddle_serving_server.protocols.grpc.methods import GrpcCall, Methods, Reply
from paddle_serving_server.services.web_service import WebService
from paddle_serving_server.user_code.threads import Threads
from tests import models, tfserving_messages
from tests.server.catalogues import catalogue_of
from tests.server.protocols.transport import Ask, serving

PREDICT = "/v1/models/model:predict"


class Counts(WebService):
    """A service without a model."""

    def load_model_config(self, *folders: Any) -> None: ...

    def bind(self, engines: Any, threads: Any) -> None:
        super().bind({}, threads)

    def preprocess(self, feed: Any = (), fetch: Any = ()) -> tuple[Any, ...]:
        return {}, fetch, True


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.half_plus_two(tmp_path_factory.mktemp("half") / "half_plus_two")


@pytest.fixture(scope="module")
def ask(folder: Path) -> Iterator[Ask]:
    with serving(folder, WebService("model"), Counts("counts")) as ask:
        yield ask


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """The same model for rows of two."""
    with serving(models.half_plus_two(tmp_path_factory.mktemp("pairs") / "m", axes=(2,)), WebService("model")) as ask:
        yield ask


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """A model with three inputs of three types."""
    with serving(models.multi(tmp_path_factory.mktemp("multi") / "m"), WebService("m")) as ask:
        yield ask


def said(ask: Ask, method: str, path: str, body: str | bytes = "", headers: str = "") -> tuple[int, Any]:
    """Status, and the body as JSON, where NaN is a number."""
    raw = body.encode() if isinstance(body, str) else body
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(raw)}\r\n\r\n"
    answer, _ = ask(head.encode() + raw)
    return int(answer.split(b" ", 2)[1]), json.loads(answer.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("GET", "/v1/foo", "", 400, "Malformed request: GET /v1/foo"),
        ("POST", "/v1/foo", "", 400, "Malformed request"),
        ("GET", "/v1/models", "", 400, "Missing model name"),
        ("GET", "/v1/models/debug/model_name", "", 400, "Malformed request"),
        ("POST", "/v1/models", "", 400, "Malformed request"),
        ("GET", "/v1/models/foo:predict", "", 400, "Malformed request"),
        ("GET", "/v1/models/foo", "", 404, "Could not find any versions of model foo"),
        ("GET", "/v1/models/model/versions/7", "", 404, "Could not find version 7 of model model"),
        ("POST", "/v1/models/foo/version/50:regress", "", 400, "Malformed request"),
        ("POST", "/v1/models/foo/versions/HELLO:regress", "", 400, "Malformed request"),
        ("POST", "/v1/models/foo/versions/99999999999999999999:regress", "", 400, "Failed to convert version"),
        ("POST", "/v1/models/foo/metadata", "", 400, "Malformed request"),
        ("POST", "/v1/models/foo/label/some_label:regress", "", 400, "Malformed request"),
        ("POST", "/v1/models/foo/versions/50/labels/some_label:regress", "", 400, "Malformed request"),
        ("POST", "/v1/models/model%3Apredict", "{}", 400, "Malformed request"),
        ("POST", "/v1/models/:predict", "{}", 400, "Malformed request"),
        ("POST", "/v1/models/foo:predict", '{ "instances": [1] }', 404, "Servable not found for request: Latest(foo)"),
        ("POST", "/v1/models/a%3Ab:predict", '{ "instances": [1] }', 400, "Malformed request"),
        ("POST", "/v1/models/model/versions/50:predict", '{ "instances": [1] }', 404, "Specific(model, 50)"),
        ("POST", "/v1/models/model/labels/canary:predict", '{ "instances": [1] }', 400, "version label: canary"),
        ("POST", PREDICT, "", 400, "JSON Parse error: The document is empty"),
        ("POST", PREDICT, "this is not json", 400, "JSON Parse error: Invalid value"),
        ("POST", PREDICT, "[1]", 400, "Is not object"),
        ("POST", PREDICT, '{ "instances": ["x", "y"] }', 400, "not of expected type: float"),
        ("POST", PREDICT, '{ "instances": [true] }', 400, "Type: True is not of expected type: float"),
        ("POST", PREDICT, '{ "instances": [{"b64": "aGk="}] }', 400, "Type: Object is not of expected type: float"),
        ("POST", PREDICT, '{ "instances": [1, [2]] }', 400, "element: 1 of 'instances' list"),
        ("POST", PREDICT, '{ "instances": [[1, 2], [3]] }', 400, "Expecting shape [2] but got: [1]"),
        ("POST", PREDICT, '{ "instances": [] }', 400, "No values in 'instances' array"),
        ("POST", PREDICT, '{ "instances": 1 }', 400, "to be an list/array"),
        ("POST", PREDICT, '{ "instances": [{"z": 1}] }', 400, "keys must be equal to: x"),
        ("POST", PREDICT, '{ "instances": [{"x": 1}, 2] }', 400, "Expecting object but got list at item 1"),
        ("POST", PREDICT, '{ "instances": [1], "inputs": [1] }', 400, "only one of"),
        ("POST", PREDICT, '{ "instances": [16777217] }', 400, "without loss of precision"),
        ("POST", PREDICT, '{ "inputs": {"z": [1]} }', 400, "Missing named input: x in 'inputs' object."),
        ("POST", PREDICT, "{}", 400, "Missing 'inputs' or 'instances' key"),
        ("POST", PREDICT, '{ "signature_name": 100 }', 400, "'signature_name' key must be a string value"),
        ("POST", PREDICT, '{ "signature_name": "other", "instances": [1] }', 400, '"other" not found in signature'),
        ("POST", "/v1/models/model:regress", "{}", 400, "'examples' is expected"),
        ("POST", "/v1/models/model:regress", '{"examples": []}', 400, "is an empty array"),
        ("POST", "/v1/models/model:regress", '{"examples": [1]}', 400, "Example must be JSON object"),
        ("POST", "/v1/models/model:classify", '{"examples": [{"z": 1}]}', 400, "keys must be equal to: x"),
        ("POST", "/v1/models/counts:predict", '{"instances": [1]}', 501, "takes no tensors"),
    ],
)
def test_errors(ask: Ask, method: str, path: str, body: str, status: int, words: str) -> None:
    got, answer = said(ask, method, path, body)
    assert (got, list(answer)) == (status, ["error"])
    assert words in answer["error"]


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (PREDICT, '{"instances": [1.0, 2.0]}', {"predictions": [2.5, 3.0]}),
        (PREDICT, '{"instances": [1, 2.0]}', {"predictions": [2.5, 3.0]}),
        (PREDICT, '{"instances": [{"x": 1}, {"x": 2}]}', {"predictions": [2.5, 3.0]}),
        ("/v1/models/model/versions/1:predict", '{"instances": [1.0, 2.0]}', {"predictions": [2.5, 3.0]}),
        ("/v1/models/model/versions/0001:predict", '{"instances": [1.0, 2.0]}', {"predictions": [2.5, 3.0]}),
        ("/v1/models/model/labels/stable:predict", '{"instances": [1.0, 2.0]}', {"predictions": [2.5, 3.0]}),
        ("/v1/models/mod%65l:predict", '{"instances": [1.0, 2.0]}', {"predictions": [2.5, 3.0]}),
        (PREDICT, '{"signature_name": "serving_default", "instances": [3.0, 4.0]}', {"predictions": [3.5, 4.0]}),
        (PREDICT, '{"signature_name": "serving_default", "inputs": [3.0, 4.0]}', {"outputs": [3.5, 4.0]}),
        (PREDICT, '{"inputs": {"x": [3.0, 4.0], "more": 1}}', {"outputs": [3.5, 4.0]}),
        ("/v1/models/model:regress", '{"examples": [{"x": 80.0}]}', {"results": [42]}),
        ("/v1/models/model:regress", '{"context": {"x": [80]}, "examples": [{}, {"x": 2}]}', {"results": [42, 3]}),
        ("/v1/models/model:classify", '{"examples": [{"x": 20.0}]}', {"results": [[["", 12]]]}),
    ],
)
def test_answers(ask: Ask, path: str, body: str, expected: Any) -> None:
    for headers in ("", "Content-Type: application/x-www-form-urlencoded\r\n"):
        assert said(ask, "POST", path, body, headers) == (200, expected)


def test_rows_of_two(pairs: Ask) -> None:
    rows = {"predictions": [[2.5, 3.0], [3.5, 4.0]]}
    assert said(pairs, "POST", PREDICT, '{"instances": [[1.0, 2.0], [3.0, 4.0]]}') == (200, rows)
    status, answer = said(pairs, "POST", PREDICT, '{"instances": [[1.0, 2.0, 3.0]]}')
    assert (status, "axis" in answer["error"]) == (400, True)
    classes = {"results": [[["", 2.5], ["", 3.0]]]}
    assert said(pairs, "POST", "/v1/models/model:classify", '{"examples": [{"x": [1, 2]}]}') == (200, classes)
    status, answer = said(pairs, "POST", "/v1/models/model:regress", '{"examples": [{"x": [1, 2]}]}')
    assert (status, "one number for each example" in answer["error"]) == (400, True)


def test_numbers_that_json_does_not_have(ask: Ask) -> None:
    raw, _ = ask(_post(PREDICT, b'{"instances": [NaN, Infinity, -Infinity, 0.2]}'))
    assert raw.endswith(b'{\n    "predictions": [NaN,Infinity,-Infinity,2.1\n    ]\n}')
    status, answer = said(ask, "POST", PREDICT, '{"inputs": [NaN, 1]}')
    assert status == 200
    assert math.isnan(answer["outputs"][0])


def test_several_inputs_and_outputs(several: Ask) -> None:
    one = {"f": [1, 2, 3.5], "i64": [4, 5], "i32": [6, 7]}
    row = {"o1": [-1.5, 9.5], "o2": [5, 4], "o3": [5, 6]}
    predict = "/v1/models/m:predict"
    assert said(several, "POST", predict, json.dumps({"instances": [one, one]})) == (200, {"predictions": [row, row]})
    columns = {name: [value] for name, value in one.items()}
    outputs = {name: [value] for name, value in row.items()}
    assert said(several, "POST", predict, json.dumps({"inputs": columns})) == (200, {"outputs": outputs})
    uneven = {**columns, "i32": [[1, 2], [3, 4]]}
    more = {**outputs, "o3": [[0, 1], [2, 3]]}
    assert said(several, "POST", predict, json.dumps({"inputs": uneven})) == (200, {"outputs": more})
    for body, words in (
        ({"instances": [[1, 2, 3]]}, "instances is a plain list"),
        ({"inputs": [[1, 2, 3]]}, "inputs is a plain value/list"),
        ({"instances": [one, {**one, "i64": [1.5, 2]}]}, "element: 1 key: i64 of 'instances' list"),
        ({"instances": [{**one, "i32": [1 << 31, 0]}]}, "not of expected type: int32"),
        ({"instances": [{"f": [1, 2, 3]}]}, "keys must be equal to: f,i32,i64"),
    ):
        status, answer = said(several, "POST", predict, json.dumps(body))
        assert status == 400, answer
        assert words in answer["error"]


def test_what_is_told_of_a_model(ask: Ask) -> None:
    state = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    for path in ("/v1/models/model", "/v1/models/model/versions/1", "/v1/models/model/labels/stable"):
        assert said(ask, "GET", path) == (200, {"model_version_status": [state]})
        status, answer = said(ask, "GET", f"{path}/metadata")
        assert status == 200
        assert answer["model_spec"] == {"name": "model", "signature_name": "", "version": "1"}
        signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
        shape = {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
        assert signature["inputs"] == {"x": {"dtype": "DT_FLOAT", "tensor_shape": shape, "name": "x"}}
        assert signature["outputs"]["y"]["tensor_shape"] == shape
        assert signature["method_name"] == "tensorflow/serving/predict"


def _post(path: str, body: bytes) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


# -- gRPC


def called(folder: Path, path: str, message: bytes) -> tuple[Reply, int]:
    """The reply to a call, and how many calls were counted for the service."""

    async def run() -> tuple[Reply, int]:
        async with catalogue_of(folder, WebService("model")) as catalogue:
            methods = Methods(DataPlane(catalogue, Limits()), Listening())
            call = GrpcCall(path, message, False, "identity", False, "", 0.0, 0.0)
            reply = await methods.answer(call)
            series = catalogue.meter.read().series_of("service")
            return reply, sum(found.ok + found.failed for at, found in series if "model" in at.values())

    return asyncio.run(run())


def predict(folder: Path, request: PredictRequest) -> Reply:
    return called(folder, "/tensorflow.serving.PredictionService/Predict", tfserving_messages.encode_predict(request))[
        0
    ]


def test_predict_over_grpc(folder: Path) -> None:
    inputs = {"x": np.array([1, 2, 5], np.float32)}
    for version, signature in ((None, ""), (1, "serving_default")):
        reply = predict(folder, PredictRequest(wanted=_wanted(version, signature), inputs=inputs, fetch=("y",)))
        assert (reply.status, reply.text) == (Status.OK, "")
        np.testing.assert_array_equal(tfserving_messages.decode_prediction(reply.message[5:])["y"], [2.5, 3, 4.5])


@pytest.mark.parametrize(
    ("wanted", "inputs", "fetch", "status", "words"),
    [
        (Wanted(name="foo"), {}, (), Status.NOT_FOUND, "Servable not found for request: Latest(foo)"),
        (Wanted(name="model", version=9), {}, (), Status.NOT_FOUND, "Specific(model, 9)"),
        (Wanted(name="model", label="canary"), {}, (), Status.INVALID_ARGUMENT, "version label: canary"),
        (Wanted(name="model", signature="s"), {}, (), Status.INVALID_ARGUMENT, '"s" not found'),
        (Wanted(name=""), {}, (), Status.INVALID_ARGUMENT, "ModelSpec has no name"),
        (Wanted(name="model"), {}, (), Status.INVALID_ARGUMENT, "missing input 'x'"),
        (Wanted(name="model"), {"x": [1.0]}, ("z",), Status.INVALID_ARGUMENT, "alias not found in signature: z"),
        (Wanted(name="model"), {"x": [[1.0, 2.0]]}, (), Status.INVALID_ARGUMENT, "axes"),
    ],
)
def test_errors_over_grpc(
    folder: Path, wanted: Wanted, inputs: dict[str, Any], fetch: tuple[str, ...], status: Status, words: str
) -> None:
    arrays = {name: np.asarray(value, np.float32) for name, value in inputs.items()}
    reply = predict(folder, PredictRequest(wanted=wanted, inputs=arrays, fetch=fetch))
    assert reply.status is status
    assert words in reply.text


def test_other_methods_over_grpc_are_not_there(folder: Path) -> None:
    for path in ("PredictionService/MultiInference", "ModelService/Predict"):
        assert called(folder, f"/tensorflow.serving.{path}", b"")[0].status is Status.UNIMPLEMENTED


def test_labels_are_the_variants_of_a_test(folder: Path) -> None:
    async def run() -> dict[str, str]:
        async with catalogue_of(folder, WebService("model")) as catalogue:
            service = catalogue["model"]
            with contextlib.closing(Threads(1, "test")) as threads:
                engine = service._engines[""]
                test = VariantsEngine({"main": engine, "canary": engine}, {"main": 0.5, "canary": 0.5})
                service.bind({"": test}, threads)
                catalogue.variants = {"model": test}
                plane, found = DataPlane(catalogue, Limits()), {}
                for label in ("stable", "main", "canary"):
                    call, wanted = plane.call("grpc", "", 0), Wanted(name="model", label=label)
                    await tfserving_calls.model(plane, call, wanted)
                    inputs = {"x": np.ones(1, np.float32)}
                    found[label] = (await tfserving_calls.infer(plane, call, wanted, inputs)).variant
                return found

    assert asyncio.run(run()) == {"stable": "main", "main": "main", "canary": "canary"}


def test_metadata_and_status_over_grpc(folder: Path) -> None:
    spec = b"".join(protobuf.bytes_field(1, *protobuf.bytes_field(1, b"model")))
    field = b"".join(protobuf.bytes_field(2, b"signature_def"))
    reply, _ = called(folder, "/tensorflow.serving.PredictionService/GetModelMetadata", spec + field)
    assert reply.status is Status.OK
    assert b"SignatureDefMap" in reply.message
    assert b"tensorflow/serving/predict" in reply.message
    assert called(folder, "/tensorflow.serving.PredictionService/GetModelMetadata", spec)[0].status is (
        Status.INVALID_ARGUMENT
    )
    reply, _ = called(folder, "/tensorflow.serving.ModelService/GetModelStatus", spec)
    assert reply.message[5:] == bytes([10, 6, 8, 1, 16, 30, 26, 0])


def _wanted(version: int | None, signature: str) -> Wanted:
    return Wanted(name="model", version=version, signature=signature)
