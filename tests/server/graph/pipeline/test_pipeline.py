"""Pipelines on a real server: the recorded cases, graphs of any shape, batches, processes, and both protocols."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import pytest

from paddle_serving_client.errors import DeadlineExceeded
from paddle_serving_client.pipeline_client import PipelineClient
from paddle_serving_client.wire.proto import pipeline_service_pb2 as pb2
from tests.models import UCI_INPUT, UCI_PRICE
from tests.serving import HTTP, ROOT, Server, free_port, serve

SERVICES = Path(__file__).parents[2] / "service_files" / "pipelines"
CASES = json.loads((ROOT / "tests" / "data" / "frames" / "pipeline_http_cases.json").read_text())
METHOD = "/baidu.paddle_serving.pipeline_serving.PipelineService/inference"
X = ", ".join(map(str, UCI_INPUT))


@pytest.fixture(scope="module")
def echo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    flags = ("--service", str(SERVICES / "echo.py"), "--tune", "off", "--", "18000")
    with serve(tmp_path_factory.mktemp("echo"), *flags) as server:
        yield server


@pytest.fixture(scope="module")
def server(uci_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Everything but the echo, in one server."""
    files = [
        flag
        for name in ("graphs", "batches", "processes", "ends")
        for flag in ("--service", str(SERVICES / f"{name}.py"))
    ]
    flags = (*files, "--request_timeout_ms", "4000", "--tune", "off", "--enable_prometheus")
    flags = (*flags, "--prometheus_port", str(free_port()), "--", str(uci_folder))
    with serve(tmp_path_factory.mktemp("pipelines"), *flags) as running:
        yield running


def call(server: Server, name: str, tensors: list[dict[str, Any]] | None = None, **texts: str) -> dict[str, Any]:
    """The answer of a pipeline; its values by key, under `values`."""
    body = {"key": list(texts), "value": list(texts.values()), "tensors": tensors or []}
    reply = HTTP.request("POST", f"{server.url}/{name}/prediction", body=json.dumps(body).encode())
    assert reply.status == 200
    said: dict[str, Any] = json.loads(reply.data)
    return {**said, "values": dict(zip(said["key"], said["value"], strict=True))}


def floats(name: str, array: Any) -> dict[str, Any]:
    array = np.asarray(array, np.float32)
    return {"name": name, "elem_type": 1, "shape": array.shape, "float_data": array.ravel().tolist()}


# -- what was recorded


def exactly_told(text: str) -> str:
    """An error without the names inside the old server."""
    return re.sub(r"  ClassName: .*", "", text).rstrip(".")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_recorded_case_is_answered_the_same(echo_server: Server, case: dict[str, Any]) -> None:
    body = None if case["request_body"] is None else case["request_body"].encode()
    headers = {"Content-Type": case["content_type"]}
    reply = HTTP.request(case["method"], echo_server.url + case["path"], body=body, headers=headers)
    assert reply.status == case["status"]
    assert reply.headers["Content-Type"] == case["response_content_type"]
    text = reply.data.decode()
    if reply.status == 400:
        said, recorded = json.loads(text), json.loads(case["response_body"])
        assert (list(said), said["code"], said["details"]) == (list(recorded), recorded["code"], [])
        assert said["error"] == said["message"] != ""
    elif reply.status == 404:
        assert text.startswith("Not Found")
        assert text.endswith("\n")
    elif case["name"] == "profile":
        assert re.sub(r"\d{2,}", "N", text) == re.sub(r"\d{2,}", "N", case["response_body"].replace("|1]", "|27]"))
    elif reply.status == 200 and json.loads(case["response_body"])["err_no"]:
        said, recorded = json.loads(text), json.loads(case["response_body"])
        assert said["err_msg"].startswith(exactly_told(recorded["err_msg"]))
        assert {**said, "err_msg": ""} == {**recorded, "err_msg": ""}
    else:
        assert text == case["response_body"]


def test_other_protocols_and_bodies_get_an_answer(echo_server: Server) -> None:
    uci = {"feed": [{"x": UCI_INPUT.tolist()}], "fetch": ["price"]}
    reply = HTTP.request("POST", f"{echo_server.url}/GeneralModelService/inference", json=uci)
    assert reply.status >= 400
    assert b"pipeline" in reply.data
    reply = HTTP.request("POST", f"{echo_server.url}/uci/prediction", body=b'{"logid":"x"}')
    assert (reply.status, json.loads(reply.data)["code"]) == (400, 3)
    assert json.loads(HTTP.request("GET", f"{echo_server.url}/services").data)["services"][0]["kind"] == "pipeline"


