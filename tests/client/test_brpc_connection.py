import math
import socket
import threading
import time

import pytest

from paddle_serving_client import brpc_connection
from paddle_serving_client.brpc_connection import Address, Connection
from paddle_serving_client.errors import BadConfig, BadPacket, TooLarge
from paddle_serving_client.wire import brpc
from tests.client.replay import Replay
from tests.rpc_frames import response_frame


def echo(request: brpc.Frame) -> bytes:
    return response_frame(request.meta.correlation_id, request.payload)


def connect(server: Replay) -> Connection:
    return Connection(Address.parse(server.endpoint))


# --- addresses ---


@pytest.mark.parametrize(("endpoint", "address"), [
    ("127.0.0.1:9393", Address("127.0.0.1", 9393)),
    ("localhost:1", Address("localhost", 1)),
    ("[::1]:65535", Address("::1", 65535)),
])  # fmt: skip
def test_endpoints(endpoint: str, address: Address) -> None:
    assert Address.parse(endpoint) == address
    assert str(address) == endpoint


@pytest.mark.parametrize(
    "endpoint", ["", "host", "host:", ":1", "host:x", "host:65536", "host:-1", "http://h:1", "h/x:1"]
)
def test_what_is_no_endpoint(endpoint: str) -> None:
    with pytest.raises(BadConfig, match="must be host:port, for example 127.0.0.1:9393"):
        Address.parse(endpoint)


def test_an_address_of_version_6() -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    with listener:
        Connection(Address("::1", listener.getsockname()[1])).close()


@pytest.mark.parametrize(("error", "reason"), [
    (TimeoutError(), "cannot connect within 2 s"),
    (socket.gaierror(-2, "Name or service not known"), "the host name cannot be resolved"),
    (ConnectionRefusedError(111, "Connection refused"), "cannot connect: Connection refused"),
    (OSError("odd"), "cannot connect: odd"),
])  # fmt: skip
def test_reasons(error: OSError, reason: str) -> None:
    assert brpc_connection.reason_of(error) == reason


# --- one connection ---


def test_call_after_call() -> None:
    with Replay(echo) as server:
        connection = connect(server)
        for k in range(3):
            frame = connection.exchange("s", "m", b"%d" % k, math.inf)
            assert bytes(frame.payload) == b"%d" % k
            assert connection.is_quiet()
            assert not connection.is_spoiled
        connection.close()
    assert server.connections == 1


def test_ids_are_never_used_twice_in_a_process() -> None:
    with Replay(echo) as server:
        connections = [connect(server), connect(server)]
        ids = [c.exchange("s", "m", b"", math.inf).meta.correlation_id for c in connections * 3]
        for connection in connections:
            connection.close()
    assert len(set(ids)) == 6
    assert min(ids) >= 8589934594


def test_the_deadline_is_kept_while_bytes_trickle_in() -> None:
    """Each read starts the socket's own clock again; the deadline does not move."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def trickle() -> None:
            sock, _ = listener.accept()
            with sock:
                for byte in response_frame(1, bytes(1000)):
                    if stop.wait(0.02):
                        return
                    sock.sendall(bytes((byte,)))

        thread = threading.Thread(target=trickle)
        thread.start()
        connection = Connection(Address("127.0.0.1", listener.getsockname()[1]))
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            connection.exchange("s", "m", b"", start + 0.2)
        assert time.monotonic() - start < 0.5
        stop.set()
        connection.close()
        thread.join(5)


def test_a_deadline_that_passed_sends_nothing() -> None:
    with Replay(echo) as server:
        connection = connect(server)
        with pytest.raises(TimeoutError):
            connection.exchange("s", "m", b"", time.monotonic())
        connection.close()
    assert server.sent == []


def test_the_end_of_the_stream() -> None:
    with Replay(lambda request: None) as server:
        connection = connect(server)
        with pytest.raises((EOFError, ConnectionError)):
            connection.exchange("s", "m", b"", math.inf)
        connection.close()


def test_http_is_recognised() -> None:
    with Replay(lambda request: b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        connection = connect(server)
        with pytest.raises(BadPacket, match="it speaks HTTP; use HttpClient, or the port that speaks RPC"):
            connection.exchange("s", "m", b"", math.inf)
        connection.close()


def test_an_answer_over_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brpc_connection, "MAX_REPLY_BYTES", 100)
    with Replay(echo) as server:
        connection = connect(server)
        with pytest.raises(TooLarge, match="at most 100 are taken"):
            connection.exchange("s", "m", bytes(200), math.inf)
        connection.close()


def test_a_connection_that_has_something_to_read_is_not_quiet() -> None:
    with Replay(lambda request: echo(request) + b"PRPC") as server:
        connection = connect(server)
        connection.exchange("s", "m", b"", math.inf)
        time.sleep(0.05)
        assert connection.is_spoiled or not connection.is_quiet()
        connection.close()
    with Replay(echo) as server:
        connection = connect(server)
        connection.exchange("s", "m", b"", math.inf)
        server.stop()
        assert not connection.is_quiet()
        connection.close()
    assert not connection.is_quiet()


def test_a_connection_that_is_forgotten_is_closed() -> None:
    with Replay(echo) as server:
        connection = connect(server)
        connection.exchange("s", "m", b"", math.inf)
        del connection  # a ResourceWarning would fail the test
