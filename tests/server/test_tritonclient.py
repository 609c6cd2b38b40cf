"""The unmodified `tritonclient`, over HTTP and gRPC, asks a real server. No dependency: install it to run this."""

import queue
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests import models
from tests.models import UCI_INPUT, UCI_PRICE
from tests.serving import Server

REASON = "needs `pip install tritonclient[http,grpc]`"
utils: Any = pytest.importorskip("tritonclient.utils", reason=REASON)
http: Any = pytest.importorskip("tritonclient.http", reason=REASON)
grpc: Any = pytest.importorskip("tritonclient.grpc", reason=REASON)
ROWS = np.repeat(UCI_INPUT[None], 300, 0)


@pytest.fixture(params=[http, grpc], ids=["http", "grpc"])
def triton(request: pytest.FixtureRequest) -> Any:
    """One of the two modules, which have the same names in them."""
    return request.param


@pytest.fixture
def client(triton: Any, uci_server: Server) -> Iterator[Any]:
    with triton.InferenceServerClient(f"127.0.0.1:{uci_server.port}") as client:
        yield client


def given(triton: Any, array: Any, datatype: str = "FP32", name: str = "x") -> list[Any]:
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array)
    return [made]


def test_what_there_is(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("uci")
    assert client.is_model_ready("uci", "1")
    assert not client.is_model_ready("uci", "2")
    assert not client.is_model_ready("nope")


def test_metadata_config_statistics_and_index(triton: Any, client: Any) -> None:
    as_json = {} if triton is http else {"as_json": True}
    assert "statistics" in client.get_server_metadata(**as_json)["extensions"]
    metadata = client.get_model_metadata("uci", **as_json)
    assert (metadata["versions"], list(map(int, metadata["inputs"][0]["shape"]))) == (["1"], [-1, 13])
    config = client.get_model_config("uci", **as_json)
    config = config.get("config", config)
    assert (config["input"][0]["data_type"], list(map(int, config["input"][0]["dims"]))) == ("TYPE_FP32", [13])
    assert config["max_batch_size"] > 1
    (model,) = client.get_inference_statistics("uci", **as_json)["model_stats"]
    assert model["name"] == "uci"
    index = client.get_model_repository_index(**as_json)
    (model,) = index if triton is http else index["models"]
    assert model == {"name": "uci", "version": "1", "state": "READY"}


def test_inference(triton: Any, client: Any) -> None:
    for x in (ROWS[:1], ROWS):
        result = client.infer("uci", given(triton, x), request_id="7", model_version="1")
        np.testing.assert_allclose(result.as_numpy("price"), models.uci_answer(x), rtol=1e-5)
    wanted = [triton.InferRequestedOutput("price", class_count=1)]
    result = client.infer("uci", given(triton, ROWS[:2]), outputs=wanted, priority=1, timeout=1000, sequence_id=3)
    assert [float(text.split(b":")[0]) for text in result.as_numpy("price").ravel()] == pytest.approx([UCI_PRICE] * 2)


@pytest.mark.parametrize("kind", ["gzip", "deflate"])
def test_compression(triton: Any, client: Any, kind: str) -> None:
    over_http = {"request_compression_algorithm": kind, "response_compression_algorithm": kind}
    said = over_http if triton is http else {"compression_algorithm": kind}
    result = client.infer("uci", given(triton, ROWS), **said)
    np.testing.assert_allclose(result.as_numpy("price"), models.uci_answer(ROWS), rtol=1e-5)


def test_json_and_calls_that_are_not_waited_for(uci_server: Server) -> None:
    with http.InferenceServerClient(f"127.0.0.1:{uci_server.port}") as client:
        x = http.InferInput("x", [1, 13], "FP32")
        x.set_data_from_numpy(ROWS[:1], binary_data=False)
        outputs = [http.InferRequestedOutput("price", binary_data=False)]
        waiting = [client.async_infer("uci", [x], outputs=outputs) for _ in range(4)]
        for one in waiting:
            np.testing.assert_allclose(one.get_result().as_numpy("price"), [[UCI_PRICE]], rtol=1e-5)


def test_a_stream(uci_server: Server) -> None:
    came: queue.Queue[Any] = queue.Queue()
    with grpc.InferenceServerClient(f"127.0.0.1:{uci_server.port}") as client:
        client.start_stream(callback=lambda result, error: came.put((result, error)))
        for k in range(50):
            name = "nope" if k == 7 else "uci"
            client.async_stream_infer(name, given(grpc, ROWS[: k + 1]), request_id=str(k))
        for k in range(50):
            result, error = came.get(timeout=20)
            if k == 7:
                assert "unknown model: 'nope'" in str(error)
                continue
            answer = result.get_response()
            assert (answer.id, answer.parameters["triton_final_response"].bool_param) == (str(k), True)
            np.testing.assert_allclose(result.as_numpy("price"), models.uci_answer(ROWS[: k + 1]), rtol=1e-5)
        client.stop_stream()


@pytest.mark.parametrize(
    ("what", "options", "text"),
    [
        ((ROWS[:1, :12],), {}, "Expected [-1,13], got [1,12]"),
        ((ROWS[:1].astype(np.float64), "FP64"), {}, "data-type is 'FP64', but model 'uci' expects 'FP32'"),
        ((np.array([["a"]], np.object_), "BYTES"), {}, "data-type is 'BYTES', but model 'uci' expects 'FP32'"),
        ((ROWS[:1], "FP32", "y"), {}, "unexpected inference input 'y' for model 'uci'"),
        ((ROWS[:1],), {"model_version": "9"}, "Request for unknown model: 'uci' version 9 is not found"),
        ((ROWS[:1],), {"model_name": "nope"}, "Request for unknown model: 'nope' is not found"),
    ],
)
def test_errors(triton: Any, client: Any, what: Any, options: dict[str, str], text: str) -> None:
    with pytest.raises(utils.InferenceServerException) as caught:
        client.infer(**{"model_name": "uci", "inputs": given(triton, *what), **options})
    assert text in caught.value.message()