# -- graphs


def test_a_diamond_with_an_edge_that_skips_a_level(server: Server) -> None:
    for slow in ("", "b", "c"):
        said = call(server, "diamond", id="7", slow=slow)
        assert said["values"]["trace"] == "d(a(@DAGExecutor) b(a(@DAGExecutor)) c(a(@DAGExecutor)))", said
        assert said["values"]["id"] == "7"


def test_requests_do_not_mix_in_a_diamond(server: Server) -> None:
    with ThreadPoolExecutor(16) as threads:
        ids = [str(k) for k in range(200)]
        answers = threads.map(lambda k: call(server, "diamond", id=k)["values"]["id"], ids)
        assert list(answers) == ids


def test_an_op_jumps(server: Server) -> None:
    assert call(server, "jump")["values"]["trace"] == "c(b(a(@DAGExecutor)))"
    assert call(server, "jump", jump="1")["values"]["trace"] == "c(a(@DAGExecutor))"


def test_the_first_to_arrive_goes_on(server: Server) -> None:
    assert call(server, "race", slow="a")["values"]["trace"] == "c(b(@DAGExecutor))"
    time.sleep(0.5)
    assert call(server, "race", slow="b")["values"]["trace"] == "c(a(@DAGExecutor))"


def test_ops_of_older_years_are_told_by_their_signatures(server: Server) -> None:
    body = b'{"key":["x"],"value":["1"],"logid":77}'
    said = json.loads(HTTP.request("POST", f"{server.url}/old/prediction", body=body).data)
    assert (said["err_no"], said["value"]) == (0, ["1!3 77"])


def test_a_custom_exception_ends_the_request_alone(server: Server) -> None:
    sent, kept = call(server, "raise", how="sent"), call(server, "raise", how="kept")
    assert (sent["err_no"], sent["err_msg"]) == (50, "the secret")
    assert kept["err_no"] == 50
    assert "secret" not in kept["err_msg"]
    assert call(server, "raise", how="exit")["err_no"] == 10000
    assert call(server, "jump")["err_no"] == 0


def test_a_process_that_takes_too_long_is_tried_again(server: Server) -> None:
    assert call(server, "slow", s="1")["err_no"] == 6000
    assert call(server, "slow", s="1")["err_no"] == 0
    assert call(server, "retried", s="1")["err_no"] == 0


def test_more_requests_than_a_channel_takes_wait_outside(server: Server) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert [s["values"] for s in threads.map(lambda k: call(server, "narrow", k=str(k)), range(16))] == [
            {"k": str(k)} for k in range(16)
        ]


def test_both_ends_made_by_hand(server: Server) -> None:
    said = call(server, "pipeline", words="good bad bad")
    assert said["values"] == {"sum": "array([5])", "log_id": "array(0)"}
    assert said["tensors"][0]["float_data"] == [1.5]
    said = call(server, "pipeline", nothing="")
    assert (said["err_no"], said["err_msg"]) == (51, "no words from ")
    said = call(server, "pipeline", bad="")
    assert (said["err_no"], "Raise_msg: unknown  ClassName: WordsRequestOp" in said["err_msg"]) == (10000, True), said


# -- batches


def test_requests_are_joined_and_cut_apart(server: Server) -> None:
    def one(k: int) -> tuple[int, int]:
        rows = k % 3 + 1
        x = np.full((rows, 2 + k % 2), k)
        said = call(server, "sizes", tensors=[floats("x", x)])
        values = {name: json.loads(value) for name, value in said["values"].items()}
        assert values["y"] == (2 * x).tolist(), said
        return rows, max(values["rows"])

    with ThreadPoolExecutor(16) as threads:
        seen = list(threads.map(one, range(200)))
    assert any(rows < joined for rows, joined in seen), "nothing was ever joined"


def test_sequences_are_joined_and_cut_apart(server: Server) -> None:
    def one(k: int) -> None:
        lengths = [k % 4 + 1, 2]
        words = [[k * 10 + i] for i in range(sum(lengths))]
        tensor = {**floats("words", words), "lod": [0, lengths[0], sum(lengths)]}
        values = {n: json.loads(v) for n, v in call(server, "words", tensors=[tensor])["values"].items()}
        flat = [w[0] for w in words]
        assert values["sum"] == [[sum(flat[: lengths[0]])], [sum(flat[lengths[0] :])]]
        assert values["same"] == words
        assert values["same.lod"] == tensor["lod"]

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(one, range(100)))


