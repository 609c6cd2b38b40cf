"""model.py files in a real server, as callers over HTTP, gRPC and RPC see them; recorded answers of a real Triton."""

import json
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from paddle_serving_client import connect
from paddle_serving_client.wire import reflection
from tests.data import triton
from tests.serving import HTTP, Server, serve

_X = 'input { name: "X" data_type: TYPE_FP32 dims: [ 1 ] }\noutput { name: "Y" data_type: TYPE_FP32 dims: [ 1 ] }\n'
_HEAD = "import numpy as np, os, time\nimport triton_python_backend_utils as pb\nclass TritonPythonModel:\n"
_JSON = {"Content-Type": "application/json"}
_MODELS = {
    "raises": ("    def execute(self, requests):\n        raise ValueError('boom')\n", f"max_batch_size: 4\n{_X}"),
    "tritonerr": (
        """
    def execute(self, requests):
        error = pb.TritonError("bad input here", pb.TritonError.INVALID_ARG)
        return [pb.InferenceResponse(error=error) for _ in requests]
""",
        f"max_batch_size: 4\n{_X}",
    ),
    "repeat_int32": (
        """
    def execute(self, requests):
        for r in requests:
            sender = r.get_response_sender()
            for k, value in enumerate(pb.get_input_tensor_by_name(r, "IN").as_numpy().reshape(-1)):
                out = pb.Tensor("OUT", np.array([value], np.int32)), pb.Tensor("IDX", np.array([k], np.uint32))
                sender.send(pb.InferenceResponse(list(out)))
            sender.send(flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
""",
        """
input { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] }
output [ { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }, { name: "IDX" data_type: TYPE_UINT32 dims: [ 1 ] } ]
model_transaction_policy { decoupled: True }
""",
    ),
    "asks": (
        """
    def execute(self, requests):
        answers = []
        for r in requests:
            x = pb.get_input_tensor_by_name(r, "X")
            if x.as_numpy()[0, 0] == 13:
                os._exit(3)
            inner = pb.InferenceRequest(model_name="joins", requested_output_names=["Y"], inputs=[x])
            answer = inner.exec()
            answers.append(pb.InferenceResponse(error=answer.error()) if answer.has_error() else answer)
        return answers
""",
        f"max_batch_size: 4\n{_X}",
    ),
    "joins": (
        """
    def execute(self, requests):
        rows = [pb.get_input_tensor_by_name(r, "X").as_numpy() for r in requests]
        return [pb.InferenceResponse([pb.Tensor("Y", 10 * row)]) for row in rows]
""",
        f"max_batch_size: 4\ndynamic_batching {{ }}\n{_X}",
    ),
    "upper": (
        """
    def execute(self, requests):
        texts = [pb.get_input_tensor_by_name(r, "X").as_numpy() for r in requests]
        upper = [np.array([[t.decode().upper() for t in row] for row in rows], dtype=object) for rows in texts]
        return [pb.InferenceResponse([pb.Tensor("Y", rows)]) for rows in upper]
""",
        f"max_batch_size: 4\n{_X.replace('FP32', 'STRING')}",
    ),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("repository")
    for name, (code, config) in _MODELS.items():
        (folder / name / "1").mkdir(parents=True)
        (folder / name / "1" / "model.py").write_text(_HEAD + code.lstrip("\n"))
        (folder / name / "config.pbtxt").write_text(f'name: "{name}"\nbackend: "python"\n{config}')
    with serve(tmp_path_factory.mktemp("run"), *(str(folder / name) for name in _MODELS)) as running:
        yield running


def _infer(server: Server, model: str, shape: list[int], data: list[Any], datatype: str = "FP32") -> tuple[int, Any]:
    body = {"inputs": [{"name": "X", "shape": shape, "datatype": datatype, "data": data}]}
    answer = HTTP.request("POST", f"{server.url}/v2/models/{model}/infer", body=json.dumps(body))
    return answer.status, answer.json()


def test_errors_of_a_model_are_those_that_triton_gives(server: Server) -> None:
    assert _infer(server, "tritonerr", [1, 1], [1]) == (400, {"error": "bad input here"})
    assert _infer(server, "raises", [1, 1], [1]) == (
        500,
        {
            "error": "Failed to process the request(s) for model 'raises_0', message: ValueError: boom\n\nAt:\n"
            "  raises/1/model.py(5): execute\n"
        },
    )
    status, answer = _infer(server, "joins", [1, 2], [1, 2])
    assert (status, answer["error"]) == (
        400,
        "[request id: <id_unknown>] unexpected shape for input 'X' for model 'joins'. Expected [-1,1], got [1,2].",
    )


def test_a_model_asks_another_one(server: Server) -> None:
    status, answer = _infer(server, "asks", [2, 1], [1, 2])
    assert (status, answer["outputs"]) == (
        200,
        [{"name": "Y", "datatype": "FP32", "shape": [2, 1], "data": [10.0, 20.0]}],
    )


def test_strings_and_other_ways_to_ask(server: Server) -> None:
    status, answer = _infer(server, "upper", [1, 1], ["помогите мне"], "BYTES")
    assert (status, answer["outputs"][0]["data"]) == (200, ["ПОМОГИТЕ МНЕ"])
    body = json.dumps({"feed": [{"X": [3.0]}], "fetch": ["Y"]})
    answer = HTTP.request("POST", f"{server.url}/joins/prediction", body=body, headers=_JSON).json()
    assert answer["result"] == {"Y": [[30.0]]}
    with connect(server.url) as client:
        assert client["joins"](X=np.full((2, 1), 4, np.float32))["Y"].tolist() == [[40.0], [40.0]]


def test_a_model_that_ends_its_process_is_started_again(server: Server) -> None:
    status, answer = _infer(server, "asks", [1, 1], [13])
    assert status == 503 and "died" in answer["error"]
    status, answer = _infer(server, "asks", [1, 1], [1])
    assert (status, answer["outputs"][0]["data"]) == (200, [10.0])


def _messages() -> Any:
    pool = descriptor_pool.DescriptorPool()
    for file in reflection.file_of("inference.GRPCInferenceService"):
        pool.Add(descriptor_pb2.FileDescriptorProto.FromString(file))
    return lambda name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"inference.{name}"))


Ask, Answer = _messages()("ModelInferRequest"), _messages()("ModelStreamInferResponse")


@pytest.mark.parametrize(("recorded", "wants_final"), [("repeat", False), ("repeat_final_flag", True)])
def test_a_decoupled_model_streams_as_triton_does(server: Server, recorded: str, wants_final: bool) -> None:
    request = Ask(model_name="repeat_int32", id="r")
    if wants_final:
        request.parameters["triton_enable_empty_final_response"].bool_param = True
    request.inputs.add(name="IN", datatype="INT32", shape=[2])
    request.raw_input_contents.append(np.array([4, 5], np.int32).tobytes())
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stream = channel.stream_stream(
            "/inference.GRPCInferenceService/ModelStreamInfer", Ask.SerializeToString, Answer.FromString
        )
        got = list(stream(iter([request]), timeout=20))
        unary = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer", Ask.SerializeToString, lambda message: message
        )
        with pytest.raises(grpc.RpcError) as caught:
            unary(request, timeout=20)
    expected = triton.streams()[recorded]
    assert [json_format.MessageToDict(one.infer_response, preserving_proto_field_name=True) for one in got] == [
        one["json"] for one in expected
    ]
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert caught.value.details() == "ModelInfer RPC doesn't support models with decoupled transaction policy"
