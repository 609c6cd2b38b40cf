import gzip
import json
import logging
import threading
from typing import Any

import numpy as np
import pytest

from paddle_serving_client import HttpClient, __version__
from paddle_serving_client.errors import (
    BackendFailed,
    BadConfig,
    BadInput,
    BadPacket,
    Busy,
    DeadlineExceeded,
    NoService,
    ServingError,
    TooLarge,
    Unreachable,
)
from paddle_serving_client.message import Array
from paddle_serving_client.wire import general_model, general_model_json
from paddle_serving_client.wire.general_model import ModelOutput, WireResponse, WireTensor
from paddle_serving_client.wire.proto import general_model_pb2
from tests.client import captured
from tests.client.calls import PRICE, UCI, X, f32, same
from tests.client.http_replay import Answer, Asked, http_replay
from tests.data.frames import read
from tests.serving import free_port

REPLY = captured.payload("rep_uci_batch")


def client_of(config: str, port: int | None = None, **options: Any) -> HttpClient:
    client = HttpClient(**options)
    client.load_client_config(captured.config(config))
    if port is not None:
        client.connect([f"127.0.0.1:{port}"])
    return client


def reply(asked: Asked) -> Answer:
    """The captured reply in the form of the request."""
    if asked.headers["content-type"] == "application/json":
        return Answer(general_model_json.response_to_json(general_model.decode_response(REPLY)))
    return Answer(REPLY)


# --- what is sent ---


@pytest.mark.parametrize(("name", "config", "arguments"), [
    ("http_proto_uci", "uci", UCI | {"log_id": 5}),
    ("http_json_uci", "uci", UCI | {"log_id": 5}),
    ("http_json_lod", "lod", {
        "feed": {"words": np.array([[11], [12], [13]]), "words.lod": [0, 3]}, "fetch": ["crf"], "batch": True,
    }),
    ("http_json_string", "bytes", {"feed": {"s": "abc"}, "fetch": ["o1"]}),
])  # fmt: skip
def test_captured_request(name: str, config: str, arguments: dict[str, Any]) -> None:
    with http_replay(lambda asked: Answer(status=500)) as server, client_of(config, server.port) as client:
        client.set_http_proto("proto" in name)
        client.predict(**arguments)
    (asked,) = server.asked
    head, body = read(f"{name}.bin").split(b"\r\n\r\n", 1)
    assert asked.path == "/GeneralModelService/inference"
    assert f"Content-Type: {asked.headers['content-type']}".encode() in head
    assert asked.headers["user-agent"] == f"paddle-serving-client/{__version__}"
    if "proto" in name:
        assert asked.body == body
    else:
        assert json.loads(asked.body) == json.loads(body)


def test_captured_request_with_gzip() -> None:
    packed = gzip.compress(REPLY)
    with http_replay(lambda asked: Answer(packed, headers={"Content-Encoding": "gzip"})) as server:
        client = client_of("uci", server.port, as_numpy=True)
        client.set_request_compress(True)
        client.set_response_compress(True)
        same(client.predict(feed={"x": np.ones((40, 13), np.float32)}, fetch=["price"], batch=True), PRICE)
        client.predict(**UCI)
    large, small = server.asked
    assert gzip.decompress(large.body) == gzip.decompress(captured.http_body("http_proto_uci_gzip"))
    assert (large.headers["content-encoding"], large.headers["accept-encoding"]) == ("gzip", "gzip")
    assert "content-encoding" not in small.headers


def test_headers_and_path() -> None:
    with http_replay(reply) as server:
        client = client_of("uci", server.port)
        client.add_http_headers({"X-Tenant": "a", "content-type": "text/plain", "User-Agent": "mine"})
        client.set_service_name("/elsewhere/inference")
        assert client.predict(**UCI) is not None
    (asked,) = server.asked
    assert asked.path == "/elsewhere/inference"
    assert (asked.headers["x-tenant"], asked.headers["user-agent"]) == ("a", "mine")
    assert asked.headers["content-type"] == "application/proto"
    with pytest.raises(BadConfig, match="service_name must be a path"):
        client.set_service_name("/a b")
    with pytest.raises(ValueError, match="headers must be a dict"):
        client.add_http_headers([("a", "b")])  # type: ignore[arg-type]


