import json
from base64 import b64encode
from pathlib import Path

import pytest

from paddle_serving_client import Client, HttpClient
from paddle_serving_client.errors import BadConfig, Unreachable
from paddle_serving_client.wire import general_model
from tests.client import captured, replay
from tests.client.calls import PRICE, UCI, client_of, same
from tests.client.http_replay import Answer, Asked, Behaviour, http_replay
from tests.client.replay import Serve
from tests.serving import free_port

KEY = bytes(range(16))


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_bytes(KEY)
    return path


def opens(port: int) -> Behaviour:
    """A key server that knows the key, as that of Paddle Serving answers."""

    def behave(asked: Asked) -> Answer:
        said = json.loads(asked.body)
        is_right = said == {"key": b64encode(KEY).decode()}
        answer = {"endpoint_list": [port]} if is_right else {"message": "start serving failed"}
        return Answer(json.dumps(answer).encode(), headers={"Content-Type": "application/json"})

    return behave


def test_client_goes_where_the_key_server_says(serve: Serve, key_file: Path) -> None:
    served = serve(replay.reply("rep_uci_batch"))
    with http_replay(opens(served.port)) as keys, client_of("uci", raise_errors=True) as client:
        client.use_key(str(key_file))
        client.connect([keys.endpoint, "127.0.0.1:1"], encryption=True)
        same(client.predict(**UCI), PRICE)
    assert (len(keys.asked), len(served.sent)) == (1, 1)
    assert keys.asked[0].headers["content-type"] == "application/json"


def test_http_client_goes_where_the_key_server_says(key_file: Path) -> None:
    reply = captured.payload("rep_uci_batch")
    with http_replay(lambda asked: Answer(reply)) as served, http_replay(opens(served.port)) as keys:
        client = HttpClient(as_numpy=True)
        client.load_client_config(captured.config("uci"))
        client.use_key(key_file)
        client.connect([keys.endpoint], encryption=True)
        assert (client.port, client.server_port) == (str(keys.port), str(served.port))
        same(client.predict(**UCI), PRICE)
    assert general_model.decode_request(served.asked[0].body).fetch == ("price",)


def test_a_key_server_that_does_not_serve(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_bytes(b"0123456789abcdef")
    with http_replay(opens(1)) as keys:
        for client in (Client(), HttpClient()):
            for key in (None, wrong):
                if key:
                    client.use_key(key)
                with pytest.raises(ValueError, match="^server not ready: .*start serving failed") as caught:
                    client.connect([keys.endpoint], encryption=True)
                assert b64encode(wrong.read_bytes()).decode() not in str(caught.value) + caplog.text
    assert [json.loads(asked.body) for asked in keys.asked][::2] == [{}, {}]


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"<html>", b'{"endpoint_list": []}', b'{"endpoint_list": ["12000"]}', b'{"endpoint_list": [0]}',
    b'{"endpoint_list": 12000}', b'{"endpoint_list": [true]}',
])  # fmt: skip
def test_an_answer_that_names_no_port(body: bytes) -> None:
    with http_replay(lambda asked: Answer(body, 500)) as keys, pytest.raises(BadConfig, match="server not ready"):
        Client().connect([keys.endpoint], encryption=True)


def test_no_key_server_and_no_key(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="cannot connect"):
        Client().connect([f"127.0.0.1:{free_port()}"], encryption=True)
    with pytest.raises(ValueError, match="You must set the endpoints parameter"):
        Client().connect(encryption=True)
    with pytest.raises(FileNotFoundError):
        Client().use_key(str(tmp_path / "nowhere"))
    (tmp_path / "empty").touch()
    with pytest.raises(BadConfig, match="a key has 1 to"):
        Client().use_key(str(tmp_path / "empty"))


def test_the_config_may_be_read_after_the_key(key_file: Path) -> None:
    client = Client()
    client.use_key(key_file)
    client.load_client_config(captured.config("uci"))
    assert client.key == KEY
