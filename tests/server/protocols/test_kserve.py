"""KServe v2 over HTTP and gRPC beside a real Triton's recorded answers: equal, but for what is listed here."""

import asyncio
import contextlib
import gzip
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_client.errors import NoMethod, ServingError
from paddle_serving_client.wire import protobuf
from paddle_serving_client.wire.protobuf import bytes_field
from paddle_serving_server.config.values import Limits
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.protocols.grpc import methods
from paddle_serving_server.protocols.grpc.services import kserve
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.web_service import WebService
from paddle_serving_server.user_code.threads import Threads
from tests import models
from tests.data import triton
from tests.data.triton import MODEL, Case
from tests.server.catalogues import catalogue_of
from tests.server.protocols.transport import Ask, serving

CASES = triton.http()
OTHER_BODY = {
    "server_meta": "another server, with fewer extensions",
    "query_string": "the same",
    "live": "KServe's clients look for a body",
    "ready": "the same",
    "model_ready": "the same",
    "model_ready_v": "the same",
    "config": "what Triton alone has is left out, and the model in this test has no batches",
    "index": "other models are served",
    "index_ready": "the same",
    "err_repo_name": "the same",
    "stats_simple": "times",
    "stats_v": "times",
    "err_index_bad_json": "another parser's words",
    "err_not_json": "the same",
    "err_trunc_json": "the same",
    "err_extra_input": "inputs in the order of the request, without the slip in the brackets",
    "err_wrong_shape": "without the advice about max_batch_size, which is not said here",
    "err_no_batch_dim": "the shape is what is wrong",
    "err_gzip_bad": "what is wrong is said",
    "err_encoding_unknown": "the same",
    "infer_gzip_out": "answers of some bytes are not compressed",
    "infer_deflate_out": "the same",
}
"""Cases with Triton's status and another body, and why."""
OTHER_STATUS = {
    "err_v2_slash": (200, "slashes at the end do not matter"),
    "err_meta_slash": (200, "the same"),
    "double_slash": (200, "nor at the beginning"),
    "err_models_list": (200, "KServe has the list of models there"),
    "head_live": (200, "what GET answers, HEAD does"),
    "options": (204, "OPTIONS is answered everywhere"),
    "err_batch_too_big": (200, "larger batches are computed in one piece"),
    "err_batch_mismatch": (200, "the model in this test has no batches, and broadcasts"),
    "err_int_overflow": (400, "numbers that the type cannot hold are refused, not wrapped around"),
    "err_hdr_len_missing": (500, "bytes behind JSON are no JSON"),
    "err_shm_unregistered": (400, "there is no shared memory with callers"),
    "err_dup_keys": (500, "keys that stand twice are refused"),
}
"""Cases with another status, and why."""


class Prices(WebService):
    """Takes no tensors: it has no model."""

    def preprocess(self, feed=(), fetch=()):  # type: ignore[no-untyped-def]
        return {"x": [1.0]}, fetch, True


