import gzip
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_client import Client
from paddle_serving_client.errors import (
    BackendFailed,
    BadConfig,
    BadInput,
    BadPacket,
    Busy,
    DeadlineExceeded,
    NoMethod,
    NoService,
    ServingError,
    Stopping,
    Unreachable,
)
from paddle_serving_client.message import Array
from paddle_serving_client.wire import brpc, general_model
from paddle_serving_client.wire.general_model import ModelOutput, WireResponse, WireTensor
from tests.client import captured, replay
from tests.client.calls import PRICE, UCI, X, ask, client_of, f32, id_blanked, same
from tests.client.replay import Behaviour, Serve
from tests.data.frames import read
from tests.rpc_frames import response_frame


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


# --- results ---


def outputs(*tensors: WireTensor) -> Behaviour:
    response = WireResponse(outputs=(ModelOutput(tensors=tensors, engine_name="e"),), err_no=5, err_msg="ignored")
    return replay.payload(general_model.encode_response(response))


def test_bytes_and_half_floats_come_back(serve: Serve) -> None:
    arrays: dict[str, Array] = {
        "o1": np.array([[1, 2, 250, 255]], np.uint8),
        "o2": np.array([[-1, -128, 127, 0]], np.int8),
        "o3": np.array([[1.5, -2]], np.float16),
    }
    tensors = [WireTensor(name=f"{alias}_real", alias=alias, array=array) for alias, array in arrays.items()]
    same(ask(serve, outputs(*tensors), "bytes", feed={}), arrays)


def test_results_may_be_changed_by_the_caller(serve: Serve) -> None:
    got = ask(serve, replay.reply("rep_uci_batch"))
    got["price"] *= 2
    assert got["price"].base is None


def test_offsets_only_where_the_config_says_sequence(serve: Serve) -> None:
    tensor = WireTensor(name="r", alias="price", array=f32(1)[None], lod=((0, 1),))
    assert list(ask(serve, outputs(tensor))) == ["price"]


def test_without_fetch_everything_comes_in_the_order_of_the_reply(serve: Serve) -> None:
    tensors = [WireTensor(name=name, alias=name, array=f32(1)) for name in ("extra", "price")]
    assert list(ask(serve, outputs(*tensors), feed={"x": X})) == ["extra", "price"]


def test_an_output_that_did_not_come(serve: Serve) -> None:
    with pytest.raises(
        ValueError, match=r"^Failed to fetch, maybe the type of \[price\] is wrong, please check the model"
    ):
        ask(serve, outputs(WireTensor(name="other", array=f32(1))))


def test_an_output_of_another_type(serve: Serve) -> None:
    problem = r"maybe the type of \[price\] is wrong, please check the model file: float32 expected, int64\[1\] came"
    with pytest.raises(ValueError, match=problem):
        ask(serve, outputs(WireTensor(name="p", alias="price", array=np.array([1]))))


def test_an_output_with_values_in_the_wrong_field(serve: Serve) -> None:
    tensor = b"\x0a\x01\x07\x50\x01\x5a\x01\x01\x72\x05price"
    content = b"\x0a" + bytes((len(tensor) + 2,)) + b"\x0a" + bytes((len(tensor),)) + tensor
    with pytest.raises(ValueError, match=r"maybe the type of \[price\] is wrong.*float32 values go in float_data"):
        ask(serve, replay.payload(content))


def test_a_mask_of_zeros_that_comes_compressed_a_thousandfold(serve: Serve) -> None:
    mask = np.zeros((1, 2048, 2048), np.float32)
    response = WireResponse(outputs=(ModelOutput(tensors=(WireTensor(name="p", alias="price", array=mask),)),))
    packed = gzip.compress(general_model.encode_response(response))

    def behave(request: brpc.Frame) -> bytes:
        return response_frame(request.meta.correlation_id, packed, compress_type=2)

    assert ask(serve, behave)["price"].shape == mask.shape


