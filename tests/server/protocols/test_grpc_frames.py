"""HTTP/2 below gRPC on a real server: frames that grpcio does not send, floods, and bytes that are no frames."""

import contextlib
import gzip
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import StreamClosedError
from h2.settings import SettingCodes, Settings
from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paddle_serving_client.wire import general_model, grpc
from paddle_serving_client.wire.general_model import WireRequest, WireTensor
from paddle_serving_server.web_service import WebService
from tests import grpc_texts, models
from tests.data import frames
from tests.server.protocols.transport import Ask, Wire, serving
from tests.serving import Server, read_all, serve

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PATH = "/baidu.paddle_serving.predictor.general_model.GeneralModelService/inference"
MESSAGE = frames.read("grpc_message_uci.bin")
HEADERS = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", PATH),
    (":authority", "test"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
]


@pytest.fixture(scope="module")
def ask(uci_folder: Path) -> Iterator[Ask]:
    with serving(uci_folder, WebService("uci")) as ask:
        yield ask


class Peer:
    """A client that sends what it likes."""

    def __init__(self, server: Server, timeout_s: float = 10.0) -> None:
        self.sock = socket.create_connection(("127.0.0.1", server.port), timeout=timeout_s)
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.flush()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *exc: object) -> None:
        self.sock.close()

    def flush(self) -> None:
        self.sock.sendall(self.h2.data_to_send())

    def call(self, message: bytes = MESSAGE, headers: list[tuple[str, str]] = HEADERS) -> int:
        """Open a call with one message, and end it."""
        number = self.h2.get_next_available_stream_id()
        self.h2.send_headers(number, headers)
        framed = grpc.framed(message)
        for at in range(0, len(framed), 16384):
            self.h2.send_data(number, framed[at : at + 16384])
        self.h2.end_stream(number)
        self.flush()
        return number

    def until(self, is_enough: Callable[[list[events.Event]], bool]) -> list[events.Event]:
        """Everything that happens until there is enough, or the server closes."""
        seen: list[events.Event] = []
        while not is_enough(seen) and (data := self.sock.recv(65536)):
            seen += self.h2.receive_data(data)
            self.flush()
        return seen

    def trailers(self, number: int) -> dict[str, str]:
        """How a call ended."""

        def is_over(seen: list[events.Event]) -> bool:
            return any(isinstance(e, events.StreamEnded | events.StreamReset) and e.stream_id == number for e in seen)

        said: dict[str, str] = {}
        for event in self.until(is_over):
            if isinstance(event, events.ResponseReceived | events.TrailersReceived) and event.stream_id == number:
                said |= {str(k): str(v) for k, v in event.headers or ()}
        return said

    def goodbye(self) -> ErrorCodes | int | None:
        """Why the server closes the connection."""
        with contextlib.suppress(ConnectionError):
            for event in self.until(lambda seen: any(isinstance(e, events.ConnectionTerminated) for e in seen)):
                if isinstance(event, events.ConnectionTerminated):
                    return event.error_code
        return None


def assert_alive(server: Server) -> None:
    with Peer(server) as peer:
        assert peer.trailers(peer.call())["grpc-status"] == "0"


def raw_frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return struct.pack(">I", len(body))[1:] + struct.pack(">BBI", kind, flags, stream) + body


def block(*headers: tuple[str, str]) -> bytes:
    return bytes(Encoder().encode(headers))


# --- calls in unusual frames ---


def test_a_call_byte_by_byte(uci_server: Server) -> None:
    with Peer(uci_server) as peer:
        peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.h2.send_headers(1, HEADERS)
        peer.h2.send_data(1, grpc.framed(MESSAGE), end_stream=True)
        for byte in peer.h2.data_to_send():
            peer.sock.send(bytes([byte]))
        assert peer.trailers(1)["grpc-status"] == "0"


def test_a_message_in_frames_of_one_byte_with_padding(uci_server: Server) -> None:
    with Peer(uci_server) as peer:
        peer.h2.send_headers(1, HEADERS)
        for byte in grpc.framed(MESSAGE):
            peer.h2.send_data(1, bytes([byte]), pad_length=255)
        peer.h2.end_stream(1)
        peer.flush()
        assert peer.trailers(1)["grpc-status"] == "0"


