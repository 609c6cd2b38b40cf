"""baidu_std on a real server: every recorded request, cut and bent, and frames that no client sends."""

import gzip
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from paddle_serving_client.message import Array
from paddle_serving_client.wire import brpc, general_model
from paddle_serving_client.wire.brpc import RpcError
from paddle_serving_client.wire.general_model import WireRequest, WireTensor
from paddle_serving_client.wire.proto.baidu_rpc_meta_pb2 import RpcMeta
from tests import models
from tests.data import frames
from tests.models import UCI_PRICE
from tests.serving import Server, read_all, serve

UCI = frames.read("req_uci_batch.bin")
FULL = "baidu.paddle_serving.predictor.general_model.GeneralModelService"


def exchange(server: Server, data: bytes, replies: int = 1) -> list[brpc.Frame]:
    """Send bytes, read that many frames; fewer when the server closes first."""
    reader = brpc.FrameReader(reads="replies")
    frames_read: list[brpc.Frame] = []
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(data)
        while len(frames_read) < replies and (piece := sock.recv(65536)):
            reader.feed(piece)
            while (frame := reader.next()) is not None:
                frames_read.append(frame)
    return frames_read


def price(frame: brpc.Frame) -> Array:
    assert frame.meta.response.error_code == 0, frame.meta
    (output,) = general_model.decode_response(frame.payload).outputs
    assert output.engine_name == "GeneralInferOp_0"
    (tensor,) = output.tensors
    assert (tensor.name, tensor.alias) == ("fc_0.tmp_1", "price")
    return tensor.array


def assert_alive(server: Server) -> None:
    (frame,) = exchange(server, UCI)
    np.testing.assert_allclose(price(frame), [[UCI_PRICE]], atol=1e-4)


def uci_frames() -> list[str]:
    return sorted(p.name for p in (models_dir()).glob("req_uci_*.bin"))


def models_dir() -> Path:
    return Path(frames.__file__).parent


@pytest.mark.parametrize("name", uci_frames())
def test_every_recorded_uci_request(uci_server: Server, name: str) -> None:
    request = frames.read(name)
    reader = brpc.FrameReader()
    reader.feed(request)
    sent = reader.next()
    assert sent is not None
    (frame,) = exchange(uci_server, request)
    assert frame.meta.correlation_id == sent.meta.correlation_id
    call = general_model.decode_request(sent.payload)
    expected = call.tensors[0].array @ models.UCI_W[:, None] + models.UCI_B
    np.testing.assert_allclose(price(frame), expected, rtol=1e-4)


@pytest.fixture(scope="module")
def multi_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = models.multi(tmp_path_factory.mktemp("multi") / "multi")
    with serve(tmp_path_factory.mktemp("server"), "--model", str(folder)) as server:
        yield server


@pytest.mark.parametrize("name", ["batch", "fetch_subset", "no_outputs", "two_engines"])
def test_recorded_requests_with_three_inputs(multi_server: Server, name: str) -> None:
    (frame,) = exchange(multi_server, frames.read(f"req_multi_{name}.bin"))
    assert frame.meta.response.error_code == 0, frame.meta
    (output,) = general_model.decode_response(frame.payload).outputs
    aliases = [tensor.alias for tensor in output.tensors]
    assert aliases == {"batch": ["o1", "o2", "o3"], "fetch_subset": ["o3", "o1"]}.get(name, ["o1"])


@pytest.mark.parametrize(
    ("name", "words"), [("empty_feed", "missing input"), ("partial_prefix", "missing input 'i64'")]
)
def test_recorded_requests_that_leave_inputs_out(multi_server: Server, name: str, words: str) -> None:
    (frame,) = exchange(multi_server, frames.read(f"req_multi_{name}.bin"))
    assert frame.meta.response.error_code == RpcError.BAD_REQUEST
    assert words in frame.meta.response.error_text


@pytest.mark.parametrize(
    ("name", "model", "alias", "answer", "lod"),
    [
        ("req_lod_int64", "lod", "crf", [[22], [24], [26]], ((0, 3),)),
        ("req_lod_two_seq", "lod", "crf", [[22], [24], [26]], ((0, 1, 3),)),
        ("req_fp16_int8", "f16", "o1", [[0.5, 3.0]], ()),
        ("req_uint8_string", "text_and_bytes", "o1", [[295.0, 296.0, 544.0, 549.0]], ()),
    ],
)
def test_recorded_requests_of_other_kinds(
    tmp_path: Path, name: str, model: str, alias: str, answer: list[list[float]], lod: tuple[tuple[int, ...], ...]
) -> None:
    folder = getattr(models, model)(tmp_path / model)
    with serve(tmp_path, "--model", str(folder), "--backend", "paddle") as server:
        (frame,) = exchange(server, frames.read(f"{name}.bin"))
    assert frame.meta.response.error_code == 0, frame.meta
    (tensor,) = general_model.decode_response(frame.payload).outputs[0].tensors
    assert (tensor.alias, tensor.array.tolist(), tensor.lod) == (alias, answer, lod)


def test_cut_anywhere_and_continued(uci_server: Server) -> None:
    with socket.create_connection(("127.0.0.1", uci_server.port), timeout=10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in UCI:
            sock.send(bytes([byte]))
        assert sock.recv(4) == b"PRPC"


def test_cut_anywhere_and_closed(uci_server: Server) -> None:
    for cut in range(len(UCI)):
        with socket.create_connection(("127.0.0.1", uci_server.port), timeout=10) as sock:
            sock.sendall(UCI[:cut])
    assert_alive(uci_server)


def test_a_hundred_frames_in_one_write(uci_server: Server) -> None:
    replies = exchange(uci_server, UCI * 100, replies=100)
    assert len(replies) == 100
    for frame in replies:
        np.testing.assert_allclose(price(frame), [[UCI_PRICE]], atol=1e-4)


def test_a_whole_frame_and_half_another_and_the_end(uci_server: Server) -> None:
    with socket.create_connection(("127.0.0.1", uci_server.port), timeout=10) as sock:
        sock.sendall(UCI + UCI[:50])
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock).count(b"PRPC") == 1