# --- the caller's mistakes ---


@pytest.mark.parametrize(("arguments", "text"), [
    ({"feed": None}, "You should specify feed for prediction"),
    ({"feed": X}, "Feed only accepts dict and list of dict"),
    ({"feed": {"zz": X}}, r"Wrong feed name: zz\."),
    ({"feed": {"x": X}, "fetch": ("price",)}, "Fetch only accepts string or list of string"),
    ({"feed": {"x": [1.0]}}, "The shape of feed tensor x not match."),
])  # fmt: skip
def test_wrong_arguments_raise_in_any_mode(arguments: dict[str, Any], text: str) -> None:
    for raise_errors in (False, True):
        client = client_of("uci", "127.0.0.1:1", raise_errors=raise_errors)
        with pytest.raises(ValueError, match=text):
            client.predict(**arguments)


@pytest.mark.parametrize("log_id", [-1, 2**64, 1.5, "1", None])
def test_wrong_log_id(log_id: Any) -> None:
    with pytest.raises(TypeError, match="log_id must be an int from 0"):
        client_of("uci", "127.0.0.1:1").predict(**UCI, log_id=log_id)


def test_a_bad_call_does_not_spoil_the_next(serve: Serve) -> None:
    with client_of("uci", serve(replay.reply("rep_uci_batch")).endpoint) as client:
        with pytest.raises(ValueError, match="make sure all of your inputs are numpy array"):
            client.predict(feed={"x": X.tolist()}, batch=True)
        same(client.predict(**UCI), PRICE)
        assert (client.all_numpy_input, client.has_numpy_input) == (True, True)


def test_the_callers_dict_stays_as_it_is(serve: Serve) -> None:
    server = serve(replay.reply("rep_uci_batch"))
    feed = {"x": X.copy()}
    with client_of("uci", server.endpoint) as client:
        for _ in range(2):
            client.predict(feed=feed, fetch="price")
    assert list(feed) == ["x"]
    np.testing.assert_array_equal(feed["x"], X, strict=True)
    assert id_blanked(server.sent[0]) == id_blanked(server.sent[1]) == id_blanked(read("req_uci_batch.bin"))


def test_predict_too_early() -> None:
    with pytest.raises(BadConfig, match="call load_client_config"):
        Client().predict(feed={"x": X})
    with pytest.raises(BadConfig, match="call connect"):
        client_of("uci").predict(**UCI)


def test_connect() -> None:
    client = client_of("uci")
    message = "You must set the endpoints parameter or use add_variant function to create a variant."
    with pytest.raises(ValueError, match=message):
        client.connect()
    with pytest.raises(ValueError, match=message):
        client.connect([])
    for wrong in ("9393", "127.0.0.1", "127.0.0.1:x", ":9393", "127.0.0.1:70000", "http://127.0.0.1:9393"):
        with pytest.raises(ValueError, match="must be host:port"):
            client.connect([wrong])