def test_more_padding_than_a_window_does_not_block(uci_server: Server) -> None:
    x = np.zeros((300, 13), np.float32)
    message = grpc.framed(general_model.encode_request(WireRequest(tensors=(WireTensor(name="x", array=x),))))
    with Peer(uci_server) as peer:
        peer.h2.send_headers(1, HEADERS)
        for at in range(0, len(message), 10):  # 15 KB in 1560 frames of 266: more than the 256 KiB that come free
            while peer.h2.local_flow_control_window(1) < 1000:
                peer.flush()
                peer.h2.receive_data(peer.sock.recv(65536))
            peer.h2.send_data(1, message[at : at + 10], pad_length=255)
        peer.h2.end_stream(1)
        peer.flush()
        assert peer.trailers(1)["grpc-status"] == "0"


def test_a_hundred_calls_at_once_are_taken_and_one_more_is_not(uci_server: Server) -> None:
    with Peer(uci_server) as peer:
        numbers = [peer.call() for _ in range(100)]
        peer.until(lambda seen: sum(isinstance(e, events.StreamEnded) for e in seen) == len(numbers))
        peer.h2.remote_settings = Settings(client=False, initial_values={SettingCodes.MAX_CONCURRENT_STREAMS: 1000})
        for k in range(101):
            peer.h2.send_headers(2 * (100 + k) + 1, HEADERS)
        peer.flush()
        assert peer.goodbye() is not None
    assert_alive(uci_server)


@pytest.mark.parametrize("accepts", ["gzip", "identity, deflate, gzip", "identity", ""])
def test_replies_are_compressed_for_those_who_take_that(uci_server: Server, accepts: str) -> None:
    x = np.zeros((1000, 13), np.float32)
    message = general_model.encode_request(WireRequest(tensors=(WireTensor(name="x", array=x),)))
    headers = [*HEADERS, ("grpc-accept-encoding", accepts)] if accepts else HEADERS
    with Peer(uci_server) as peer:
        number = peer.call(message, headers)
        seen = peer.until(lambda seen: any(isinstance(e, events.StreamEnded) for e in seen))
        (response,) = (e for e in seen if isinstance(e, events.ResponseReceived))
        said = {str(k): str(v) for k, v in response.headers or ()}
        reply = b"".join(e.data or b"" for e in seen if isinstance(e, events.DataReceived))
        prefix = grpc.read_prefix(reply, 1 << 20)
        assert (prefix.compressed, said.get("grpc-encoding")) == (
            (True, "gzip") if "gzip" in accepts else (False, None)
        )
        plain = gzip.decompress(reply[5:]) if prefix.compressed else reply[5:]
        (tensor,) = general_model.decode_response(plain).outputs[0].tensors
        assert tensor.array.shape == (1000, 1)
        small = peer.call(MESSAGE, headers)
        assert number != small
        assert "grpc-encoding" not in peer.trailers(small)


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"content-type": "application/json"}, "415"),
        ({"content-type": "application/grpc+json"}, "415"),
        ({"content-type": ""}, "415"),
        ({":method": "GET"}, "405"),
    ],
)
def test_requests_that_are_no_grpc_get_an_http_status(uci_server: Server, more: dict[str, str], status: str) -> None:
    with Peer(uci_server) as peer:
        assert peer.trailers(peer.call(headers=list({**dict(HEADERS), **more}.items())))[":status"] == status
        assert peer.trailers(peer.call())["grpc-status"] == "0"


