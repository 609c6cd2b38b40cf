import math
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from paddle_serving_client import brpc_channel, brpc_connection
from paddle_serving_client.brpc_channel import BrpcChannel
from paddle_serving_client.errors import (
    BadConfig,
    BadPacket,
    Busy,
    DeadlineExceeded,
    ServingError,
    Stopping,
    Unreachable,
)
from paddle_serving_client.wire import brpc
from tests.client import replay
from tests.client.replay import Behaviour, Replay
from tests.rpc_frames import response_frame


def echo(request: brpc.Frame) -> bytes:
    return response_frame(request.meta.correlation_id, request.payload)


def say(text: bytes) -> Behaviour:
    return replay.payload(text)


class Group:
    """Listeners and one channel to them."""

    def __init__(self) -> None:
        self.servers: list[Replay] = []
        self.channels: list[BrpcChannel] = []

    def start(self, behave: Behaviour, port: int = 0) -> Replay:
        self.servers.append(Replay(behave, port))
        return self.servers[-1]

    def channel(self, *endpoints: str) -> BrpcChannel:
        self.channels.append(BrpcChannel(endpoints or [server.endpoint for server in self.servers]))
        return self.channels[-1]


@pytest.fixture
def group() -> Iterator[Group]:
    made = Group()
    yield made
    for channel in made.channels:
        channel.close()
    for server in made.servers:
        server.stop()


def call(channel: BrpcChannel, payload: bytes = b"hello", timeout_s: float = 10) -> bytes:
    return bytes(channel.call("s", "m", payload, timeout_s))


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


# --- one call ---


def test_a_call_sends_the_first_id_of_brpc_and_gets_its_answer(group: Group) -> None:
    server = group.start(echo)
    assert call(group.channel()) == b"hello"
    assert call(group.channel(), timeout_s=math.inf) == b"hello"
    reader = brpc.FrameReader()
    reader.feed(server.sent[0])
    frame = reader.next()
    assert frame is not None
    assert frame.meta.correlation_id >= 8589934594
    assert server.sent[0] == brpc.request_frame("s", "m", frame.meta.correlation_id, b"hello")


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 3 << 20])
def test_sizes(group: Group, size: int) -> None:
    group.start(echo)
    assert call(group.channel(), bytes(size)) == bytes(size)


def test_answers_to_others_are_skipped(group: Group) -> None:
    def behave(request: brpc.Frame) -> bytes:
        return response_frame(1, b"not for you") + echo(request)

    group.start(behave)
    assert call(group.channel()) == b"hello"


def test_bytes_after_the_answer_end_the_connection(group: Group) -> None:
    server = group.start(lambda request: echo(request) + b"PRPC")
    channel = group.channel()
    assert [call(channel), call(channel)] == [b"hello"] * 2
    assert server.connections == 2


def test_an_answer_over_the_limit(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brpc_connection, "MAX_REPLY_BYTES", 100)
    group.start(echo)
    with pytest.raises(ServingError, match="at most 100 are taken"):
        call(group.channel(), bytes(200))


# --- attempts ---


@pytest.mark.parametrize("code", [2004, 1011, 1014, 1009, 112])
def test_errors_that_are_tried_three_times(group: Group, code: int) -> None:
    server = group.start(replay.one_after_the_other(replay.error(code), replay.error(code), echo))
    assert call(group.channel()) == b"hello"
    assert len(server.sent) == 3
    server.behave = replay.error(code, "enough")
    with pytest.raises(ServingError, match=f"error {code}: enough"):
        call(group.channel())
    assert len(server.sent) == 6


@pytest.mark.parametrize("code", [-5100, -5000, -1, 404, 1001, 1002, 1003, 1008, 2001])
def test_errors_that_are_final(group: Group, code: int) -> None:
    server = group.start(replay.error(code))
    with pytest.raises(ServingError, match=f"{server.endpoint} answered error {code}: no"):
        call(group.channel())
    assert len(server.sent) == 1


def test_a_lost_connection_is_tried_three_times_on_new_ones(group: Group) -> None:
    server = group.start(replay.one_after_the_other(replay.hang_up, replay.hang_up, echo))
    assert call(group.channel()) == b"hello"
    assert (len(server.sent), server.connections) == (3, 3)
    server.behave = replay.hang_up
    with pytest.raises(
        Unreachable, match="closed the connection without an answer; is this the port of an RPC server?"
    ):
        call(group.channel())
    assert len(server.sent) == 6