def test_one_bad_feed_in_a_batch_spoils_no_other(server: Server) -> None:
    def one(k: int) -> dict[str, Any]:
        x = np.tile(UCI_INPUT, (1, 1)) if k % 4 else np.zeros((1, 12))
        return call(server, "price", tensors=[floats("x", x)])

    with ThreadPoolExecutor(16) as threads:
        for k, said in enumerate(threads.map(one, range(60))):
            if k % 4:
                assert json.loads(said["values"]["price"]) == [pytest.approx(UCI_PRICE, abs=1e-3)]
            else:
                assert (said["err_no"], "axis 1 is not 13" in said["err_msg"]) == (5000, True), said


def test_a_feed_that_is_no_array_is_named(server: Server) -> None:
    said = call(server, "price", x="1, 2")
    assert (said["err_no"], "npdata" in said["err_msg"], "'x'" in said["err_msg"]) == (7000, True, True), said
    said = call(server, "price", tensors=[floats("y", np.zeros((1, 13)))])
    assert (said["err_no"], "'y'" in said["err_msg"]) == (5000, True), said


# -- processes; more of them in test_process_ops.py


def price_from_process(server: Server, **texts: str) -> dict[str, Any]:
    return call(server, "processes", tensors=[floats("x", UCI_INPUT[None])], **texts)


def test_ops_in_processes_ask_the_front_for_the_model(server: Server) -> None:
    with ThreadPoolExecutor(8) as threads:
        said = list(threads.map(lambda _: price_from_process(server)["values"], range(40)))
    assert {round(float(values["price"]), 3) for values in said} == {round(UCI_PRICE, 3)}
    pids = {int(values["pid"]) for values in said}
    assert len(pids) == 2
    assert pids <= set(server.children("engine.worker"))


def test_processes_of_ops_are_listed_and_counted(server: Server) -> None:
    services = {one["name"]: one for one in HTTP.request("GET", f"{server.url}/services").json()["services"]}
    models = {model["name"]: model["plan"] for model in services["processes"]["models"]}
    assert models["op.odd"]["instances"] == 2
    assert "odd" in models
    price_from_process(server)
    metrics = HTTP.request("GET", f"{server.url}/metrics").data.decode()
    assert re.search(r'model="op\.odd"', metrics), metrics


def test_a_front_that_dies_leaves_the_processes_to_the_next(server: Server) -> None:
    (front,) = server.children("front.process")
    before = server.children("engine.worker")
    os.kill(front, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(front)], timeout=10)
    server.wait_ready()
    assert price_from_process(server)["err_no"] == 0
    assert server.children("engine.worker") == before


@pytest.mark.parametrize(("mode", "words"), [("crash", "died while it worked on this request"), ("hang", "")])
def test_a_process_that_dies_or_hangs_is_replaced(server: Server, mode: str, words: str) -> None:
    said = price_from_process(server, mode=mode)
    assert (said["err_no"], words in said["err_msg"]) == (6000 if mode == "hang" else 9000, True), said
    for _ in range(6):
        assert price_from_process(server)["err_no"] == 0


def test_what_cannot_travel_is_named(server: Server) -> None:
    said = price_from_process(server, mode="object")
    assert said["err_no"] == 7000
    assert "['x'] is a builtins.object" in said["err_msg"]


# -- gRPC


def test_the_pipeline_client(server: Server) -> None:
    client = PipelineClient()
    client.name = "price"
    client.connect([f"127.0.0.1:{server.port}"])
    feed = {"x": UCI_INPUT[None], "logid": "9", "clientip": "1.2.3.4"}
    for tensor_bytes in (False, True):
        answer = client.predict(feed, pack_tensor_format=True, use_tensor_bytes=tensor_bytes)
        assert (answer.err_no, list(answer.key)) == (0, ["price"]), answer
        assert json.loads(answer.value[0]) == [pytest.approx(UCI_PRICE, abs=1e-3)]
    many = [client.predict(feed, asyn=True, pack_tensor_format=True) for _ in range(50)]
    assert {future.result().value[0] for future in many} == {answer.value[0]}
    client.name = "nobody"
    assert client.predict({}).err_no == 3002
    client.release()


