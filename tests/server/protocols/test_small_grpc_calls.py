"""Small gRPC calls that are like earlier ones get, byte for byte, what they would have got in the ordinary way."""

from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest

from paddle_serving_client.message import Array
from paddle_serving_client.wire import general_model
from paddle_serving_client.wire.general_model import WireRequest, WireTensor
from paddle_serving_client.wire.protobuf import bytes_field, number_field
from tests import models
from tests.models import UCI_INPUT
from tests.server.protocols.test_kserve_streams import Answer, request
from tests.serving import Server

INFER = "/inference.GRPCInferenceService/ModelInfer"
GENERAL = "/baidu.paddle_serving.predictor.general_model.GeneralModelService/inference"
TIMES = 40
Response: Any = type(Answer().infer_response)


@pytest.fixture(scope="module")
def channel(uci_server: Server) -> Iterator[Any]:
    with grpc.insecure_channel(f"127.0.0.1:{uci_server.port}") as channel:
        yield channel


def rows(k: int, count: int = 1) -> Array:
    return np.full((count, 13), k / 10, np.float32) + UCI_INPUT


def infer(k: int, count: int = 1, request_id: str = "", **more: Any) -> bytes:
    return request("uci", request_id, x=rows(k, count), **more)


def price(message: bytes) -> Array:
    response = Response.FromString(message)
    (output,) = response.outputs
    assert (response.model_name, response.model_version, output.name) == ("uci", "1", "price")
    (raw,) = response.raw_output_contents
    return np.frombuffer(raw, np.float32).reshape(output.shape)


@pytest.mark.parametrize("request_id", ["", "seven"])
def test_answers_are_the_same_bytes(channel: Any, request_id: str) -> None:
    call = channel.unary_unary(INFER)
    long_way = call(infer(3, request_id=request_id, parameters={"not_recalled": True}), timeout=20)
    answers = [call(infer(3, request_id=request_id), timeout=20) for _ in range(TIMES)]
    assert set(answers) == {long_way}
    assert Response.FromString(long_way).id == request_id


@pytest.mark.parametrize("timeout", [None, 20])
def test_calls_that_are_run_together_get_their_own_answers(channel: Any, timeout: float | None) -> None:
    calls = [(k, 1 + k % 3, f"{k:03}") for k in range(200)]
    call = channel.unary_unary(INFER)
    futures = [call.future(infer(k, count, request_id), timeout=timeout) for k, count, request_id in calls]
    for (k, count, request_id), future in zip(calls, futures, strict=True):
        answer = future.result(timeout=30)
        assert Response.FromString(answer).id == request_id
        np.testing.assert_allclose(price(answer), models.uci_answer(rows(k, count)), rtol=1e-4)


def test_what_is_wrong_is_wrong_behind_others_of_its_length(channel: Any) -> None:
    call = channel.unary_unary(INFER)
    good = infer(1)
    for _ in range(5):
        call(good, timeout=20)
    for wrong in (
        good.replace(b"uci", b"ucj"),
        good.replace(b"FP32", b"FP33"),
        good.replace(b"\x01x\x12", b"\x01y\x12"),
    ):
        assert len(wrong) == len(good)
        with pytest.raises(grpc.RpcError) as caught:
            call(wrong, timeout=20)
        error: Any = caught.value
        assert error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT)
        np.testing.assert_allclose(price(call(good, timeout=20)), models.uci_answer(rows(1)), rtol=1e-4)


def test_outputs_that_are_asked_for(channel: Any) -> None:
    call = channel.unary_unary(INFER)
    named = infer(2) + b"".join(bytes_field(6, *bytes_field(1, b"fc_0.tmp_1")))
    for _ in range(TIMES):
        (output,) = Response.FromString(call(named, timeout=20)).outputs
        assert output.name == "fc_0.tmp_1"
    one_class = bytes_field(2, *bytes_field(1, b"classification"), *bytes_field(2, number_field(2, 1)))
    classified = infer(2) + b"".join(bytes_field(6, *bytes_field(1, b"price"), *one_class))
    for _ in range(TIMES):
        (output,) = Response.FromString(call(classified, timeout=20)).outputs
        assert (output.name, output.datatype) == ("price", "BYTES")


def test_tensors_of_general_model_service(channel: Any) -> None:
    def message(k: int) -> bytes:
        tensor = WireTensor(name="x", array=rows(k))
        return general_model.encode_request(WireRequest(tensors=(tensor,), fetch=("price",), log_id=k % 2))

    call = channel.unary_unary(GENERAL)
    futures = [call.future(message(k), timeout=20) for k in range(200)]
    for k, future in enumerate(futures):
        response = general_model.decode_response(future.result(timeout=30))
        (tensor,) = response.outputs[0].tensors
        assert (tensor.alias, response.log_id) == ("price", k % 2)
        np.testing.assert_allclose(tensor.array, models.uci_answer(rows(k)), rtol=1e-4)


def test_calls_that_are_cancelled_leave_the_others_alone(channel: Any) -> None:
    call = channel.unary_unary(INFER)
    futures = [call.future(infer(k), timeout=20) for k in range(300)]
    for future in futures[::2]:
        future.cancel()
    for k in range(1, 300, 2):
        np.testing.assert_allclose(price(futures[k].result(timeout=30)), models.uci_answer(rows(k)), rtol=1e-4)