def test_connect_twice_keeps_the_first(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    with client_of("uci", serve(replay.reply("rep_uci_batch")).endpoint) as client:
        client.connect(["127.0.0.1:1"])
        same(client.predict(**UCI), PRICE)
    assert "connect() was called before" in caplog.text


def test_an_endpoint_may_be_text_and_a_name(serve: Serve) -> None:
    server = serve(replay.reply("rep_uci_batch"))
    client = client_of("uci", raise_errors=True)
    client.connect(f"localhost:{server.port}")
    same(client.predict(**UCI), PRICE)
    client.release()


def test_release(serve: Serve) -> None:
    server = serve(replay.reply("rep_uci_batch"))
    client = client_of("uci", server.endpoint)
    client.predict(**UCI)
    client.release()
    client.release()
    with pytest.raises(BadConfig, match="call connect"):
        client.predict(**UCI)
    client.connect([server.endpoint])
    same(client.predict(**UCI), PRICE)
    client.release()
    assert server.connections == 2


def test_timeout_must_be_an_int() -> None:
    client = Client()
    assert client.rpc_timeout_ms == 200000
    with pytest.raises(ValueError, match=r"^rpc_timeout must be int type\.$"):
        client.set_rpc_timeout_ms(1.5)  # type: ignore[arg-type]
    client.set_rpc_timeout_ms(5)
    assert client.rpc_timeout_ms == 5


# --- the config ---


def test_what_callers_read_from_a_client() -> None:
    client = client_of("multi")
    assert client.get_feed_names() == client.feed_names_ == ["f", "i64", "i32"]
    assert client.get_fetch_names() == client.fetch_names_ == ["o1", "o2", "o3"]
    assert client.feed_shapes_ == {"f": [3], "i64": [2], "i32": [2]}
    assert client.feed_types_ == {"f": 1, "i64": 0, "i32": 2}
    assert client.feed_names_to_idx_ == {"f": 0, "i64": 1, "i32": 2}
    assert client.fetch_names_to_type_ == {"o1": 1, "o2": 0, "o3": 2}
    assert client.lod_tensor_set == set()
    client.load_client_config(f"{captured.config('lod')}/serving_client_conf.prototxt")
    assert client.lod_tensor_set == {"words", "crf"}


def test_inputs_of_the_first_config_and_outputs_of_the_last() -> None:
    client = Client()
    client.load_client_config([captured.config("uci"), captured.config("lod"), captured.config("multi")])
    assert (client.get_feed_names(), client.get_fetch_names()) == (["x"], ["o1", "o2", "o3"])


def test_a_config_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Client().load_client_config(str(tmp_path / "nowhere"))


# --- on the way ---


def test_a_server_that_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    endpoint = f"127.0.0.1:{free_port()}"
    client = client_of("uci", endpoint)
    start = time.monotonic()
    assert client.predict(**UCI) is None
    assert time.monotonic() - start < 1
    assert f"{endpoint}: cannot connect: Connection refused" in caplog.text
    with pytest.raises(Unreachable, match="cannot connect"):
        client_of("uci", endpoint, raise_errors=True).predict(**UCI)


def test_a_name_that_nobody_has() -> None:
    with pytest.raises(Unreachable, match="nowhere.invalid:9393: the host name cannot be resolved"):
        client_of("uci", "nowhere.invalid:9393", raise_errors=True).predict(**UCI)


def test_a_server_that_speaks_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(4096)
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        client = client_of("uci", f"127.0.0.1:{listener.getsockname()[1]}", raise_errors=True)
        with pytest.raises(BadPacket, match="does not answer as an RPC server: it speaks HTTP; use HttpClient"):
            client.predict(**UCI)
        thread.join(5)


def test_a_server_that_never_answers(serve: Serve) -> None:
    with client_of("uci", serve(replay.stall).endpoint, raise_errors=True) as client:
        client.set_rpc_timeout_ms(200)
        start = time.monotonic()
        with pytest.raises(DeadlineExceeded, match="no answer within 200 ms"):
            client.predict(**UCI)
        assert 0.19 < time.monotonic() - start < 1


def test_a_reply_that_is_garbage(serve: Serve) -> None:
    with pytest.raises(BadPacket):
        ask(serve, replay.payload(b"\xff\xff\xff"))
    with pytest.raises(BadPacket, match="snappy"):
        ask(serve, lambda request: response_frame(request.meta.correlation_id, b"x", compress_type=1))
    with client_of("uci", serve(replay.payload(b"\xff\xff\xff")).endpoint) as client:
        assert client.predict(**UCI) is None


def test_wait_ready(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    client = client_of("uci", f"127.0.0.1:{port}")
    assert not client.wait_ready(0.2)
    assert f"no server is ready after 0.2 s: 127.0.0.1:{port} cannot connect" in caplog.text
    timer = threading.Timer(0.3, serve, (replay.reply("rep_uci_batch"), port))
    timer.start()
    assert client.wait_ready(10)
    same(client.predict(**UCI), PRICE)
    client.release()
    with pytest.raises(DeadlineExceeded):
        client_of("uci", f"127.0.0.1:{free_port()}", raise_errors=True).wait_ready(0.1)


def test_cost_is_logged_at_debug_only(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "paddle_serving_client"):
        ask(serve, replay.reply("rep_uci_batch"), **UCI | {"log_id": 77})
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.DEBUG]
    assert line.startswith("[client]logid=77,client_cost=")
    assert line.endswith("ms,server_cost=0.05ms.")


# --- many at once ---


def echo(request: brpc.Frame) -> bytes:
    """Give x back as price."""
    x = general_model.decode_request(request.payload).tensors[0].array
    response = WireResponse(outputs=(ModelOutput(tensors=(WireTensor(name="p", alias="price", array=x),)),))
    return response_frame(request.meta.correlation_id, general_model.encode_response(response))


def test_sixteen_threads_share_one_client(serve: Serve) -> None:
    server = serve(echo)
    with client_of("uci", server.endpoint, raise_errors=True) as client:

        def work(seed: int) -> None:
            rng = np.random.default_rng(seed)
            for _ in range(30):
                x = rng.random((int(rng.integers(1, 40)), 13), np.float32)
                np.testing.assert_array_equal(client.predict(feed={"x": x}, batch=True)["price"], x)

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(work, range(16)))
    assert len(server.sent) == 480
    assert server.connections <= 16