# --- what comes back ---


def test_the_raw_reply() -> None:
    with http_replay(reply) as server, client_of("uci", server.port) as client:
        got = client.predict(**UCI)
        assert isinstance(got, general_model_pb2.Response)
        (tensor,) = got.outputs[0].tensor
        assert (tensor.alias_name, [*tensor.shape], got.err_no) == ("price", [1, 1], 0)
        assert tensor.float_data == pytest.approx([18.901152])
        client.set_http_proto(False)
        said = client.predict(**UCI)
        assert said["outputs"][0]["tensor"][0]["alias_name"] == "price"
        assert said["profile_time"] == [1000000, 1000050]


@pytest.mark.parametrize("http_proto", [True, False])
def test_the_reply_as_numpy(http_proto: bool) -> None:
    arrays: dict[str, Array] = {
        "o1": np.array([[1, 250]], np.uint8),
        "o2": np.array([[-1, 127]], np.int8),
        "o3": np.array([[1.5, -2]], np.float16),
    }
    tensors = tuple(WireTensor(name=f"{alias}_real", alias=alias, array=array) for alias, array in arrays.items())
    response = WireResponse(outputs=(ModelOutput(tensors=tensors),))
    write = general_model.encode_response if http_proto else general_model_json.response_to_json
    with http_replay(lambda asked: Answer(write(response))) as server:
        client = client_of("bytes", server.port, as_numpy=True)
        client.set_http_proto(http_proto)
        same(client.predict(feed={}), arrays)


def test_an_output_that_did_not_come() -> None:
    problem = r"^Failed to fetch, maybe the type of \[o1\] is wrong, please check the model file: the reply has price$"
    with http_replay(reply) as server, pytest.raises(ValueError, match=problem):
        client_of("multi", server.port, as_numpy=True).predict(feed={}, fetch="o1")


# --- errors ---


@pytest.mark.parametrize(("answer", "kind", "text"), [
    (Answer(b"no x", 400, {"x-bd-error-code": "1003"}), BadInput, "answered status 400: no x"),
    (Answer(b"", 404), NoService, "answered status 404"),
    (Answer(b"big", 413, {"x-bd-error-code": "1003"}), TooLarge, "answered status 413: big"),
    (Answer(b"boom", 500, {"x-bd-error-code": "-5100"}), BackendFailed, "boom"),
    (Answer(b"boom", 500, {"x-bd-error-code": "2001"}), ServingError, "boom"),
    (Answer(b"full", 503), Busy, "full"),
    (Answer(b"", 301), ServingError, "answered status 301"),
    (Answer(b"", 500, {"x-bd-error-code": "9" * 99}), BackendFailed, "answered status 500"),
    (Answer(b"\xff\xff"), BadPacket, "not a protobuf Response"),
])  # fmt: skip
def test_errors_of_a_server(answer: Answer, kind: type, text: str, caplog: pytest.LogCaptureFixture) -> None:
    with http_replay(lambda asked: answer) as server:
        with client_of("uci", server.port, raise_errors=True) as client, pytest.raises(kind, match=text) as caught:
            client.predict(**UCI)
        assert type(caught.value) is kind
        with client_of("uci", server.port) as client:
            assert client.predict(**UCI) is None
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith("http post error: ")
    assert text in warning


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"a": NaN}'])
def test_an_answer_that_is_no_json(body: bytes) -> None:
    with http_replay(lambda asked: Answer(body)) as server, client_of("uci", server.port, raise_errors=True) as client:
        client.set_http_proto(False)
        with pytest.raises(BadPacket, match="the answer is not"):
            client.predict(**UCI)


