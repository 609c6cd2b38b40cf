"""KServe v2 over HTTP beside a real Triton's recorded answers: equal, but for what is listed here."""

import asyncio
import gzip
import json
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from paddle_serving_server.config.listening import Listening
from paddle_serving_server.config.values import Limits
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.protocols.http.message import HttpRequest
from paddle_serving_server.protocols.http.router import Router
from paddle_serving_server.services.web_service import WebService
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
    assert counts() == {"success": before["success"] + 1, "fail": before["fail"]}, "what it is not asked cannot fail"


def test_statistics_are_those_of_a_real_triton_but_for_the_times(uci_folder: Path) -> None:
    recorded = json.loads(CASES["stats_simple"].answer)["model_stats"][0]
    with serving(uci_folder, WebService("uci")) as ask:
        tensor = {"name": "x", "shape": [1, 13], "datatype": "FP32", "data": [0.0] * 13}
        for _ in range(recorded["inference_count"]):
            post(ask, "/v2/models/uci/infer", json.dumps({"inputs": [tensor]}).encode())
        (ours,) = json.loads(asked(ask, Case("GET", "/v2/models/uci/stats", {}, b"", 0, {}, b""))[2])["model_stats"]
    assert 0 < ours["last_inference"] <= time.time() * 1000
    assert shape_of(ours) == shape_of({**recorded, "name": "uci"})


def shape_of(said: object) -> object:
    """Without what nobody can repeat: times."""
    if isinstance(said, dict):
        return {k: shape_of(v) for k, v in said.items() if k not in ("ns", "last_inference")}
    return [shape_of(v) for v in said] if isinstance(said, list) else said


def test_the_example_in_the_description_is_answered(ask: Ask) -> None:
    raw, _ = ask(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
    said = json.loads(raw.partition(b"\r\n\r\n")[2])["paths"][f"{MODEL}/infer"]["post"]
    example = said["requestBody"]["content"]["application/json"]["example"]
    assert post(ask, f"{MODEL}/infer", json.dumps(example).encode())[0] == 200


def test_before_the_models_are_loaded(simple: Path) -> None:
    async def scene() -> None:
        async with catalogue_of(simple, WebService("simple")) as catalogue:
            catalogue.is_ready = False
            catalogue.start.begin(0.0)
            router = Router(DataPlane(catalogue, Limits()), Listening())
            for path, status in (
                ("/v2/health/live", 200),
                ("/v2/health/ready", 503),
                (f"{MODEL}/ready", 503),
                ("/v2", 503),
            ):
                answer = await router.answer(HttpRequest("GET", path, "", {}, b""))
                assert answer.status == status
                assert ("Retry-After" in answer.headers) is (status == 503)
            refused = await router.answer(HttpRequest("POST", f"{MODEL}/infer", "", {}, b"{}"))
            assert (refused.status, list(json.loads(refused.body))) == (503, ["error"])

    asyncio.run(scene())


def test_the_stages_are_told_to_who_asks(ask: Ask) -> None:
    case = CASES["infer_json"]
    assert "Server-Timing" not in asked(ask, case)[1]
    assert "infer;dur=" in post(ask, case.path, case.body, X_Profile="1")[1]["Server-Timing"]