@pytest.mark.parametrize(
    "headers",
    [
        [("X-A", "b"), *HEADERS],
        [*HEADERS, ("X-A", "b")],
        [*HEADERS, ("x a", "b")],
        [*HEADERS, ("", "b")],
        [*HEADERS, ("x-a", "b\r\nc: d")],
        [*HEADERS, ("x-a", "b\0")],
        [*HEADERS, (":path", "/x")],
        [*HEADERS, (":what", "x")],
        [*HEADERS[:2], *HEADERS[2:], HEADERS[0]],
        [*HEADERS, ("connection", "close")],
        [*HEADERS, ("transfer-encoding", "chunked")],
        HEADERS[:2],
        HEADERS[1:],
        [],
    ],
    ids=range(14),
)
def test_headers_that_cannot_be_end_their_call_alone(ask: Ask, headers: list[tuple[str, str]]) -> None:
    """Another call of the connection is half-way meanwhile, and is answered."""
    peer = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    peer.initiate_connection()

    async def scene(wire: Wire) -> list[events.Event]:
        framed = grpc.framed(MESSAGE)
        peer.send_headers(1, HEADERS)
        peer.send_data(1, framed[:20])
        wire.send(peer.data_to_send() + raw_frame(1, 5, 3, block(*headers)))
        peer.send_headers(3, HEADERS)  # it has to know of this call
        peer.clear_outbound_data_buffer()
        peer.send_data(1, framed[20:], end_stream=True)
        wire.send(peer.data_to_send())
        return peer.receive_data(await wire.answered())

    happened = ask.play(scene)
    resets = [(e.stream_id, e.error_code) for e in happened if isinstance(e, events.StreamReset)]
    assert resets == [(3, ErrorCodes.PROTOCOL_ERROR)]
    (ended,) = (e for e in happened if isinstance(e, events.TrailersReceived))
    said = {str(name): str(value) for name, value in ended.headers or ()}
    assert (ended.stream_id, said["grpc-status"]) == (1, "0")


def test_white_space_around_metadata_is_none_of_it(uci_server: Server) -> None:
    with Peer(uci_server) as peer:
        more = [("x-a", " b "), ("x-b", ""), ("x-a", "c"), ("grpc-accept-encoding", " gzip\t")]
        peer.h2.config.normalize_outbound_headers = peer.h2.config.validate_outbound_headers = False
        assert peer.trailers(peer.call(headers=[*HEADERS, *more]))["grpc-status"] == "0"