def test_a_large_request_that_is_hung_up_on_names_its_size(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brpc, "MAX_BODY_BYTES", 1000)
    monkeypatch.setattr(brpc, "MAX_META_BYTES", 0)
    group.start(replay.hang_up)
    with pytest.raises(Unreachable, match="a request of 2000 bytes is probably over its limit"):
        call(group.channel(), bytes(2000))


def test_half_an_answer_counts_as_none(group: Group) -> None:
    def half(request: brpc.Frame) -> bytes:
        return echo(request)[:-2]

    group.start(half)
    with pytest.raises(DeadlineExceeded, match="no answer within 100 ms"):
        call(group.channel(), timeout_s=0.1)


def test_garbage_is_final(group: Group) -> None:
    server = group.start(lambda request: b"garbage bytes")
    with pytest.raises(BadPacket, match="does not answer as an RPC server: not a baidu_std frame"):
        call(group.channel())
    assert len(server.sent) == 1


def test_the_deadline_is_for_all_attempts_and_its_connection_is_closed(group: Group) -> None:
    def slow_then_busy(request: brpc.Frame) -> bytes:
        time.sleep(0.2)
        return brpc.error_frame(request.meta.correlation_id, 2004, "limit")

    server = group.start(slow_then_busy)
    channel = group.channel()
    start = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        call(channel, timeout_s=0.3)
    assert 0.29 < time.monotonic() - start < 0.6
    server.behave = echo
    assert call(channel) == b"hello"
    assert server.connections == 2


# --- connections ---


def test_each_call_in_flight_has_a_connection_and_all_are_kept(group: Group) -> None:
    together = threading.Barrier(8)

    def meet(request: brpc.Frame) -> bytes:
        together.wait(10)
        return echo(request)

    server = group.start(meet)
    channel = group.channel()
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            assert list(pool.map(lambda k: call(channel, b"%d" % k), range(8))) == [b"%d" % k for k in range(8)]
    assert server.connections == 8


def test_a_server_that_dies_and_returns(group: Group) -> None:
    server = group.start(echo)
    channel = group.channel()
    assert call(channel) == b"hello"
    server.stop()
    with pytest.raises(Unreachable, match="cannot connect: Connection refused"):
        call(channel)
    again = group.start(say(b"back"), server.port)
    assert call(channel) == b"back"
    assert again.connections == 1


def test_idle_connections_that_died_do_not_use_up_the_attempts(group: Group) -> None:
    together = threading.Barrier(6)

    def meet(request: brpc.Frame) -> bytes:
        together.wait(10)
        return echo(request)

    server = group.start(meet)
    channel = group.channel()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: call(channel), range(6)))
    server.stop()
    group.start(echo, server.port)
    assert call(channel) == b"hello"


def test_close_ends_idle_connections_now_and_busy_ones_when_they_are_done(group: Group) -> None:
    released = threading.Event()

    def wait(request: brpc.Frame) -> bytes:
        released.wait(10)
        return echo(request)

    server = group.start(wait)
    channel = group.channel()
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(call, channel)
        server.wait_connections(1)
        channel.close()
        released.set()
        assert busy.result(10) == b"hello"
    assert call(channel) == b"hello"
    assert server.connections == 2


# --- several endpoints ---


def test_calls_take_turns(group: Group) -> None:
    one, two = group.start(echo), group.start(echo)
    channel = group.channel()
    for _ in range(20):
        call(channel)
    assert (len(one.sent), len(two.sent)) == (10, 10)


def test_a_call_goes_to_who_has_least_to_do(group: Group) -> None:
    released = threading.Event()

    def wait(request: brpc.Frame) -> bytes:
        released.wait(10)
        return echo(request)

    slow = group.start(wait)
    channel = group.channel(slow.endpoint, group.start(echo).endpoint)
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(lambda: [call(channel), call(channel)])
        slow.wait_connections(1)
        for _ in range(6):
            call(channel)
        released.set()
        busy.result(10)
    assert len(slow.sent) <= 2


