"""gRPC on a real server, by grpcio: the captured message, every status, sizes, compressions, deadlines, the end."""

import contextlib
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from paddle_serving_client.message import Array
from paddle_serving_client.wire import general_model, health, pipeline
from paddle_serving_client.wire.brpc import RpcError
from paddle_serving_client.wire.general_model import WireRequest, WireTensor
from paddle_serving_client.wire.health import Health
from paddle_serving_client.wire.pipeline import PipelineRequest
from paddle_serving_client.wire.proto import multi_lang_pb2 as multi_lang
from tests import models
from tests.data import frames
from tests.models import UCI_INPUT, UCI_PRICE
from tests.serving import ROOT, Server, serve

SERVICE = "/baidu.paddle_serving.predictor.general_model.GeneralModelService"
INFERENCE = f"{SERVICE}/inference"
MULTI_LANG = "/baidu.paddle_serving.multi_lang.MultiLangGeneralModelService"
MESSAGE = frames.read("grpc_message_uci.bin")
UNLIMITED = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))


def request(x: Array) -> bytes:
    return general_model.encode_request(WireRequest(tensors=(WireTensor(name="x", array=x),), fetch=("price",)))


GOOD = request(UCI_INPUT[None])


def channel(server: Server, *options: tuple[str, int], **more: Any) -> Any:
    return grpc.insecure_channel(f"127.0.0.1:{server.port}", options=(*UNLIMITED, *options), **more)


@pytest.fixture(scope="module")
def uci(uci_server: Server) -> Iterator[Any]:
    """One channel to the uci server."""
    with channel(uci_server) as made:
        yield made


def prices(reply: bytes) -> Array:
    (output,) = general_model.decode_response(reply).outputs
    (tensor,) = output.tensors
    assert (output.engine_name, tensor.name, tensor.alias) == ("GeneralInferOp_0", "fc_0.tmp_1", "price")
    return tensor.array


def refused(call: Any, message: bytes, **options: Any) -> tuple[Any, str, str | None]:
    """Status, text, and brpc's number of a call that must fail."""
    with pytest.raises(grpc.RpcError) as caught:
        call(message, timeout=options.pop("timeout", 20), **options)
    error: Any = caught.value
    trailers = {datum.key: datum.value for datum in error.trailing_metadata() or ()}
    return error.code(), error.details(), trailers.get("x-bd-error-code")


@pytest.mark.parametrize("method", ["inference", "debug"])
def test_the_captured_message(uci: Any, method: str) -> None:
    expected = models.uci_answer(np.ones((1, 13)))
    np.testing.assert_allclose(prices(uci.unary_unary(f"{SERVICE}/{method}")(MESSAGE)), expected, rtol=1e-5)


def test_the_short_service_name(uci: Any) -> None:
    np.testing.assert_allclose(
        prices(uci.unary_unary("/GeneralModelService/inference")(GOOD)), [[UCI_PRICE]], atol=1e-4
    )


def test_many_calls_at_once_on_one_channel(uci: Any) -> None:
    call = uci.unary_unary(INFERENCE)
    futures = [call.future(request(np.full((1, 13), k, np.float32)), timeout=60) for k in range(500)]
    for k, future in enumerate(futures):
        np.testing.assert_allclose(
            prices(future.result()), models.uci_answer(np.full((1, 13), k)), rtol=1e-3, atol=1e-3
        )


def test_channels_of_many_threads(uci_server: Server) -> None:
    def ask(k: int) -> None:
        with channel(uci_server, ("grpc.use_local_subchannel_pool", 1)) as own:
            for _ in range(5):
                answered = prices(own.unary_unary(INFERENCE)(request(np.full((k + 1, 13), k, np.float32)), timeout=60))
                np.testing.assert_allclose(answered, models.uci_answer(np.full((k + 1, 13), k)), rtol=1e-3, atol=1e-3)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(32)))


def test_large_messages_both_ways_and_several_at_once(uci: Any) -> None:
    x = np.random.default_rng(3).random((250_000, 13)).astype(np.float32)
    call = uci.unary_unary(INFERENCE)
    started = time.perf_counter()
    futures = [call.future(request(x), timeout=60) for _ in range(4)]  # 13 MB each, 1 MB back
    for future in futures:
        np.testing.assert_allclose(prices(future.result()), models.uci_answer(x), rtol=1e-3)
    assert time.perf_counter() - started < 20


