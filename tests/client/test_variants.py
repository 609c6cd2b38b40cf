import random

import pytest

from paddle_serving_client import Client
from paddle_serving_client.errors import BadConfig, Unreachable
from tests.client import replay
from tests.client.calls import PRICE, UCI, client_of, same
from tests.client.replay import Serve
from tests.serving import free_port

CALLS = 300


def test_calls_are_shared_by_weight(serve: Serve) -> None:
    random.seed(11)
    small, large = serve(replay.reply("rep_uci_batch")), serve(replay.reply("rep_uci_batch"))
    client = client_of("uci", raise_errors=True)
    client.add_variant("small", [small.endpoint], 10)
    client.add_variant("large", [large.endpoint], 90)
    client.connect()
    tags = []
    for _ in range(CALLS):
        got, tag = client.predict(**UCI, need_variant_tag=True)
        same(got, PRICE)
        tags.append(tag)
    client.release()
    assert tags.count("small") == len(small.sent)
    assert tags.count("large") == len(large.sent)
    assert len(small.sent) + len(large.sent) == CALLS
    assert 0.04 * CALLS < len(small.sent) < 0.18 * CALLS


def test_servers_of_one_variant_share_its_calls(serve: Serve) -> None:
    servers = [serve(replay.reply("rep_uci_batch")) for _ in range(2)]
    with client_of("uci") as client:
        client.add_variant("both", [server.endpoint for server in servers], 1)
        client.connect()
        for _ in range(20):
            client.predict(**UCI)
    assert [len(server.sent) for server in servers] == [10, 10]


def test_a_variant_of_weight_zero_is_never_called(serve: Serve) -> None:
    server = serve(replay.reply("rep_uci_batch"))
    with client_of("uci", raise_errors=True) as client:
        client.add_variant("off", [f"127.0.0.1:{free_port()}"], 0)
        client.add_variant("on", [server.endpoint], 1)
        client.connect()
        assert {client.predict(**UCI, need_variant_tag=True)[1] for _ in range(20)} == {"on"}


def test_a_call_that_fails_gives_no_tag() -> None:
    client = client_of("uci")
    client.add_variant("gone", [f"127.0.0.1:{free_port()}"], 5)
    client.connect()
    assert client.predict(**UCI, need_variant_tag=True) is None
    client.raise_errors = True
    with pytest.raises(Unreachable):
        client.predict(**UCI, need_variant_tag=True)


def test_weights_that_are_all_zero() -> None:
    client = Client()
    client.add_variant("a", ["127.0.0.1:1"], 0)
    client.add_variant("b", ["127.0.0.1:2"], 0)
    with pytest.raises(ValueError, match=r"^Zero normalized weight sum: .*a=0, b=0"):
        client.connect()


@pytest.mark.parametrize(("arguments", "text"), [
    (("a", ["127.0.0.1:1"], 1), "variant 'a' was added before"),
    (("b", [], 1), "variant 'b' has no endpoint"),
    (("b", ["127.0.0.1:1"], -1), "variant_weight must be an int of 0 or more, got -1"),
    (("b", ["127.0.0.1:1"], "10"), "variant_weight must be an int of 0 or more, got '10'"),
    (("b", ["127.0.0.1:1"], True), "variant_weight must be an int of 0 or more"),
])  # fmt: skip
def test_a_variant_that_cannot_be(arguments: tuple[str, list[str], int], text: str) -> None:
    client = Client()
    client.add_variant("a", ["127.0.0.1:1"], 1)
    with pytest.raises(BadConfig, match=text):
        client.add_variant(*arguments)


def test_the_order_of_calls(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    server = serve(replay.reply("rep_uci_batch"))
    with client_of("uci") as client:
        client.add_variant("a", [server.endpoint], 1)
        client.connect(["127.0.0.1:1"])
        assert "parameter endpoints(['127.0.0.1:1']) will not take effect" in caplog.text
        same(client.predict(**UCI), PRICE)
        with pytest.raises(BadConfig, match="must be called before connect"):
            client.add_variant("b", [server.endpoint], 1)
    wrong = Client()
    wrong.add_variant("a", ["http://127.0.0.1:1"], 1)
    with pytest.raises(ValueError, match="must be host:port"):
        wrong.connect()


def test_all_variants_must_be_ready(serve: Serve) -> None:
    server = serve(replay.reply("rep_uci_batch"))
    client = client_of("uci")
    client.add_variant("there", [server.endpoint], 1)
    client.add_variant("gone", [f"127.0.0.1:{free_port()}"], 1)
    client.connect()
    assert not client.wait_ready(0.3)