@pytest.mark.parametrize(
    ("service", "method", "code", "text"),
    [
        ("nope", "inference", RpcError.NO_SERVICE, "Fail to find service"),
        (FULL, "nope", RpcError.NO_METHOD, "Fail to find method"),
    ],
)
def test_unknown_names_keep_the_connection(
    uci_server: Server, service: str, method: str, code: RpcError, text: str
) -> None:
    wrong, right = exchange(uci_server, brpc.request_frame(service, method, 7, b"") + UCI, replies=2)
    assert (wrong.meta.correlation_id, wrong.meta.response.error_code) == (7, code)
    assert text in wrong.meta.response.error_text
    assert price(right).shape == (1, 1)


def test_the_short_service_name(uci_server: Server) -> None:
    payload = general_model.encode_request(general_model.decode_request(UCI[12 + 89 :]))
    (frame,) = exchange(uci_server, brpc.request_frame("GeneralModelService", "inference", 9, payload))
    assert frame.meta.correlation_id == 9
    assert price(frame).shape == (1, 1)


def compressed_frame(compress_type: int, payload: bytes) -> bytes:
    meta = RpcMeta(compress_type=compress_type, correlation_id=7)
    meta.request.service_name, meta.request.method_name = FULL, "inference"
    raw = meta.SerializeToString()
    return struct.pack(">4sII", b"PRPC", len(raw) + len(payload), len(raw)) + raw + payload


@pytest.mark.parametrize(("compress_type", "pack"), [(2, gzip.compress), (3, zlib.compress)])
def test_a_compressed_request_is_answered_compressed(
    uci_server: Server, compress_type: int, pack: Callable[[bytes], bytes]
) -> None:
    for rows, expected in ((1, 0), (1000, 2)):  # small replies are not worth it
        x = np.tile(models.UCI_INPUT, (rows, 1))
        payload = general_model.encode_request(WireRequest(tensors=(WireTensor(name="x", array=x),)))
        (frame,) = exchange(uci_server, compressed_frame(compress_type, pack(payload)))
        assert frame.meta.compress_type == expected
        plain = brpc.decompress(frame.meta.compress_type, frame.payload)
        (tensor,) = general_model.decode_response(plain).outputs[0].tensors
        np.testing.assert_allclose(tensor.array, np.full((rows, 1), UCI_PRICE), atol=1e-3)


@pytest.mark.parametrize(("compress_type", "name"), [(1, "snappy"), (4, "lz4"), (9, "unknown")])
def test_a_compression_that_is_not_read_is_named(uci_server: Server, compress_type: int, name: str) -> None:
    wrong, right = exchange(uci_server, compressed_frame(compress_type, b"x") + UCI, replies=2)
    assert wrong.meta.response.error_code == RpcError.BAD_REQUEST
    assert f"compress_type={compress_type} ({name}) is not supported" in wrong.meta.response.error_text
    assert price(right).shape == (1, 1)


def test_a_payload_that_is_no_request(uci_server: Server) -> None:
    (frame,) = exchange(uci_server, brpc.request_frame(FULL, "inference", 5, b"\xff\xff\xff"))
    assert (frame.meta.correlation_id, frame.meta.response.error_code) == (5, RpcError.BAD_REQUEST)


@pytest.mark.parametrize(
    "head",
    [
        struct.pack(">4sII", b"PRPC", 2**32 - 1, 10),
        struct.pack(">4sII", b"PRPC", 10, 20),
        struct.pack(">4sII", b"PRPC", 1 << 20, 1 << 17),
        struct.pack(">4sII", b"PRPC", 0, 0),
        struct.pack(">4sII", b"PRPC", 4, 4) + b"\xff\xff\xff\xff",
    ],
)
def test_heads_that_cannot_be_close_the_connection(uci_server: Server, head: bytes) -> None:
    assert exchange(uci_server, head) == []
    assert_alive(uci_server)


def test_the_name_of_a_service_may_stand_behind_that_of_the_rpc_service(tmp_path: Path) -> None:
    """Calls that are read in full, and those that are like an earlier one and take the lane."""
    other = models.uci(tmp_path / "other", weights=-models.UCI_W)
    wire = WireRequest(tensors=(WireTensor(name="x", array=models.UCI_INPUT[None]),))
    payload, opposite = general_model.encode_request(wire), 2 * 22.738298 - UCI_PRICE
    with serve(tmp_path, f"first={other}", f"uci={models.uci(tmp_path / 'uci')}") as server:
        for _ in range(3):
            for named, expected in (("", opposite), ("/first", opposite), ("/uci", UCI_PRICE)):
                for service in (FULL, "GeneralModelService"):
                    (frame,) = exchange(server, brpc.request_frame(f"{service}{named}", "inference", 7, payload))
                    np.testing.assert_allclose(price(frame), [[expected]], rtol=1e-4)
        for name, text in (("/nobody", "no service 'nobody'"), ("/", "Fail to find service"), ("/uci/", "no service")):
            (frame,) = exchange(server, brpc.request_frame(f"{FULL}{name}", "inference", 7, payload))
            assert frame.meta.response.error_code == RpcError.NO_SERVICE
            assert text in frame.meta.response.error_text