@pytest.fixture(scope="module")
def small_server(uci_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that takes messages of 100000 bytes."""
    folder = tmp_path_factory.mktemp("small")
    with serve(folder, "--model", str(uci_folder), "--max_body_size", "100000", "--name", "uci") as server:
        yield server


def test_messages_over_the_limit_are_refused_at_their_prefix(small_server: Server) -> None:
    with channel(small_server) as small:
        call = small.unary_unary(INFERENCE)
        code, text, _ = refused(call, bytes(100_001))
        assert (code, text) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "a message of 100001 bytes came, at most 100000 are taken (--max_body_size)",
        )
        code, text, _ = refused(call, bytes(3_000_000), compression=grpc.Compression.Gzip)
        assert (code, "grow to more than 100000" in text) == (grpc.StatusCode.RESOURCE_EXHAUSTED, True)
        assert prices(call(request(np.zeros((1800, 13), np.float32)))).shape == (1800, 1)


@pytest.mark.parametrize(
    "compression", [grpc.Compression.Gzip, grpc.Compression.Deflate, grpc.Compression.NoCompression]
)
@pytest.mark.parametrize("rows", [1, 5000])
def test_compressions(uci: Any, compression: Any, rows: int) -> None:
    x = np.tile(UCI_INPUT, (rows, 1))
    answered = prices(uci.unary_unary(INFERENCE)(request(x), compression=compression, timeout=20))
    np.testing.assert_allclose(answered, np.full((rows, 1), UCI_PRICE), atol=1e-3)


INVALID, NONE = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("path", "message", "code", "number", "words"),
    [
        (f"{SERVICE}/nope", GOOD, NONE, RpcError.NO_METHOD, "Fail to find method"),
        ("/nope.Nope/inference", GOOD, NONE, RpcError.NO_METHOD, "'/nope.Nope/inference'"),
        (INFERENCE, b"\xff\xff\xff", INVALID, RpcError.BAD_REQUEST, "varint"),
        (INFERENCE, b"\x0b\x0c", INVALID, RpcError.BAD_REQUEST, "wire type 3"),
        (INFERENCE, b"", INVALID, RpcError.BAD_REQUEST, "missing input 'x'"),
        (INFERENCE, request(np.zeros((1, 12), np.float32)), INVALID, RpcError.BAD_REQUEST, "[1, 12]"),
        (INFERENCE, request(np.zeros((1, 13), np.int64)), INVALID, RpcError.BAD_REQUEST, "int64"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_what_is_wrong_is_said(uci: Any, path: str, message: bytes, code: Any, number: RpcError, words: str) -> None:
    got, text, said = refused(uci.unary_unary(path), message)
    assert (got, said) == (code, str(int(number)))
    assert words in text
    assert prices(uci.unary_unary(INFERENCE)(GOOD)).shape == (1, 1)


def test_a_text_that_is_not_ascii_arrives_whole(uci: Any) -> None:
    strange = general_model.encode_request(WireRequest(tensors=(WireTensor(name="größe%", array=np.zeros(1)),)))
    _, text, _ = refused(uci.unary_unary(INFERENCE), strange)
    assert "'größe%'" in text


def test_a_method_that_takes_one_message_says_so(uci: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        uci.stream_unary(INFERENCE)(iter([GOOD, GOOD]), timeout=20)
    error: Any = caught.value
    assert (error.code(), "this method takes one" in error.details()) == (INVALID, True)
    with pytest.raises(grpc.RpcError) as caught:
        uci.stream_unary(INFERENCE)(iter([]), timeout=20)
    error = caught.value
    assert (error.code(), error.details()) == (INVALID, "the call has no message")


def test_metadata_over_the_limit_does_not_end_the_server(uci_server: Server) -> None:
    with channel(uci_server, ("grpc.max_metadata_size", 1 << 20)) as own:
        code, _, _ = refused(own.unary_unary(INFERENCE), GOOD, metadata=(("x-large", "a" * 40_000),))
        assert code in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL)
    with channel(uci_server, ("grpc.use_local_subchannel_pool", 1)) as own:
        assert prices(own.unary_unary(INFERENCE)(GOOD, metadata=(("x-small", "a" * 4000),))).shape == (1, 1)


# --- time ---


@contextlib.contextmanager
def serve_slow(folder: Path) -> Iterator[Server]:
    """A server whose service waits as long as its input says, and notes in `folder` whose calls were cancelled."""
    models.uci(folder / "uci")
    (folder / "slow.py").write_text(SLOW)
    with serve(folder, "--service", str(folder / "slow.py")) as server:
        yield server


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """One such server, and its folder."""
    folder = tmp_path_factory.mktemp("slow")
    with serve_slow(folder) as server:
        yield server, folder


SLOW = '''
import asyncio
from pathlib import Path

from paddle_serving_server.services.web_service import WebService

HERE = Path(__file__).parent


class Slow(WebService):
    """Its tensors say how long to wait, in seconds; it notes who was not waited for any more."""

    async def infer_models(self, request):
        seconds = float(request.tensors["x"][0, 0])
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            (HERE / "cancelled").write_text(str(seconds))
            raise
        return await super().infer_models(request)


service = Slow("slow")
service.load_model_config(HERE / "uci")
service.run_web_service()
'''


def waiting(seconds: float) -> bytes:
    return request(np.full((1, 13), seconds, np.float32))


def assert_cancelled(folder: Path, seconds: float) -> None:
    until = time.monotonic() + 5
    while time.monotonic() < until:
        if (folder / "cancelled").exists() and (folder / "cancelled").read_text() == str(seconds):
            return
        time.sleep(0.02)
    raise AssertionError(f"the work of {seconds} s goes on")


def test_a_deadline_is_kept_and_the_work_is_stopped(slow: tuple[Server, Path]) -> None:
    server, folder = slow
    with channel(server) as own:
        call = own.unary_unary(INFERENCE)
        started = time.monotonic()
        code, _, _ = refused(call, waiting(30.5), timeout=0.3)
        assert code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert time.monotonic() - started < 5
        assert prices(call(waiting(0.0), timeout=20)).shape == (1, 1)
    assert_cancelled(folder, 30.5)


def test_a_call_that_nobody_waits_for_is_not_worked_on(slow: tuple[Server, Path]) -> None:
    server, folder = slow
    with channel(server) as own:
        future = own.unary_unary(INFERENCE).future(waiting(31.5))
        time.sleep(0.3)
        future.cancel()
        assert_cancelled(folder, 31.5)
        left = own.unary_unary(INFERENCE).future(waiting(32.5))
        time.sleep(0.3)  # and the caller goes away
    assert left.cancelled() or left.code() is grpc.StatusCode.CANCELLED
    assert_cancelled(folder, 32.5)


def test_calls_in_work_are_finished_when_the_server_stops(tmp_path: Path) -> None:
    with serve_slow(tmp_path) as server, channel(server) as own:
        futures = [own.unary_unary(INFERENCE).future(waiting(1.5)) for _ in range(20)]
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        for future in futures:
            assert prices(future.result(timeout=20)).shape == (1, 1)
        assert server.process.wait(20) == 0


# --- the other services ---


@pytest.mark.parametrize("name", ["", "uci", SERVICE[1:], "grpc.health.v1.Health"])
def test_health_of_what_is_there(uci: Any, name: str) -> None:
    reply = uci.unary_unary("/grpc.health.v1.Health/Check")(health.encode_request(name))
    assert health.decode_response(reply) is Health.SERVING


def test_health_of_what_is_not_there(uci: Any) -> None:
    code, text, number = refused(uci.unary_unary("/grpc.health.v1.Health/Check"), health.encode_request("nope"))
    assert (code, number) == (grpc.StatusCode.NOT_FOUND, str(int(RpcError.NO_SERVICE)))
    assert text == "no service 'nope'; served here: 'uci'"


def test_a_pipeline_that_is_not_there_is_an_answer(uci: Any) -> None:
    path = f"/{pipeline.SERVICE}/{pipeline.METHOD}"
    reply = uci.unary_unary(path)(pipeline.encode_request(PipelineRequest(name="nope", key=("a",), value=("b",))))
    assert reply[:1] == b"\x08"  # err_no
    assert b"No pipeline 'nope'" in reply


def old_request(is_python: bool, **more: Any) -> Any:
    x = UCI_INPUT[None]
    tensor = multi_lang.Tensor(data=x.tobytes()) if is_python else multi_lang.Tensor(float_data=x[0], elem_type=1)
    tensor.shape.extend(x.shape)
    said = {"feed_var_names": ["x"], "fetch_var_names": ["price"], "log_id": 0, **more}
    return multi_lang.InferenceRequest(insts=[multi_lang.FeedInst(tensor_array=[tensor])], is_python=is_python, **said)


@pytest.mark.parametrize("is_python", [False, True])
def test_callers_of_0_6(uci: Any, is_python: bool) -> None:
    call = uci.unary_unary(
        f"{MULTI_LANG}/Inference",
        request_serializer=multi_lang.InferenceRequest.SerializeToString,
        response_deserializer=multi_lang.InferenceResponse.FromString,
    )
    reply = call(old_request(is_python), timeout=2)
    (tensor,) = reply.outputs[0].insts[0].tensor_array
    values = np.frombuffer(tensor.data, np.float32) if is_python else list(tensor.float_data)
    assert (reply.err_code, list(tensor.shape)) == (0, [1, 1])
    np.testing.assert_allclose(values, [UCI_PRICE], atol=1e-4)
    code, text, _ = refused(call, old_request(is_python, feed_var_names=["nope"]))
    assert (code, text) == (INVALID, "unknown input 'nope'; this model takes 'x'")


def test_the_config_and_the_timeout_of_0_6(uci: Any) -> None:
    raw = uci.unary_unary(f"{MULTI_LANG}/GetClientConfig")(b"")
    text = multi_lang.GetClientConfigResponse.FromString(raw).client_config_str
    expected = (ROOT / "tests/data/frames/conf/uci/serving_client_conf.prototxt").read_text()
    assert text.split() == expected.split()
    raw = uci.unary_unary(f"{MULTI_LANG}/SetTimeout")(multi_lang.SetTimeoutRequest(timeout_ms=500).SerializeToString())
    assert multi_lang.SimpleResponse.FromString(raw).err_code == 0
