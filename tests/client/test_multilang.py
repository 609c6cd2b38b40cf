import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from paddle_serving_client import MultiLangClient
from paddle_serving_client.errors import BadConfig, BadInput, ServingError, Unreachable
from paddle_serving_client.multilang import MultiLangPredictFuture
from tests import models
from tests.client.calls import same
from tests.serving import Server, free_port, serve

F = np.eye(2, 3, dtype=np.float32)
I64 = np.array([[3, -4], [2**40, 0]])
I32 = np.array([[1, 2], [3, 4]], np.int32)
FEED = {"i32": I32, "f": F, "i64": I64}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("multi")
    with serve(folder, "--model", str(models.multi(folder / "multi"))) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[MultiLangClient]:
    client = MultiLangClient()
    client.connect([f"127.0.0.1:{server.port}", f"localhost:{server.port}"])
    yield client
    client.release()


def wanted() -> dict[str, Any]:
    return dict(zip(("o1", "o2", "o3"), models.multi_answer(F, I64, I32), strict=True))


def test_the_config_comes_from_the_server(client: MultiLangClient) -> None:
    assert client.get_feed_names() == ["f", "i64", "i32"]
    assert client.get_fetch_names() == ["o1", "o2", "o3"]
    assert client.feed_types_ == {"f": 1, "i64": 0, "i32": 2}


@pytest.mark.parametrize("is_python", [True, False])
def test_values_as_bytes_and_as_numbers(client: MultiLangClient, is_python: bool) -> None:
    for _ in range(2):
        got = client.predict(feed=FEED, fetch=["o3", "o1"], is_python=is_python)
        assert got.pop("serving_status_code") == 0
        same(got, {name: wanted()[name] for name in ("o3", "o1")})


def test_one_row_and_the_tag(client: MultiLangClient) -> None:
    row = {"f": F[0].tolist(), "i64": I64[0], "i32": I32[0]}
    got, tag = client.predict(feed=row, fetch="o1", batch=False, need_variant_tag=True)
    assert tag
    assert got.pop("serving_status_code") == 0
    same(got, {"o1": wanted()["o1"][:1]})


def test_answers_that_come_later(client: MultiLangClient) -> None:
    done = threading.Event()
    futures = [client.predict(feed=FEED | {"f": F * k}, fetch=["o1"], asyn=True) for k in range(10)]
    futures[-1].add_done_callback(lambda future: done.set() if future is futures[-1] else None)
    for k, future in enumerate(futures):
        assert isinstance(future, MultiLangPredictFuture)
        np.testing.assert_array_equal(future.result()["o1"], wanted()["o1"] * k)
    assert done.wait(5)


def test_input_that_the_server_refuses(client: MultiLangClient, caplog: pytest.LogCaptureFixture) -> None:
    wrong = FEED | {"f": np.zeros((2, 4), np.float32)}
    assert client.predict(feed=wrong) == {"serving_status_code": grpc.StatusCode.INVALID_ARGUMENT}
    assert "Grpc inference error occur: " in caplog.text
    assert client.predict(feed=wrong, asyn=True).result() == {"serving_status_code": grpc.StatusCode.INVALID_ARGUMENT}
    client.raise_errors = True
    with pytest.raises(BadInput):
        client.predict(feed=wrong)
    assert client.predict(feed=FEED)["serving_status_code"] == 0


def test_a_timeout(client: MultiLangClient) -> None:
    assert client.set_rpc_timeout_ms(5000) is True
    with pytest.raises(ValueError, match=r"^rpc_timeout must be int type\.$"):
        client.set_rpc_timeout_ms(1.5)  # type: ignore[arg-type]
    with pytest.raises(BadConfig, match="call connect"):
        MultiLangClient().set_rpc_timeout_ms(5)


def test_wrong_arguments(client: MultiLangClient) -> None:
    with pytest.raises(ValueError, match=r"^Type Error\. grpc feed must be dict\.$"):
        client.predict(feed=[FEED])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^Wrong feed name: zz\.$"):
        client.predict(feed={"zz": F})
    with pytest.raises(BadConfig, match="call connect"):
        MultiLangClient().predict(feed=FEED)
    with pytest.raises(BadConfig, match="cannot support ABtest yet"):
        client.add_variant("a", ["127.0.0.1:1"], 1)


def test_a_server_that_goes_away(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        MultiLangClient().connect([f"127.0.0.1:{free_port()}"])
    client = MultiLangClient()
    with serve(tmp_path, "--model", str(models.lod(tmp_path / "lod"))) as server:
        client.connect([f"127.0.0.1:{server.port}"])
        words = np.array([[11], [12], [13]])
        got = client.predict(feed={"words": words, "words.lod": [0, 1, 3]}, fetch=["crf"])
        np.testing.assert_array_equal(got["crf"], models.lod_answer(words))
        np.testing.assert_array_equal(got["crf.lod"], [0, 1, 3])
    assert client.predict(feed={"words": words}) == {"serving_status_code": grpc.StatusCode.UNAVAILABLE}
    client.raise_errors = True
    with pytest.raises(ServingError):
        client.predict(feed={"words": words})
    client.release()
