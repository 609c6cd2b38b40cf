"""Small calls that are like earlier ones take short ways: what they get is what they would have got on the long one."""

import contextlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paddle_serving_client.message import Array
from paddle_serving_client.wire import brpc, general_model
from paddle_serving_client.wire.brpc import SERVICE
from paddle_serving_client.wire.general_model import WireRequest, WireTensor
from tests import models
from tests.models import UCI_INPUT
from tests.serving import Server

CALLERS, CALLS = 8, 40
GOOD = json.dumps({"feed": [{"x": UCI_INPUT.tolist()}], "fetch": ["price"]})


class Http:
    """A connection that is kept."""

    def __init__(self, server: Server) -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> "Http":
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()
        self._socket.close()

    def send(self, body: str, *more: str, method: str = "POST", path: str = "/uci/prediction") -> None:
        lines = (f"{method} {path} HTTP/1.1", "Host: here", "Content-Type: application/json", *more)
        head = "\r\n".join((*lines, f"Content-Length: {len(body.encode())}", "", ""))
        self._socket.sendall(head.encode() + body.encode())

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        status = int(self._file.readline().split()[1])
        headers = {}
        while line := self._file.readline().decode().strip():
            name, _, value = line.partition(": ")
            headers[name] = value
        return status, headers, self._file.read(int(headers["Content-Length"]))

    @property
    def is_closed(self) -> bool:
        return self._file.read() == b""

    def ask(self, body: str, *more: str) -> tuple[int, dict[str, str], bytes]:
        self.send(body, *more)
        return self.answer()


Ask = Callable[[Array], float]


@contextlib.contextmanager
def by_rpc(server: Server) -> Iterator[Ask]:
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    reader = brpc.FrameReader(reads="replies")
    asked = 0

    def ask(x: Array) -> float:
        nonlocal asked
        asked += 1
        tensor = WireTensor(name="x", alias="x", array=x[None])
        message = general_model.encode_request(WireRequest(tensors=(tensor,), fetch=("price",), log_id=7))
        sock.sendall(brpc.request_frame(SERVICE, "inference", 1 << 3 * asked % 60, message))
        while (frame := reader.next()) is None:
            reader.feed(sock.recv(65536))
        assert frame.meta.correlation_id == 1 << 3 * asked % 60
        response = general_model.decode_response(frame.payload)
        (output,) = response.outputs
        (tensor,) = output.tensors
        began, ended = response.profile_time
        assert (tensor.name, tensor.alias, output.engine_name) == ("fc_0.tmp_1", "price", "GeneralInferOp_0")
        assert response.log_id == 7
        assert 0 <= ended - began < 20_000_000
        return float(tensor.array[0, 0])

    with sock:
        yield ask


@contextlib.contextmanager
def by_http(server: Server) -> Iterator[Ask]:
    def ask(x: Array) -> float:
        status, headers, said = connection.ask(json.dumps({"feed": [{"x": x.tolist()}], "fetch": ["price"]}))
        assert status == 200, said
        names = re.findall(r"(\w+);dur=\d", headers["Server-Timing"])
        assert names == ["read", "preprocess", "queue", "batch", "infer", "transfer", "postprocess", "write"]
        ((price,),) = json.loads(said)["result"]["price"]
        return float(price)

    with Http(server) as connection:
        yield ask


@pytest.mark.parametrize("way", [by_rpc, by_http])
def test_every_caller_gets_the_answer_to_his_own_numbers(
    uci_server: Server, way: Callable[[Server], contextlib.AbstractContextManager[Ask]]
) -> None:
    wrong: list[str] = []

    def call(number: int) -> None:
        numbers = np.random.default_rng(number)
        try:
            with way(uci_server) as ask:
                for _ in range(CALLS):
                    x = numbers.normal(size=13).astype(np.float32)
                    np.testing.assert_allclose(ask(x), x @ models.UCI_W + models.UCI_B, rtol=1e-3, atol=1e-3)
        except Exception as exc:
            wrong.append(repr(exc))

    threads = [threading.Thread(target=call, args=(k,)) for k in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


BODIES = st.sampled_from(
    [
        GOOD,
        GOOD.replace("price", "nope"),
        GOOD.replace('"x"', '"y"'),
        GOOD.replace("0.", "1."),
        GOOD[:-1] + " ",
        GOOD.replace("[{", "({"),
        GOOD.replace("0.0137", "true  "),
        GOOD.replace("0.0137", '"1234"'),
        GOOD.replace("0.0137", "[1234]"),
        GOOD.replace("0.0137", "1e9999"),
        "{}",
        "",
    ]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(BODIES, min_size=1, max_size=6), number=st.integers(0, 2**31), pipelined=st.booleans())
def test_the_short_way_over_http_says_what_the_long_one_says(
    uci_server: Server, bodies: list[str], number: int, pipelined: bool
) -> None:
    """A query, which only the long way reads, makes the difference."""
    with Http(uci_server) as short, Http(uci_server) as long:
        if pipelined:
            for body in bodies:
                short.send(body)
        for body in bodies:
            if not pipelined:
                short.send(body)
            long.send(body, f"X-Number: {number}", path="/uci/prediction?n=1")
            status, headers, said = short.answer()
            assert (status, said) == long.answer()[::2]
            assert headers["Content-Type"] == "application/json"


def test_one_head_with_other_bodies_methods_and_places(uci_server: Server) -> None:
    with Http(uci_server) as connection:
        for _ in range(3):
            assert connection.ask(GOOD)[0] == 200
            assert connection.ask(GOOD[:-1] + "!")[0] == 400
            connection.send(GOOD, path="/none/prediction")
            assert connection.answer()[0] == 404
            connection.send(GOOD, method="GET")
            assert connection.answer()[0] == 405
            assert connection.ask(GOOD, "Content-Encoding: br")[0] == 415
            assert connection.ask(GOOD, "X-Variant: b")[0] == 400
            assert connection.ask(GOOD, "Accept: application/x-npy")[1]["Content-Type"] == "application/x-npy"


def test_a_connection_that_is_to_be_closed_is_closed_behind_the_answer(uci_server: Server) -> None:
    for _ in range(2):
        with Http(uci_server) as connection:
            status, headers, _ = connection.ask(GOOD, "Connection: close")
            assert (status, headers["Connection"]) == (200, "close")
            assert connection.is_closed


def test_a_long_answer_is_compressed_for_who_takes_that(uci_server: Server) -> None:
    houses = json.dumps({"feed": [{"x": [0.5] * 13}] * 40})
    with Http(uci_server) as connection:
        status, headers, said = connection.ask(houses, "Accept-Encoding: gzip")
    assert (status, headers["Content-Encoding"], said[:2]) == (200, "gzip", b"\x1f\x8b")