@pytest.mark.parametrize(
    ("body", "more", "status", "words"),
    [
        (b"", {}, "3", "no message"),
        (b"\x00\x00", {}, "3", "after 2 bytes"),
        (grpc.framed(MESSAGE)[:-1], {}, "3", "after 81 bytes of 82"),
        (grpc.framed(MESSAGE) + b"\x00", {}, "3", "more came than one message"),
        (b"\x02" + grpc.framed(MESSAGE)[1:], {}, "3", "0 or 1"),
        (grpc.framed(MESSAGE, compressed=True), {}, "3", "without a grpc-encoding"),
        (grpc.framed(MESSAGE, compressed=True), {"grpc-encoding": "gzip"}, "3", "damaged"),
        (grpc.framed(MESSAGE, compressed=True), {"grpc-encoding": "snappy"}, "12", "gzip"),
        (b"\x00\xff\xff\xff\xff", {}, "8", "4294967295"),
        (grpc.framed(MESSAGE), {"grpc-timeout": "soon"}, "3", "grpc-timeout 'soon'"),
        (grpc.framed(MESSAGE), {"grpc-timeout": "0n"}, "4", "the caller gives"),
        (grpc.framed(MESSAGE), {"x-a": "b" * 17_000}, "8", "bytes as HTTP/2 counts, at most 16384"),
        (grpc.framed(MESSAGE), {"x-a": "b" * 100_000}, "8", "at most 16384"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_calls_that_cannot_be(uci_server: Server, body: bytes, more: dict[str, str], status: str, words: str) -> None:
    with Peer(uci_server) as peer:
        peer.h2.send_headers(1, [*HEADERS, *more.items()])
        peer.h2.send_data(1, body, end_stream=True)
        peer.flush()
        said = peer.trailers(1)
        assert said["grpc-status"] == status, said
        assert words in grpc_texts.percent_decoded(said["grpc-message"].encode())
        assert peer.trailers(peer.call())["grpc-status"] == "0"


def test_one_connection_carries_small_calls_beside_messages_that_fill_its_room(
    uci_folder: Path, tmp_path: Path
) -> None:
    """Two messages of which only one is let in at a time, both half sent, and small calls between them."""
    x = np.zeros((19_000, 13), np.float32)
    message = grpc.framed(general_model.encode_request(WireRequest(tensors=(WireTensor(name="x", array=x),))))
    with serve(tmp_path, "--model", str(uci_folder), "--max_body_size", "1000000") as server, Peer(server) as peer:
        peer.until(lambda seen: any(isinstance(e, events.WindowUpdated) for e in seen))  # that of the connection
        unsent = {1: memoryview(message), 3: memoryview(message)}
        for number in unsent:
            peer.h2.send_headers(number, HEADERS)
        small = 0
        until = time.monotonic() + 20
        over: set[int] = set()
        while len(over) < 2 and time.monotonic() < until:
            for number in unsent:
                while unsent[number]:
                    size = min(len(unsent[number]), peer.h2.local_flow_control_window(number), 16384)
                    if not size:
                        break
                    piece, unsent[number] = unsent[number][:size], unsent[number][size:]
                    peer.h2.send_data(number, bytes(piece), end_stream=not unsent[number])
            if small < 5:
                small += 1
                peer.h2.send_headers(3 + 2 * small, HEADERS)
                peer.h2.send_data(3 + 2 * small, grpc.framed(MESSAGE), end_stream=True)
            peer.flush()
            for event in peer.h2.receive_data(peer.sock.recv(65536)):
                if isinstance(event, events.DataReceived):
                    peer.h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
                if isinstance(event, events.StreamEnded) and event.stream_id in unsent:
                    over.add(event.stream_id)
        assert over == {1, 3}


def test_a_reply_waits_for_the_window_of_its_caller(uci_server: Server) -> None:
    x = np.random.default_rng(5).random((60_000, 13)).astype(np.float32)
    message = general_model.encode_request(WireRequest(tensors=(WireTensor(name="x", array=x),)))
    with Peer(uci_server) as peer:
        number = 1
        peer.h2.send_headers(number, HEADERS)
        unsent = memoryview(grpc.framed(message))
        got = 0
        is_over = False
        while not is_over:
            while unsent and (size := min(peer.h2.local_flow_control_window(number), 16384)):
                peer.h2.send_data(number, bytes(unsent[:size]), end_stream=len(unsent) <= size)
                unsent = unsent[size:]
            peer.flush()
            for event in peer.h2.receive_data(peer.sock.recv(65536)):
                if isinstance(event, events.DataReceived):
                    got += len(event.data or b"")
                    if got >= 65_535:  # the window is used up: a little at a time from here on
                        peer.h2.increment_flow_control_window(20_000)
                        with contextlib.suppress(StreamClosedError):
                            peer.h2.increment_flow_control_window(20_000, number)
                is_over |= isinstance(event, events.StreamEnded)
        assert got > 240_000


# --- floods ---


def cpu_s(server: Server) -> float:
    """What the fronts have used."""
    fronts = server.children("front.process")
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in fronts]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / os.sysconf("SC_CLK_TCK")


def resets() -> bytes:
    h2 = H2Connection(H2Configuration(client_side=True))
    h2.initiate_connection()
    for k in range(10_000):
        number = 2 * k + 1
        h2.send_headers(number, HEADERS)
        h2.reset_stream(number, ErrorCodes.CANCEL)
    return h2.data_to_send()


def of(*flood: Frame) -> bytes:
    return PREFACE + SettingsFrame(0).serialize() + b"".join(frame.serialize() for frame in flood)


FLOODS: dict[str, Callable[[], bytes]] = {
    "resets": resets,
    "pings": lambda: of(*[PingFrame(0, b"01234567")] * 100_000),
    "settings": lambda: of(*[SettingsFrame(0, settings={4: 100_000})] * 50_000),
    "windows": lambda: of(*[WindowUpdateFrame(0, window_increment=1)] * 100_000),
    "priorities": lambda: of(*[PriorityFrame(k, stream_weight=1) for k in range(1, 100_001, 2)]),
    "continuations": lambda: of(HeadersFrame(1, b""), *[ContinuationFrame(1, b"")] * 100_000),
    "unknown": lambda: PREFACE + SettingsFrame(0).serialize() + raw_frame(0xAB, 0, 0, b"") * 200_000,
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_cut_off_before_it_costs_much(uci_server: Server, name: str) -> None:
    flood: bytes = FLOODS[name]()
    before = cpu_s(uci_server)
    with socket.create_connection(("127.0.0.1", uci_server.port), timeout=20) as sock:
        with contextlib.suppress(ConnectionError, TimeoutError):
            sock.sendall(flood)
        with contextlib.suppress(ConnectionError):
            read_all(sock)
    assert cpu_s(uci_server) - before < 1.0
    assert_alive(uci_server)


def test_calls_that_are_answered_and_reset_in_turn_are_served(uci_server: Server) -> None:
    """Honest clients cancel calls, and ping."""
    with Peer(uci_server) as peer:
        for _ in range(100):
            number = peer.call()
            peer.h2.reset_stream(number, ErrorCodes.CANCEL)
            peer.h2.ping(b"01234567")
            peer.flush()
            assert peer.trailers(peer.call())["grpc-status"] == "0"


# --- bytes that are no frames ---


@pytest.mark.parametrize(
    "said",
    [
        PREFACE[:20],
        PREFACE[:20] + b"XX\r\n",
        PREFACE + b"GET / HTTP/1.1\r\n\r\n",
        PREFACE + raw_frame(0, 1, 1, b"x"),  # data for a call that was never opened
        PREFACE + raw_frame(1, 5, 2, b"\x82"),  # a call with a server's number
        PREFACE + raw_frame(1, 5, 1, b"\xff\xff\xff\xff\xff\xff"),  # headers that are no HPACK
        PREFACE + raw_frame(4, 0, 0, b"12345"),  # half a setting
        PREFACE + raw_frame(5, 4, 1, bytes(4)),  # a push by a client
        PREFACE + raw_frame(8, 0, 0, bytes(4)),  # a window opened by nothing
        PREFACE + raw_frame(0, 0, 1, b"")[:5],
        PREFACE + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + bytes(1000),  # a frame of 16 MiB
        PREFACE + SettingsFrame(0).serialize() + DataFrame(1, b"x").serialize() + RstStreamFrame(1).serialize(),
    ],
    ids=range(12),
)
def test_bytes_that_cannot_be_close_the_connection(uci_server: Server, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", uci_server.port), timeout=5) as sock:
        sock.sendall(said)
        sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            read_all(sock)
    assert_alive(uci_server)


_FRAME = st.builds(raw_frame, st.integers(0, 12), st.integers(0, 255), st.integers(0, 5), st.binary(max_size=60))


def _opened() -> bytes:
    h2 = H2Connection(H2Configuration(client_side=True))
    h2.initiate_connection()
    h2.send_headers(1, HEADERS)
    return h2.data_to_send()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([PREFACE, PREFACE + SettingsFrame(0).serialize(), _opened()]),
    st.one_of(st.binary(max_size=300), st.lists(_FRAME, max_size=8).map(b"".join)),
)
def test_any_bytes_after_the_preface(uci_server: Server, start: bytes, rest: bytes) -> None:
    with (
        socket.create_connection(("127.0.0.1", uci_server.port), timeout=5) as sock,
        contextlib.suppress(ConnectionError),
    ):
        sock.sendall(start + rest)
        sock.shutdown(socket.SHUT_WR)
        read_all(sock)
    assert uci_server.process.poll() is None


def test_after_all_that_the_server_answers_and_has_logged_no_failure(uci_server: Server) -> None:
    assert_alive(uci_server)
    assert "Traceback" not in uci_server.log


# --- time ---


def goodbyes(said: bytes) -> list[tuple[int, int]]:
    """Last call and error code of every GOAWAY frame."""
    found, at = [], 0
    while at < len(said):
        size, kind = int.from_bytes(said[at : at + 3]), said[at + 3]
        if kind == 7:
            found.append(struct.unpack(">II", said[at + 9 : at + 17]))
        at += 9 + size
    return found


def test_the_end_is_announced_before_it_comes(tmp_path: Path) -> None:
    with serve(tmp_path, "--model", str(models.uci(tmp_path / "uci"))) as server:
        with Peer(server) as peer:
            assert peer.trailers(peer.call())["grpc-status"] == "0"
            server.process.terminate()
            said = b""
            while b"draining" not in said:
                said += peer.sock.recv(65536)
            peer.call()  # on its way before the announcement was read
            peer.sock.sendall(PingFrame(0, b"draining", flags=["ACK"]).serialize())
            said += read_all(peer.sock)
            assert goodbyes(said) == [(2**31 - 1, 0), (3, 0)]
            assert said.index(b"draining") < said.rindex(grpc.framed(MESSAGE)[:2])
        assert server.process.wait(20) == 0
