import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
import numpy as np
import pytest

from paddle_serving_client import HttpClient
from paddle_serving_client.errors import (
    BackendFailed,
    BadConfig,
    BadInput,
    DeadlineExceeded,
    NoMethod,
    ServingError,
    TooLarge,
    Unreachable,
)
from paddle_serving_client.grpc_channel import GrpcChannel
from paddle_serving_client.http_channel import HttpAddress
from tests.client import captured
from tests.client.calls import PRICE, same
from tests.data.frames import read
from tests.serving import free_port

METHOD = "/baidu.paddle_serving.predictor.general_model.GeneralModelService/inference"
Answer = Callable[[bytes, Any], bytes]


class GrpcReplay(grpc.GenericRpcHandler):  # type: ignore[misc]
    """A server of grpcio that answers each message as the test says."""

    def __init__(self, answer: Answer, port: int = 0) -> None:
        self.answer = answer
        self.asked: list[bytes] = []
        self._server = grpc.server(futures.ThreadPoolExecutor(4), handlers=(self,))
        self.port: int = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self._server.start()

    def service(self, call: Any) -> Any:
        def run(message: bytes, context: Any) -> bytes:
            self.asked.append(message)
            return self.answer(message, context)

        return grpc.unary_unary_rpc_method_handler(run) if call.method == METHOD else None

    def stop(self) -> None:
        self._server.stop(0).wait(5)


@pytest.fixture
def serve() -> Iterator[Callable[..., GrpcReplay]]:
    started: list[GrpcReplay] = []

    def start(answer: Answer, port: int = 0) -> GrpcReplay:
        started.append(GrpcReplay(answer, port))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def channel_to(port: int, **options: Any) -> GrpcChannel:
    return GrpcChannel(HttpAddress("127.0.0.1", port), **options)


def refuse(code: Any, words: str, *trailers: tuple[str, str]) -> Answer:
    def answer(message: bytes, context: Any) -> bytes:
        context.set_trailing_metadata(trailers)
        context.abort(code, words)
        raise AssertionError

    return answer


def test_the_captured_message(serve: Callable[..., GrpcReplay]) -> None:
    server = serve(lambda message, context: captured.payload("rep_uci_batch"))
    with HttpClient(as_numpy=True, raise_errors=True) as client:
        client.load_client_config(captured.config("uci"))
        client.set_use_grpc_client(True)
        client.connect([f"127.0.0.1:{server.port}"])
        same(client.predict(feed={"x": np.ones((1, 13))}, fetch=["price"], batch=True, log_id=5), PRICE)
        client.set_use_grpc_client(False)
        same(client.grpc_client_predict(feed={"x": np.ones(13)}, fetch=["price"], log_id=5), PRICE)
    assert server.asked == [read("grpc_message_uci.bin")] * 2


@pytest.mark.parametrize(("code", "trailers", "kind"), [
    (grpc.StatusCode.INVALID_ARGUMENT, (), BadInput),
    (grpc.StatusCode.INTERNAL, (), BackendFailed),
    (grpc.StatusCode.INTERNAL, (("x-bd-error-code", "2001"),), ServingError),
    (grpc.StatusCode.UNKNOWN, (("x-bd-error-code", "1003"),), BadInput),
    (grpc.StatusCode.DEADLINE_EXCEEDED, (("x-bd-error-code", "1008"),), DeadlineExceeded),
    (grpc.StatusCode.DATA_LOSS, (), ServingError),
])  # fmt: skip
def test_errors_of_a_server(serve: Callable[..., GrpcReplay], code: Any, trailers: Any, kind: type) -> None:
    server = serve(refuse(code, "no 'ä'", *trailers))
    with pytest.raises(kind, match=f"127.0.0.1:{server.port} answered {code.name}: no 'ä'") as caught:
        channel_to(server.port).call(METHOD, b"", 5.0, retries=2)
    assert type(caught.value) is kind
    assert len(server.asked) == 1


def test_a_method_that_is_not_there(serve: Callable[..., GrpcReplay]) -> None:
    server = serve(lambda message, context: b"")
    with pytest.raises(NoMethod):
        channel_to(server.port).call("/a.B/c", b"", 5.0)


def test_a_server_that_is_not_there_and_then_is(serve: Callable[..., GrpcReplay]) -> None:
    port = free_port()
    channel = channel_to(port)
    start = time.monotonic()
    with pytest.raises(Unreachable, match=f"127.0.0.1:{port}: "):
        channel.call(METHOD, b"", 5.0, retries=2)
    assert time.monotonic() - start < 3
    serve(lambda message, context: message, port)
    until = time.monotonic() + 10
    while True:
        try:
            assert channel.call(METHOD, b"back", 5.0) == b"back"
            break
        except Unreachable:
            assert time.monotonic() < until
            time.sleep(0.05)
    channel.close()
    assert channel.call(METHOD, b"again", 5.0) == b"again"


def test_a_server_that_never_answers(serve: Callable[..., GrpcReplay]) -> None:
    done = threading.Event()
    server = serve(lambda message, context: b"" if done.wait(5) else b"")
    start = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="no answer within 200 ms"):
        channel_to(server.port).call(METHOD, b"", 0.2, retries=2)
    assert 0.18 < time.monotonic() - start < 2
    done.set()


def test_calls_at_the_same_time(serve: Callable[..., GrpcReplay]) -> None:
    server = serve(lambda message, context: message)
    channel = channel_to(server.port)
    waiting = [channel.send(METHOD, b"%d" % k, 5.0) for k in range(20)]
    assert [call.result() for call in waiting] == [b"%d" % k for k in range(20)]


def test_compressed_and_over_the_limit(serve: Callable[..., GrpcReplay]) -> None:
    server = serve(lambda message, context: message)
    assert channel_to(server.port).call(METHOD, b"x" * 5000, 5.0, compress=True) == b"x" * 5000
    small = channel_to(server.port, max_body_bytes=1000)
    with pytest.raises(TooLarge, match="larger than max"):
        small.call(METHOD, b"x" * 1001, 5.0)


def test_no_proxy_for_this_machine(serve: Callable[..., GrpcReplay], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("no_proxy", "")
    server = serve(lambda message, context: message)
    assert channel_to(server.port).call(METHOD, b"x", 5.0) == b"x"


def test_certificates() -> None:
    address = HttpAddress("127.0.0.1", 1, "https")
    with pytest.raises(BadConfig, match="verify=False is not possible over gRPC"):
        GrpcChannel(address, verify=False)
    with pytest.raises(BadConfig, match="is not a file of certificates"):
        GrpcChannel(address, verify="no such file")


def test_without_grpcio() -> None:
    code = """
import sys
sys.modules["grpc"] = None
from paddle_serving_client import HttpClient
try:
    HttpClient().set_use_grpc_client(True)
except ImportError as exc:
    print(exc)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "gRPC needs grpcio: pip install paddle-serving-next[grpc]"