def test_a_server_that_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    assert client_of("uci", port).predict(**UCI) is None
    assert f"http post error: http://127.0.0.1:{port}: cannot connect: Connection refused" in caplog.text
    with pytest.raises(Unreachable):
        client_of("uci", port, raise_errors=True).predict(**UCI)


def test_retries_and_timeout() -> None:
    with http_replay(lambda asked: None) as server, client_of("uci", server.port) as client:
        for retries, attempts in ((None, 3), (0, 1), (4, 5)):
            if retries is not None:
                client.set_max_retries(retries)
            server.asked.clear()
            assert client.predict(**UCI) is None
            assert len(server.asked) == attempts
    client = HttpClient(raise_errors=True)
    assert client.timeout_ms == 20000
    with pytest.raises(ValueError, match=r"^timeout_ms must be int type\.$"):
        client.set_timeout_ms(1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^retry_times must be int type\.$"):
        client.set_max_retries("3")  # type: ignore[arg-type]


def test_a_server_that_never_answers() -> None:
    done = threading.Event()
    with http_replay(lambda asked: Answer() if done.wait(5) else None) as server:
        client = client_of("uci", server.port, raise_errors=True)
        client.set_timeout_ms(150)
        with pytest.raises(DeadlineExceeded, match="no answer within 150 ms"):
            client.predict(**UCI)
        done.set()


@pytest.mark.parametrize(("arguments", "text"), [
    ({"feed": None}, "^You should specify feed for prediction$"),
    ({"feed": {"zz": X}}, r"^Wrong feed name: zz\.$"),
    ({"feed": {"x": X}, "fetch": 1}, "^Fetch only accepts string/list/tuple of string$"),
    ({"feed": {"x": "abc"}}, "^feedvar is not string-type,feed can`t be a single string"),
])  # fmt: skip
def test_wrong_arguments_raise_in_any_mode(arguments: dict[str, Any], text: str) -> None:
    for raise_errors in (False, True):
        with pytest.raises(ValueError, match=text):
            client_of("uci", free_port(), raise_errors=raise_errors).predict(**arguments)
    with pytest.raises(TypeError, match="log_id must be an int"):
        client_of("uci").predict(**UCI, log_id=-1)
    with pytest.raises(BadConfig, match="call load_client_config"):
        HttpClient().predict(**UCI)


# --- where the server is ---


def test_connect() -> None:
    client = client_of("uci")
    client.connect("http://127.0.0.1:9394")
    assert (client.ip, client.port, client.server_port) == ("127.0.0.1", "9394", "9394")
    client.connect(["[::1]:9395"])
    assert (client.ip, client.port) == ("::1", "9395")
    with pytest.raises(ValueError, match="^HttpClient only support 1 endpoint$"):
        client.connect(["127.0.0.1:1", "127.0.0.1:2"])
    with pytest.raises(ValueError, match="^url not right, it should be like 127.0.0.1:9393 or http://127.0.0.1:9393"):
        client.connect(["127.0.0.1"])


def test_the_constructor_may_say_where_and_connect_may_say_another() -> None:
    with http_replay(reply) as first, http_replay(reply) as second:
        client = HttpClient("localhost", str(first.port), as_numpy=True)
        client.load_client_config(captured.config("uci"))
        same(client.predict(**UCI), PRICE)
        client.connect()
        same(client.predict(**UCI), PRICE)
        client.connect([second.endpoint])
        same(client.predict(**UCI), PRICE)
        client.release()
    assert (len(first.asked), len(second.asked)) == (2, 1)


def test_a_client_may_be_used_again_after_release() -> None:
    with http_replay(reply) as server, client_of("uci", server.port, as_numpy=True) as client:
        for _ in range(2):
            same(client.predict(**UCI), PRICE)
            client.release()
    assert server.connections == 2


def test_results_may_be_changed_by_the_caller() -> None:
    with http_replay(reply) as server, client_of("uci", server.port, as_numpy=True) as client:
        got = client.predict(feed=X, fetch=("price", "nope"))
        got["price"] += f32(1)
    (asked,) = server.asked
    assert general_model.decode_request(asked.body).fetch == ("price",)