def test_one_that_refuses_is_passed_over_probed_and_used_again(group: Group) -> None:
    good = group.start(echo)
    dead = closed_port()
    channel = group.channel(f"127.0.0.1:{dead}", good.endpoint)
    for _ in range(10):
        assert call(channel) == b"hello"
    back = group.start(say(b"back"), dead)
    until = time.monotonic() + brpc_channel.PROBE_S + 2
    while call(channel) != b"back":
        assert time.monotonic() < until, "not used again"
        time.sleep(0.02)
    assert back.connections >= 2  # the probe opens one and closes it


def test_a_sick_endpoint_delays_nobody(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a probe hangs, calls go on: it has a thread of its own."""
    monkeypatch.setattr(brpc_channel, "FIRST_PROBE_S", 0.0)
    good = group.start(echo)
    dead = f"127.0.0.1:{closed_port()}"
    channel = group.channel(dead, good.endpoint)
    for _ in range(4):
        call(channel)
    original = socket.create_connection
    hanging = threading.Event()

    def hang(address: tuple[str, int], timeout: float) -> socket.socket:
        if f"{address[0]}:{address[1]}" == dead:
            hanging.wait(5)
        return original(address, timeout)

    monkeypatch.setattr(brpc_channel, "PROBE_S", 0.0)
    monkeypatch.setattr(socket, "create_connection", hang)
    time.sleep(0.1)
    start = time.monotonic()
    for _ in range(20):
        call(channel)
    assert time.monotonic() - start < 1
    hanging.set()


def test_who_logs_off_is_passed_over(group: Group) -> None:
    leaving = group.start(replay.error(2003, "logoff"))
    channel = group.channel(leaving.endpoint, group.start(echo).endpoint)
    for _ in range(10):
        assert call(channel) == b"hello"
    with pytest.raises(Stopping, match="error 2003: logoff"):
        call(group.channel(leaving.endpoint))


def test_busy_at_one_is_tried_at_another(group: Group) -> None:
    busy = group.start(replay.error(2004))
    channel = group.channel(busy.endpoint, group.start(echo).endpoint)
    for _ in range(5):
        assert call(channel) == b"hello"
    with pytest.raises(Busy):
        call(group.channel(busy.endpoint))


def test_all_refuse(group: Group) -> None:
    ports = [closed_port() for _ in range(3)]
    channel = group.channel(*(f"127.0.0.1:{port}" for port in ports))
    for _ in range(3):
        with pytest.raises(Unreachable):
            call(channel)


def test_there_must_be_an_endpoint() -> None:
    with pytest.raises(BadConfig, match="at least one endpoint"):
        BrpcChannel([])
    with pytest.raises(BadConfig, match="must be host:port"):
        BrpcChannel(["127.0.0.1:9393", "127.0.0.1"])


# --- readiness ---


def answer_http(text: bytes, times: int) -> tuple[str, threading.Thread]:
    """Listen, and answer so many connections with these bytes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener:
            for _ in range(times):
                sock, _ = listener.accept()
                with sock:
                    sock.recv(1000)
                    sock.sendall(text)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return f"127.0.0.1:{listener.getsockname()[1]}", thread


@pytest.mark.parametrize("text", [b"HTTP/1.1 200 OK\r\n\r\nOK", b"HTTP/1.1 404 Not Found\r\n\r\n", b"", b"PRPC"])
def test_ready(text: bytes) -> None:
    endpoint, thread = answer_http(text, 1)
    BrpcChannel([endpoint]).wait_ready(5)
    thread.join(5)


def test_not_ready() -> None:
    endpoint, thread = answer_http(b"HTTP/1.1 503 Service Unavailable\r\n\r\n", 2)
    refused = f"127.0.0.1:{closed_port()}"
    with pytest.raises(
        DeadlineExceeded, match=r"no server is ready after 0.15 s: .* answers that it is not ready, .* cannot"
    ):
        BrpcChannel([endpoint, refused]).wait_ready(0.15)
    thread.join(5)


def test_silence_is_not_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        start = time.monotonic()
        with pytest.raises(DeadlineExceeded, match="does not answer"):
            BrpcChannel([f"127.0.0.1:{listener.getsockname()[1]}"]).wait_ready(0.3)
        assert time.monotonic() - start < 1
