"""Whatever user code raises, wherever it is and whatever carried the call: one answer in time, one count, no harm."""

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from paddle_serving_client.brpc_connection import Address, Connection
from paddle_serving_client.errors import BadInput, Busy
from paddle_serving_client.wire import general_model
from paddle_serving_client.wire.general_model import WireRequest, WireTensor
from paddle_serving_client.wire.pipeline import METHOD, SERVICE
from paddle_serving_client.wire.proto import pipeline_service_pb2 as pb2
from paddle_serving_server.user_code import faults
from tests.serving import Server, serve

KINDS = ("value", "bad_input", "cancelled", "generator_exit", "exit", "interrupt", "base", "mute", "stop", "stop_async",
         "memory", "time", "hang")  # fmt: skip
"""Those of services/raising.py, in its order."""
TENSORS = "baidu.paddle_serving.predictor.general_model.GeneralModelService"
DEADLINE_S, ANSWER_S = 1.0, 2.0
STEPS = [("steps", "http", where) for where in ("preprocess", "postprocess", "predict", "result")]
OPS = [("ops", protocol, where) for protocol in ("http", "grpc") for where in ("preprocess", "process", "postprocess")]
DIRECT = [("direct", protocol, "infer") for protocol in ("http", "brpc", "grpc")]


@pytest.fixture(scope="module")
def server(uci_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    flags = ("--service", "tests/server/service_files/raising.py", "--request_timeout_ms", str(int(1000 * DEADLINE_S)))
    with serve(tmp_path_factory.mktemp("faults"), *flags, "--thread", "3", "--", str(uci_folder)) as server:
        yield server


def exchange(server: Server, path: str, body: bytes | None, kind: str = "application/json") -> tuple[int, bytes]:
    """One request on a connection of its own; its answer within the time that is allowed."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=ANSWER_S)
    connection.request("GET" if body is None else "POST", path, body, {"Content-Type": kind})
    reply = connection.getresponse()
    said = reply.status, reply.read()
    connection.close()
    return said


def over_grpc(server: Server, path: str, message: bytes) -> tuple[bytes, bool]:
    """The answer of a call, or that the server refused it: grpcio's own refusals have no number of ours."""
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        try:
            return channel.unary_unary(path)(message, timeout=ANSWER_S), False
        except grpc.RpcError as exc:
            assert "x-bd-error-code" in dict(exc.trailing_metadata() or ()), exc
            return b"", True


def is_refused(server: Server, service: str, protocol: str, where: str, kind: str) -> bool:
    """Call a service; whether the answer says that it failed."""
    said = {"where": where, "kind": kind}
    if service == "steps":
        return exchange(server, "/steps/prediction", json.dumps({"feed": [said]}).encode())[0] >= 400
    if service == "ops" and protocol == "http":
        body = json.dumps({"key": list(said), "value": list(said.values())}).encode()
        answer: dict[str, Any] = json.loads(exchange(server, "/ops/prediction", body)[1])
        return bool(answer["err_no"])
    if service == "ops":
        message = pb2.Request(name="ops", key=list(said), value=list(said.values())).SerializeToString()
        raw, refused = over_grpc(server, f"/{SERVICE}/{METHOD}", message)
        return refused or bool(pb2.Response.FromString(raw).err_no)
    row = np.full((1, 13), KINDS.index(kind) if kind else -1, np.float32)
    message = general_model.encode_request(WireRequest(tensors=(WireTensor(name="x", array=row),)))
    if protocol == "http":
        return exchange(server, "/GeneralModelService/inference", message, "application/proto")[0] >= 400
    if protocol == "grpc":
        return over_grpc(server, f"/{TENSORS}/inference", message)[1]
    connection = Connection(Address("127.0.0.1", server.port))
    frame = connection.exchange(TENSORS, "inference", message, time.monotonic() + ANSWER_S)
    return bool(frame.meta.response.error_code)


def variables(server: Server) -> dict[str, str]:
    lines = exchange(server, "/vars", None)[1].decode().splitlines()
    return dict((line + " ").split(" : ", 1) for line in lines)


def counts(server: Server, service: str, protocol: str) -> tuple[int, int]:
    """Calls that were counted, and those of them that failed."""
    found = variables(server)
    name = f"request_{service}_{protocol}"
    return int(found.get(f"{name}_count", 0)), int(found.get(f"{name}_failed", 0))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "hang"])
@pytest.mark.parametrize(("service", "protocol", "where"), STEPS + OPS + DIRECT)
def test_one_answer_and_one_count(server: Server, service: str, protocol: str, where: str, kind: str) -> None:
    (front,) = server.children("front.process")
    calls, failures = counts(server, service, protocol)
    assert is_refused(server, service, protocol, where, kind)
    assert not is_refused(server, service, protocol, "", "")
    assert counts(server, service, protocol) == (calls + 2, failures + 1)
    assert server.children("front.process") == [front]
    assert {n for name, n in variables(server).items() if name.endswith("_waiting")} == {"0 "}


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_text_that_is_no_unicode_is_one_failed_call(server: Server, protocol: str) -> None:
    calls, failures = counts(server, "ops", protocol)
    assert is_refused(server, "ops", protocol, "result", "value")
    assert counts(server, "ops", protocol) == (calls + 1, failures + 1)


@pytest.mark.parametrize(("service", "protocol", "where"), [STEPS[0], OPS[0], OPS[4], *DIRECT])
def test_code_that_never_returns_is_answered_for_in_time(
    server: Server, service: str, protocol: str, where: str
) -> None:
    began = time.monotonic()
    assert is_refused(server, service, protocol, where, "hang")
    assert DEADLINE_S <= time.monotonic() - began < ANSWER_S
    assert not is_refused(server, service, protocol, "", "")


def test_nothing_of_what_was_raised_reaches_callers_but_all_of_it_the_log(server: Server) -> None:
    status, said = exchange(server, "/steps/prediction", b'{"feed":[{"where":"preprocess","kind":"value"}]}')
    text = "preprocess of service 'steps' failed (ValueError); see the log"
    assert (status, json.loads(said)) == (500, {"err_no": 9000, "err_msg": text, "result": text})
    assert "raising.py" in server.log
    assert "ValueError: no file" in server.log
    status, said = exchange(server, "/steps/prediction", b'{"feed":[{"where":"preprocess","kind":"bad_input"}]}')
    assert (status, json.loads(said)["err_msg"]) == (400, "no file \\udcff.jpg")


def test_those_that_hang_are_counted(server: Server) -> None:
    hanging = int(variables(server)["hanging_steps"])
    assert is_refused(server, "steps", "http", "postprocess", "hang")
    until = time.monotonic() + ANSWER_S
    while int(variables(server)["hanging_steps"]) == hanging:
        assert time.monotonic() < until
    assert "postprocess of service 'steps' does not return" in server.log
    assert "(rise), called from" in server.log
    assert f"{hanging + 1} now" in exchange(server, "/status", None)[1].decode()


def test_the_log_says_now_and_then_that_too_many_come_and_each_time_that_one_is_wrong(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic() + 1e6
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with caplog.at_level("INFO"):
        for _ in range(1000):
            faults.as_error(Busy("full"), "POST /a")
        now += 2
        faults.as_error(Busy("full"), "POST /a")
        faults.as_error(BadInput("odd"), "POST /b")
        faults.as_error(BadInput("odd"), "POST /b")
    lines = [record.getMessage() for record in caplog.records]
    wrong = ["refused POST /b: odd"] * 2
    assert lines == ["refused POST /a: full", "refused POST /a: full, and 999 more since this was said last", *wrong]