@pytest.fixture(scope="module")
def simple(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.simple(tmp_path_factory.mktemp("kserve") / "simple")


@pytest.fixture(scope="module")
def ask(simple: Path) -> Iterator[Ask]:
    with serving(simple, WebService("simple")) as ask:
        yield ask


def asked(ask: Ask, case: Case) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of our answer."""
    headers = "".join(f"{name}: {value}\r\n" for name, value in case.headers.items())
    head = f"{case.method} {case.path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(case.body)}\r\n\r\n"
    raw, _ = ask(head.encode() + case.body)
    said, _, body = raw.partition(b"\r\n\r\n")
    first, *rest = said.decode().split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in rest), body


def post(ask: Ask, path: str, body: bytes, **headers: str) -> tuple[int, dict[str, str], bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return asked(ask, Case("POST", path, named, body, 0, {}, b""))


@pytest.mark.parametrize("name", CASES)
def test_what_triton_answered_over_http(ask: Ask, name: str) -> None:
    case = CASES[name]
    status, headers, body = asked(ask, case)
    if name in OTHER_STATUS:
        assert status == OTHER_STATUS[name][0] != case.status
        return
    assert status == case.status, body
    if name in OTHER_BODY:
        assert body != case.answer, "it is as Triton's now: leave it out of the list"
        return
    assert body == case.answer
    for header, value in case.answer_headers.items():
        assert headers[header] == value
    if body[:1] == b"{" and status >= 400:
        assert list(json.loads(body)) == ["error"]


def test_errors_that_only_say_more_begin_as_tritons(ask: Ask) -> None:
    for name in ("err_wrong_shape", "err_extra_input"):
        ours, theirs = asked(ask, CASES[name])[2], CASES[name].answer
        assert ours[:70] == theirs[:70]


def test_compressed_both_ways(ask: Ask) -> None:
    rows = np.ones((64, 16), np.int32)
    tensor = {"shape": [64, 16], "datatype": "INT32", "data": rows.tolist()}
    body = json.dumps({"inputs": [{"name": name, **tensor} for name in ("INPUT0", "INPUT1")]}).encode()
    for kind, pack, unpack in (("gzip", gzip.compress, gzip.decompress), ("deflate", zlib.compress, zlib.decompress)):
        status, headers, said = post(ask, f"{MODEL}/infer", pack(body), Content_Encoding=kind, Accept_Encoding=kind)
        assert (status, headers["Content-Encoding"]) == (200, kind)
        assert json.loads(unpack(said))["outputs"][0]["data"] == [2] * 1024


def test_the_one_input_as_it_is(uci_folder: Path) -> None:
    with serving(uci_folder, WebService("uci")) as ask:
        path = "/v2/models/uci/infer"
        status, headers, body = post(ask, path, models.UCI_INPUT.tobytes(), Inference_Header_Content_Length="0")
        length = int(headers["Inference-Header-Content-Length"])
        assert status == 200
        assert json.loads(body[:length])["outputs"][0]["parameters"] == {"binary_data_size": 4}
        assert struct.unpack("<f", body[length:])[0] == pytest.approx(models.UCI_PRICE, abs=1e-4)
        status, _, body = post(ask, path, bytes(50), Inference_Header_Content_Length="0")
        assert (status, b"Expected 52, got 50" in body) == (400, True)


def test_a_real_name_of_an_output_is_answered_under_that_name(uci_folder: Path) -> None:
    tensor = {"name": "x", "shape": [1, 13], "datatype": "FP32", "data": models.UCI_INPUT.tolist()}
    with serving(uci_folder, WebService("uci")) as ask:
        body = json.dumps({"inputs": [tensor], "outputs": [{"name": "fc_0.tmp_1"}]}).encode()
        _, _, said = post(ask, "/v2/models/uci/infer", body)
        (output,) = json.loads(said)["outputs"]
        assert output == {"name": "fc_0.tmp_1", "datatype": "FP32", "shape": [1, 1], "data": output["data"]}
        nan = json.dumps({"inputs": [{**tensor, "data": [float("nan")] * 13}]}).encode()
        assert b'"data":[NaN]' in post(ask, "/v2/models/uci/infer", nan)[2], "as Triton writes it"


def test_calls_are_counted_for_the_model(ask: Ask) -> None:
    def counts() -> dict[str, int]:
        (model,) = json.loads(asked(ask, CASES["stats_simple"])[2])["model_stats"]
        return {name: model["inference_stats"][name]["count"] for name in ("success", "fail")}

    before = counts()
    asked(ask, CASES["infer_json"])
    asked(ask, CASES["err_missing_input"])
    asked(ask, CASES["model_meta"])
    assert counts() == {"success": before["success"] + 1, "fail": before["fail"] + 1}


# -- gRPC


def tensor(name: str, array: Any, datatype: str = "INT32") -> list[Any]:
    shape = protobuf.pack_few(array.shape)
    return bytes_field(5, *bytes_field(1, name.encode()), *bytes_field(2, datatype.encode()), *bytes_field(3, shape))


A, B = np.arange(16, dtype=np.int32)[None], np.ones((1, 16), np.int32)


def infer_request(model: str = "simple", version: str = "", raw: bool = True, a: Any = A, b: Any = B) -> bytes:
    parts = [*bytes_field(1, model.encode()), *bytes_field(2, version.encode()), *bytes_field(3, b"7")]
    parts += [*tensor("INPUT0", a), *tensor("INPUT1", b)]
    for array in (a, b) if raw else ():
        parts += bytes_field(7, array.tobytes())
    return b"".join(parts)


@pytest.fixture(scope="module")
def call(simple: Path) -> Iterator[Any]:
    """Calls a method of the gRPC service with a message."""
    with asyncio.Runner() as runner:
        opened = catalogue_of(simple, WebService("simple"))
        plane = DataPlane(runner.run(opened.__aenter__()), Limits())

        async def ask(method: str, message: bytes) -> bytes:
            return await kserve.METHODS[method](plane, plane.call("grpc", method, 0.0), message)

        yield lambda method, message=b"": runner.run(ask(method, message))
        runner.run(opened.__aexit__(None, None, None))


def test_what_triton_answered_over_grpc(call: Any) -> None:
    recorded = triton.grpc()
    assert call("ServerLive") == recorded["ServerLive"]
    assert call("ServerReady") == recorded["ServerLive"]
    assert call("ModelReady", b"\x0a\x06simple") == recorded["ServerLive"]
    assert call("ModelReady", b"\x0a\x04nope") == recorded["ModelReady:nope"]
    assert call("ModelInfer", infer_request()) == recorded["ModelInfer:raw"]


def test_values_that_are_not_raw(call: Any) -> None:
    def explicit(name: str, array: Any, field: int) -> list[Any]:
        contents = bytes_field(field, protobuf.pack_varints(array))
        return bytes_field(
            5, *bytes_field(1, name.encode()), b"\x12\x05INT32\x1a\x02\x01\x10", *bytes_field(5, *contents)
        )

    named = b"\x0a\x06simple"
    good = named + b"".join([*explicit("INPUT0", A, 2), *explicit("INPUT1", B, 2)])
    assert call("ModelInfer", good) == triton.grpc()["ModelInfer:contents"]
    for message, words in (
        (
            named + b"".join([*explicit("INPUT0", A, 3), *explicit("INPUT1", B, 2)]),
            "of type 'INT64', expected datatype 'INT32'",
        ),
        (named + b"".join([*explicit("INPUT0", A[:, :9], 2), *explicit("INPUT1", B, 2)]), "Expected 64, got 36"),
        (
            good + b"".join(bytes_field(7, A.tobytes())),
            "contents field must not be specified when using raw_input_contents",
        ),
    ):
        with pytest.raises(ServingError, match=words):
            call("ModelInfer", message)


@pytest.mark.parametrize(
    ("message", "status", "text"),
    [
        (infer_request("nope"), "NOT_FOUND", "Request for unknown model: 'nope' is not found"),
        (infer_request(""), "NOT_FOUND", "Request for unknown model: '' is not found"),
        (infer_request(version="9"), "NOT_FOUND", "Request for unknown model: 'simple' version 9 is not found"),
        (infer_request(version="x"), "INVALID_ARGUMENT", "failed to get model version from specified version string"),
        (infer_request(raw=False), "INVALID_ARGUMENT", "input byte size mismatch for input 'INPUT0'"),
        (infer_request(a=A[:, :15]), "INVALID_ARGUMENT", "Expected [-1,16], got [1,15]"),
        (infer_request(a=-A[0]), "INVALID_ARGUMENT", "[request id: 7] unexpected shape for input 'INPUT0'"),
        (b"\x0a\x06simple", "INVALID_ARGUMENT", "expected 2 inputs but got 0 inputs for model 'simple'"),
        (infer_request() + b"\x32\x04\x0a\x02ZZ", "INVALID_ARGUMENT", "unexpected inference output 'ZZ'"),
        (b"\xff\xff\xff", "INVALID_ARGUMENT", "varint is cut"),
    ],
)
def test_refusals_over_grpc(call: Any, message: bytes, status: str, text: str) -> None:
    with pytest.raises(ServingError) as caught:
        call("ModelInfer", message)
    assert text in str(caught.value)
    assert methods.refusal(caught.value).status.name == status


def test_services_without_a_model_are_none() -> None:
    async def scene() -> None:
        with contextlib.closing(Threads(1, "test")) as threads:
            service = Prices("prices")
            service.bind({}, threads)
            plane = DataPlane(Catalogue([service]), Limits())

            async def ask(method: str, message: bytes = b"") -> bytes:
                return await kserve.METHODS[method](plane, plane.call("grpc", method, 0.0), message)

            assert await ask("RepositoryIndex") == await ask("ModelStatistics") == b""
            assert await ask("ModelReady", b"\x0a\x06prices") == b""
            with pytest.raises(NoMethod, match="takes no tensors"):
                await ask("ModelInfer", infer_request("prices"))

    asyncio.run(scene())