def test_texts_profile_and_a_deadline_over_grpc(echo_server: Server, server: Server) -> None:
    client = PipelineClient()
    client.connect([f"127.0.0.1:{echo_server.port}"])
    answer = client.predict({"a": "b", "array": np.array([1, 2])}, fetch=["res"], profile=True, log_id=5)
    assert answer.value[1] == "{'a': 'b', 'array': 'array([1, 2])', 'pipeline.profile': '1'}"
    assert "prep#[echo|" in answer.value[2]
    slow = PipelineClient()
    slow.name, slow.timeout_s = "diamond", 0.1
    slow.connect([f"127.0.0.1:{server.port}"])
    with pytest.raises(DeadlineExceeded):
        slow.predict({"slow": "a"})
    for wrong in ({"feed_dict": [1]}, {"feed_dict": {}, "fetch": "a"}, {"feed_dict": {"a": 1}}):
        with pytest.raises(TypeError):
            slow.predict(**wrong)


def test_a_stub_of_the_original_and_a_message_of_0_6(echo_server: Server) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{echo_server.port}") as channel:
        call = channel.unary_unary(METHOD)
        request = pb2.Request(key=["a"], value=["b"], name="uci", logid=3)
        assert pb2.Response.FromString(call(request.SerializeToString())).value[1] == "{'a': 'b'}"
        old = b"\x0a\x01a\x12\x01b\x1a\x03uci\x22\x0aprediction\x28\x05\x32\x091.2.3.4.5"
        assert pb2.Response.FromString(call(old)).value[1] == "{'a': 'b'}"


# -- logs


def test_the_tracer_and_the_log_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVING_LOG_PATH", str(tmp_path))
    with serve(tmp_path, "--service", str(SERVICES / "echo.py"), "--tune", "off", "--", "18000", "1") as server:
        for mode in ("", "prod", "raise"):
            call(server, "uci", mode=mode)
        traced = tmp_path / "PipelineServingLogs" / "pipeline.tracer"
        until = time.monotonic() + 10
        while "Query count[3]" not in (text := traced.read_text()):
            assert time.monotonic() < until, text
            time.sleep(0.1)
        assert "PROFILE\tpid:" in server.log
    assert re.search(r"Op\(echo\):\n.*\tin\[\d+\.\d+ ms]\n.*\tprep\[", text), text
    assert re.search(r"Succ\[0\.333.*\n.*Error req\[1, 2]", text), text
    assert "echo(In: ['@DAGExecutor'], Out: []) size[0/0]" in text
    warned = (traced.parent / "pipeline.log.wf").read_text()
    assert re.match(r"ERROR \d{4}-.* \[step.py:\d+] preprocess of op echo failed", warned), warned


# -- by itself, in a user's folder


def test_a_script_of_a_user_serves_on_both_its_ports(uci_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(SERVICES / "uci", tmp_path, dirs_exist_ok=True)
    shutil.copytree(uci_folder, tmp_path / "uci_housing_model")
    rpc, http = free_port(), free_port()
    yml = tmp_path / "config.yml"
    yml.write_text(yml.read_text().replace("9998", str(rpc)).replace("18082", str(http)))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SERVING_HOME": str(tmp_path)}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "web_service.py"], cwd=tmp_path, env=environment, stdout=log)
    server = Server(process, http, tmp_path / "log")
    try:
        server.wait_ready()
        said = call(server, "uci", x=X)
        assert (said["err_no"], said["key"]) == (0, ["price"]), said
        assert float(np.array(json.loads(said["value"][0])).item()) == pytest.approx(UCI_PRICE, abs=1e-3)
        client = PipelineClient()
        client.connect([f"127.0.0.1:{rpc}"])
        assert client.predict(feed_dict={"x": X}, fetch=["price"]).value == said["value"]
        client.release()
        sockets = [c.laddr for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr]
        ports = [port for _, port in set(sockets) if port in (rpc, http)]
        assert sorted(ports) == sorted((rpc, http))
    finally:
        assert server.stop() == 0


def test_either_port_may_be_taken_by_somebody_else(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SERVING_HOME": str(tmp_path)}
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        flags = ("--service", str(SERVICES / "echo.py"), "--port", str(free_port()), "--extra_ports", str(port))
        command = [sys.executable, "-m", "paddle_serving_server.serve", *flags, "--", "18000"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 98, done.stderr
    assert f"Port {port} is already used" in done.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("worker_num: x\nhttp_port: 18082\n", "[CONF] worker_num must be <class 'int'> type, but get <class 'str'>."),
        ("worker_num: 0\nhttp_port: 18082\n", "[CONF] worker_num must be >= 1, but get 0."),
        ("worker_num: 1\n", "rpc_port or http_port"),
    ],
)
def test_a_bad_config_ends_a_script_with_one_line(tmp_path: Path, settings: str, words: str) -> None:
    shutil.copytree(SERVICES / "uci", tmp_path, dirs_exist_ok=True)
    (tmp_path / "config.yml").write_text(settings)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "web_service.py"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
