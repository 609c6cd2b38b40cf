"""Requests of 0.6 on a real server, over baidu_std, HTTP and gRPC: answered in their own form."""

import gzip
from collections.abc import Callable

import grpc
import numpy as np
import pytest

from paddle_serving_client.wire import brpc
from paddle_serving_client.wire.brpc import RpcError
from paddle_serving_client.wire.proto import general_model_06_pb2 as old
from tests.models import UCI_INPUT, UCI_PRICE, uci_answer
from tests.server.protocols.test_brpc import FULL, exchange
from tests.serving import HTTP, Server

PROTO = {"Content-Type": "application/proto"}
HOUSES = np.stack([UCI_INPUT, UCI_INPUT * 2])


def request(*instances: old.FeedInst, fetch: str = "price") -> bytes:
    return old.Request(insts=instances, fetch_var_names=[fetch], log_id=0).SerializeToString()


def house(values: object, *shape: int) -> old.FeedInst:
    numbers = np.asarray(values, np.float32).ravel().tolist()
    return old.FeedInst(tensor_array=[old.Tensor(elem_type=1, shape=shape, float_data=numbers)])


def answer(reply: bytes) -> list[float]:
    (output,) = old.Response.FromString(reply).outputs
    (tensor,) = output.insts[0].tensor_array
    assert list(tensor.shape) == [len(tensor.float_data), 1]
    return list(tensor.float_data)


def over_rpc(server: Server, message: bytes) -> bytes:
    (frame,) = exchange(server, brpc.request_frame(FULL, "inference", 3, message))
    assert frame.meta.response.error_code == 0, frame.meta
    return bytes(frame.payload)


def over_http(server: Server, message: bytes) -> bytes:
    reply = HTTP.request("POST", f"{server.url}/GeneralModelService/inference", body=message, headers=PROTO)
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/proto"), reply.data
    return reply.data


def over_grpc(server: Server, message: bytes) -> bytes:
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        reply: bytes = channel.unary_unary(f"/{FULL}/inference")(message, timeout=20)
        return reply


@pytest.mark.parametrize("ask", [over_rpc, over_http, over_grpc])
@pytest.mark.parametrize(
    "instances",
    [
        (house(HOUSES, 2, 13),),
        tuple(house(values, 13) for values in HOUSES),
        tuple(house(values, 1, 13) for values in HOUSES),
    ],
    ids=["a batch", "rows", "batches of one"],
)
def test_old_requests(
    uci_server: Server, ask: Callable[[Server, bytes], bytes], instances: tuple[old.FeedInst, ...]
) -> None:
    np.testing.assert_allclose(answer(ask(uci_server, request(*instances))), uci_answer(HOUSES)[:, 0], rtol=1e-4)


def test_an_old_request_that_is_wrong_is_told_so(uci_server: Server) -> None:
    wrong = request(house(UCI_INPUT[:12], 1, 12))
    (frame,) = exchange(uci_server, brpc.request_frame(FULL, "inference", 3, wrong))
    assert (frame.meta.response.error_code, "[1, 12]" in frame.meta.response.error_text) == (RpcError.BAD_REQUEST, True)
    unknown = request(house(UCI_INPUT, 1, 13), fetch="nope")
    reply = HTTP.request("POST", f"{uci_server.url}/GeneralModelService/inference", body=unknown, headers=PROTO)
    assert (reply.status, reply.data) == (400, b"unknown output 'nope' in fetch_var_names; there are 'price'")


def test_an_old_request_compressed(uci_server: Server) -> None:
    packed = gzip.compress(request(house(UCI_INPUT, 1, 13)))
    headers = {**PROTO, "Content-Encoding": "gzip"}
    reply = HTTP.request("POST", f"{uci_server.url}/GeneralModelService/inference", body=packed, headers=headers)
    assert answer(reply.data) == [pytest.approx(UCI_PRICE, abs=1e-4)]