def test_calls_in_a_row_use_one_connection(serve: Serve) -> None:
    server = serve(echo)
    with client_of("uci", server.endpoint) as client:
        for _ in range(5):
            client.predict(**UCI)
    assert server.connections == 1


def test_a_large_request_and_reply(serve: Serve) -> None:
    x = np.random.default_rng(0).random((80_000, 13), np.float32)
    with client_of("uci", serve(echo).endpoint, raise_errors=True) as client:
        np.testing.assert_array_equal(client.predict(feed={"x": x}, batch=True)["price"], x)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_after_a_fork_the_child_has_connections_of_its_own(serve: Serve) -> None:
    server = serve(echo)
    with client_of("uci", server.endpoint, raise_errors=True) as client:
        client.predict(**UCI)
        child = os.fork()
        if child == 0:
            try:
                ok = all((client.predict(feed={"x": X * k})["price"] == X * k).all() for k in range(20))
                os._exit(0 if ok else 1)
            finally:
                os._exit(2)
        for k in range(20):
            np.testing.assert_array_equal(client.predict(feed={"x": X + k})["price"], (X + k)[None])
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert server.connections == 2


# --- importing ---


HEAVY = "orjson cv2 paddle onnxruntime openvino grpc requests urllib3 asyncio yaml"


def modules_after(code: str) -> set[str]:
    """What is imported in a fresh interpreter that runs this and prints nothing."""
    code = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_import_is_light() -> None:
    modules = modules_after("from paddle_serving_client import Client; Client()")
    assert "paddle_serving_client.client" in modules
    assert modules & set(HEAVY.split()) == set()


def test_importing_the_package_imports_nothing() -> None:
    assert "numpy" not in modules_after("import paddle_serving_client")
    with pytest.raises(ImportError):
        from paddle_serving_client import NoSuchName  # noqa: F401


def test_errors_of_a_server_by_number(serve: Serve) -> None:
    numbers: dict[int, type[ServingError]] = {
        1001: NoService, 1002: NoMethod, 1003: BadInput, 1008: DeadlineExceeded, 1011: Busy, 2001: ServingError,
        2003: Stopping, 2004: Busy, -5000: ServingError, -5100: BackendFailed,
    }  # fmt: skip
    for number, kind in numbers.items():
        with pytest.raises(kind, match=f"answered error {number}: no") as caught:
            ask(serve, replay.error(number))
        assert type(caught.value) is kind
