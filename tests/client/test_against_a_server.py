"""Both clients, in every mode, against a real server with real models."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_client import Client, HttpClient, dtype
from paddle_serving_client.errors import BadInput
from paddle_serving_client.wire.proto import general_model_pb2
from tests import identity, models
from tests.client.calls import same
from tests.serving import Server, serve

MODES = ["brpc", "http protobuf", "http json", "grpc"]
OVER_HTTP = MODES[1:]


def client_of(mode: str, model: Path, server: Server, **options: Any) -> Any:
    client: Any
    if mode == "brpc":
        client = Client(**options)
    else:
        client = HttpClient(**{"as_numpy": True, **options})
        client.set_http_proto(mode != "http json")
        client.set_use_grpc_client(mode == "grpc")
    client.load_client_config(model)
    client.connect([f"127.0.0.1:{server.port}"])
    return client


@pytest.fixture(scope="module")
def uci(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.uci(tmp_path_factory.mktemp("uci") / "uci")


@pytest.fixture(scope="module")
def server(uci: Path) -> Iterator[Server]:
    with serve(uci.parent, "--model", str(uci), "--name", "uci") as server:
        yield server


@pytest.mark.parametrize("mode", MODES)
def test_a_batch(server: Server, uci: Path, mode: str) -> None:
    x = np.stack([models.UCI_INPUT, models.UCI_INPUT * 2])
    with client_of(mode, uci, server, raise_errors=True) as client:
        got = client.predict(feed={"x": x}, fetch=["price"], batch=True)
        assert list(got) == ["price"]
        np.testing.assert_allclose(got["price"], models.uci_answer(x), rtol=1e-5)
        one = client.predict(feed={"x": models.UCI_INPUT})
        np.testing.assert_allclose(one["price"], [[models.UCI_PRICE]], rtol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_each_of_eight_threads_gets_its_own_answers(server: Server, uci: Path, mode: str) -> None:
    with client_of(mode, uci, server, raise_errors=True) as client:
        if mode != "brpc":
            client.set_request_compress(True)
            client.set_response_compress(True)

        def work(seed: int) -> None:
            random = np.random.default_rng(seed)
            for rows in (1, 60, 3, 200, 7):
                x = random.random((rows, 13), np.float32)
                price = client.predict(feed={"x": x}, fetch="price", batch=True)["price"]
                np.testing.assert_allclose(price, models.uci_answer(x), rtol=1e-4, atol=1e-4)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))


@pytest.mark.parametrize("mode", MODES)
def test_input_that_the_server_refuses(server: Server, uci: Path, mode: str, caplog: pytest.LogCaptureFixture) -> None:
    wrong = {"feed": {"x": np.zeros((1, 12), np.float32)}, "batch": True}
    with client_of(mode, uci, server) as client:
        assert client.predict(**wrong) is None
        assert "input 'x' must be float32[-1, 13], got float32[1, 12]" in caplog.text
        assert client.predict(feed={"x": models.UCI_INPUT}) is not None
        client.raise_errors = True
        with pytest.raises(BadInput, match=r"input 'x' must be float32\[-1, 13\]"):
            client.predict(**wrong)


@pytest.mark.parametrize("mode", OVER_HTTP)
def test_the_raw_reply_is_what_scripts_expect(server: Server, uci: Path, mode: str) -> None:
    with client_of(mode, uci, server, as_numpy=False) as client:
        got = client.predict(feed={"x": models.UCI_INPUT}, fetch=["price"])
    if mode == "http json":
        (tensor,) = got["outputs"][0]["tensor"]
        assert (tensor["alias_name"], tensor["shape"]) == ("price", [1, 1])
        assert tensor["float_data"] == pytest.approx([models.UCI_PRICE])
    else:
        assert isinstance(got, general_model_pb2.Response)
        (raw,) = got.outputs[0].tensor
        assert (raw.alias_name, [*raw.shape]) == ("price", [1, 1])
        assert raw.float_data == pytest.approx([models.UCI_PRICE])


def texts(folder: Path) -> Path:
    """A model that gives back strings."""
    return identity.model(folder, {"s": dtype.STRING})


def unsigned(folder: Path) -> Path:
    """A model that gives back whole numbers of 64 bits without a sign."""
    return identity.model(folder, {"x": dtype.code_of(np.uint64)})


def test_every_kind_of_value(tmp_path: Path) -> None:
    """Types without a field of their own, strings, and sequences: over each protocol the same answer."""
    half = np.array([[1.5, -2], [0.25, 8]], np.float16)
    small = np.array([[1, -128], [127, 3]], np.int8)
    octets = np.array([[1, 2, 250, 255]], np.uint8)
    words = np.array([[11], [12], [13]])
    words_of_text = np.array([["ä".encode(), b""], [b"a\0b", b"c"]], object)
    f, i64, i32 = np.eye(2, 3, dtype=np.float32), np.array([[3, -4], [2**40, 0]]), np.array([[1, 2], [3, 4]], np.int32)
    o1, o2, o3 = models.multi_answer(f, i64, i32)
    cases: list[tuple[Any, dict[str, Any], dict[str, Any]]] = [
        (models.multi, {"i32": i32, "f": f, "i64": i64}, {"o1": o1, "o2": o2, "o3": o3}),
        (texts, {"s": words_of_text}, {"s_out": words_of_text}),
        (unsigned, {"x": np.array([[0, 2**64 - 1]], np.uint64)}, {"x_out": np.array([[0, 2**64 - 1]], np.uint64)}),
        (models.f16, {"h": half, "i8": small}, {"o1": models.f16_answer(half, small)}),
        (models.text_and_bytes, {"u8": octets, "s": "abc"}, {"o1": octets.astype(np.float32) + sum(b"abc")}),
        (
            models.lod,
            {"words": words, "words.lod": [0, 1, 3]},
            {"crf": models.lod_answer(words), "crf.lod": np.array([0, 1, 3], np.int32)},
        ),
    ]
    for make, feed, wanted in cases:
        model = make(tmp_path / make.__name__)
        with serve(tmp_path, "--model", str(model)) as server:
            for mode in MODES:
                with client_of(mode, model, server, raise_errors=True) as client:
                    same(client.predict(feed=feed, batch=True), wanted)
