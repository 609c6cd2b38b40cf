"""Stages of requests, over every protocol, and recordings of a running server with two fronts and its pipeline."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from paddle_serving_client import Client
from paddle_serving_client.message import Stage
from paddle_serving_client.wire import general_model, general_model_json, pipeline
from paddle_serving_client.wire.general_model import WireRequest, WireTensor
from paddle_serving_client.wire.pipeline import PipelineRequest
from paddle_serving_server.counting import recording, timing
from paddle_serving_server.showing import chrome_trace
from tests import models
from tests.models import UCI_INPUT
from tests.serving import HTTP, ROOT, Server, serve

SERVICES = Path(__file__).parents[1] / "service_files"
STAGES = ["read", "preprocess", "queue", "batch", "infer", "transfer", "postprocess", "write"]
SECONDS = 1.0


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.uci(tmp_path_factory.mktemp("model") / "uci_housing")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Iterator[Server]:
    """uci as it is, `scaled` with steps of its own, and a pipeline; two fronts."""
    files = (str(SERVICES / "scaled.py"), str(SERVICES / "pipelines" / "graphs.py"))
    flags = ("--model", str(model), "--name", "uci", *(flag for file in files for flag in ("--service", file)))
    with serve(tmp_path_factory.mktemp("trace"), *flags, "--fronts", "2", "--", str(model)) as running:
        yield running


def predict(server: Server, name: str = "uci", **more: object) -> Any:
    body = json.dumps({"feed": [{"x": UCI_INPUT.tolist(), **more}], "fetch": ["price"]})
    path = f"{server.url}/{name}/prediction"
    return HTTP.request("POST", path, body=body, headers={"Content-Type": "application/json"})


def stages(header: str) -> dict[str, float]:
    """Milliseconds by name."""
    entries = [entry.split(";") for entry in header.split(", ")]
    return {entry[0]: float(entry[1].removeprefix("dur=")) for entry in entries}


# -- the stages of one request


def test_stages_of_a_prediction_add_up_to_the_whole(server: Server) -> None:
    covered = []
    for _ in range(9):
        began = time.perf_counter()
        reply = predict(server, "scaled", mode="slow")
        whole_ms = (time.perf_counter() - began) * 1000
        found = stages(reply.headers["Server-Timing"])
        assert list(found) == STAGES
        assert found["preprocess"] >= 300
        assert sum(found.values()) <= whole_ms
        covered.append(whole_ms - sum(found.values()))
    assert min(covered) < 15, "beyond the stages there is only the network and the event loop"


def test_the_batch_says_its_rows(server: Server) -> None:
    body = json.dumps({"feed": [{"x": UCI_INPUT.tolist()}] * 3})
    reply = HTTP.request(
        "POST", f"{server.url}/uci/prediction", body=body, headers={"Content-Type": "application/json"}
    )
    assert ';desc="3 rows"' in reply.headers["Server-Timing"]


def request(profile: bool) -> WireRequest:
    tensor = WireTensor(name="x", array=UCI_INPUT[None])
    return WireRequest(tensors=(tensor,), fetch=("price",), profile_server=profile)


@pytest.mark.parametrize("protocol", ["json", "protobuf", "grpc"])
def test_profile_server_gives_a_pair_for_each_op_and_one_for_the_whole(server: Server, protocol: str) -> None:
    for profile, count in ((True, 8), (False, 2)):
        times = profile_time(server, protocol, request(profile))
        assert len(times) == count
        *ops, whole = [tuple(times[k : k + 2]) for k in range(0, count, 2)]
        assert abs(whole[0] / 1e6 - time.time()) < 60, "microseconds since 1970"
        assert whole[0] < whole[1]
        if ops:  # before the model, the model, after it: without gaps, in the whole
            assert ops[0][0] == whole[0]
            assert ops[0][1] == ops[1][0] <= ops[1][1] == ops[2][0] <= ops[2][1] <= whole[1]


def profile_time(server: Server, protocol: str, call: WireRequest) -> tuple[int, ...]:
    path = f"{server.url}/GeneralModelService/inference"
    if protocol == "json":
        said = general_model_json.request_to_json(call)
        raw = HTTP.request("POST", path, body=said, headers={"Content-Type": "application/json"}).data
        return general_model_json.response_from_json(raw).profile_time
    said = general_model.encode_request(call)
    if protocol == "protobuf":
        raw = HTTP.request("POST", path, body=said, headers={"Content-Type": "application/proto"}).data
    else:
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            raw = channel.unary_unary(f"/{general_model_path()}/inference")(said)
    return general_model.decode_response(raw).profile_time


def general_model_path() -> str:
    return "baidu.paddle_serving.predictor.general_model.GeneralModelService"


def test_a_client_prints_the_ops_of_the_server(
    server: Server, model: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FLAGS_profile_client", "1")
    monkeypatch.setenv("FLAGS_profile_server", "1")
    client = Client()
    client.load_client_config(str(model))
    client.connect([f"127.0.0.1:{server.port}"])
    client.predict(feed={"x": UCI_INPUT}, fetch=["price"])
    line = next(line for line in capfd.readouterr().err.splitlines() if line.startswith("PROFILE") and " op0_0" in line)
    names = [word.partition("_0:")[0] for word in line.split("\t")[2].split() if "_0:" in word]
    assert names == ["prepro", "client_infer", "op0", "op1", "op2", "op3", "postpro"]


@pytest.mark.parametrize("asks", [True, False])
def test_http_and_grpc_say_the_stages_to_who_asks(server: Server, asks: bool) -> None:
    asked = {"x-profile": "1"} if asks else {}
    path = f"{server.url}/GeneralModelService/inference"
    said = general_model.encode_request(request(False))
    reply = HTTP.request("POST", path, body=said, headers={"Content-Type": "application/proto", **asked})
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        method = channel.unary_unary(f"/{general_model_path()}/inference")
        _, call = method.with_call(said, metadata=tuple(asked.items()))
        named = PipelineRequest(key=("x",), value=("1",), name="old", method="prediction")
        method = channel.unary_unary("/baidu.paddle_serving.pipeline_serving.PipelineService/inference")
        _, through = method.with_call(pipeline.encode_request(named), metadata=tuple(asked.items()))
    trailers = [dict(done.trailing_metadata()) for done in (call, through)]
    for headers in (reply.headers, trailers[0]):
        found = headers.get("Server-Timing") or headers.get("server-timing")
        assert (list(stages(found)) if found else None) == (["queue", "batch", "infer", "transfer"] if asks else None)
    assert ("server-timing" in trailers[1]) is asks


def test_stages_of_a_pipeline_are_those_of_its_ops(server: Server) -> None:
    body = json.dumps({"key": ["x"], "value": ["1"]})
    reply = HTTP.request("POST", f"{server.url}/old/prediction", body=body)
    steps = [f"{op}.{step}" for op in ("older", "newer") for step in ("queue", "preprocess", "process", "postprocess")]
    assert list(stages(reply.headers["Server-Timing"])) == ["unpack", *steps, "pack"]


def test_names_that_no_header_can_carry() -> None:
    said = timing.text([Stage("读 the\nlines", 1.25), Stage("batch", 0.5, rows=1)])
    assert said == '__the_lines;dur=1.250, batch;dur=0.500;desc="1 row"'


# -- recordings


@contextlib.contextmanager
def load(server: Server) -> Iterator[None]:
    """Four callers, each after the other; one request at a time asks a model in its postprocessing."""
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            predict(server)
            predict(server, "scaled", mode="second")
            HTTP.request("POST", f"{server.url}/diamond/prediction", body=b'{"key": ["id"], "value": ["1"]}')

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.fixture(scope="module")
def trace(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A recording by the command, under load, with a request that fails."""
    out = tmp_path_factory.mktemp("out") / "trace.json"
    command = [sys.executable, "-m", "paddle_serving_server.trace", server.url, "--seconds", str(SECONDS)]
    with load(server):
        process = subprocess.Popen([*command, "-o", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
        while process.poll() is None:
            predict(server, "scaled", mode="value_error")
    said, complaints = process.communicate()
    assert process.returncode == 0, complaints
    whole = json.loads(out.read_bytes())
    requests = [event for event in whole["traceEvents"] if event.get("cat") == "request"]
    assert said.decode() == f"{out}: {len(requests)} requests in {SECONDS:g} s\n"
    return whole


def named(trace: Any, kind: str) -> dict[tuple[int, int], str]:
    return {(e["pid"], e["tid"]): e["args"]["name"] for e in trace["traceEvents"] if e["name"] == kind}


def test_a_recording_has_all_fronts_services_and_engines(trace: Any) -> None:
    assert trace["otherData"] == {"seconds": SECONDS, "fronts": 2, "fronts_missing": 0, "dropped": 0}
    processes = sorted(named(trace, "process_name").values())
    assert processes == ["engine uci_housing, version 1, instance 1", "front 0", "front 1"]
    tracks = set(named(trace, "thread_name").values())
    assert {"uci", "scaled", "diamond", "runs"} <= tracks
    failed = [event for event in trace["traceEvents"] if event.get("cat") == "failure"]
    assert failed
    assert failed[0]["args"] == {"service": "scaled", "protocol": "http", "err_no": "9000"}


def test_slices_of_a_track_nest(trace: Any) -> None:
    tracks: dict[tuple[int, int], list[Any]] = {}
    for event in trace["traceEvents"]:
        if event["ph"] == "X":
            tracks.setdefault((event["pid"], event["tid"]), []).append(event)
    for slices in tracks.values():
        until: list[float] = []
        for event in sorted(slices, key=lambda e: (e["ts"], -e["dur"])):
            while until and until[-1] <= event["ts"] + 0.002:
                until.pop()
            assert not until or event["ts"] + event["dur"] <= until[-1] + 0.002, event
            until.append(event["ts"] + event["dur"])


def test_stages_lie_in_their_request_and_arrows_lead_to_its_batches(trace: Any) -> None:
    requests = {e["args"]["request"]: e for e in trace["traceEvents"] if e.get("cat") == "request"}
    lying: dict[int, list[str]] = {number: [] for number in requests}
    for event in sorted((e for e in trace["traceEvents"] if e.get("cat") == "stage"), key=lambda e: e["ts"]):
        if (number := event["args"].get("request")) is not None:
            lying[number].append(event["name"])
    batches = {(e["pid"], e["ts"]): e for e in trace["traceEvents"] if e.get("cat") == "batch" and e["ph"] == "X"}
    begun = {e["id"]: e for e in trace["traceEvents"] if e["ph"] == "s"}
    led: Counter[int] = Counter()
    for arrow in (e for e in trace["traceEvents"] if e["ph"] == "f"):
        batch = batches[arrow["pid"], arrow["ts"]]
        (number,) = (n for n in batch["args"]["requests"] if arrow["id"].startswith(f"{n}."))
        request_slice = requests[number]
        assert request_slice["ts"] <= begun[arrow["id"]]["ts"] <= request_slice["ts"] + request_slice["dur"]
        led[number] += 1
    assert len(requests) > 20
    for number, event in requests.items():
        if event["name"] == "uci":
            assert (lying[number], led[number]) == (STAGES, 1)
        elif event["name"] == "diamond":  # b and c run side by side
            assert led[number] == 0
            assert {"a.preprocess", "b.preprocess", "c.preprocess", "d.preprocess"} <= set(lying[number])
        else:  # it asks a second model, in a stage of its own
            assert (sorted(lying[number]), led[number]) == (sorted([*STAGES, "second"]), 2)


def test_who_may_not_record_and_what_cannot_be_recorded(server: Server) -> None:
    def ask(query: str = "", method: str = "POST", **headers: str) -> tuple[int, str]:
        reply = HTTP.request(method, f"{server.url}/trace{query}", headers=headers)
        return reply.status, json.loads(reply.data)["err_msg"]

    assert ask(method="GET")[0] == 405
    assert ask(origin="http://elsewhere")[0] == 403
    for wrong in ("0", "-1", "61", "nan", "soon"):
        said = (400, f"seconds must be a number above 0 and up to 60, got {wrong!r}")
        assert ask(f"?seconds={wrong}") == said


def test_one_recording_at_a_time(server: Server) -> None:
    first = threading.Thread(target=lambda: HTTP.request("POST", f"{server.url}/trace?seconds=0.6"))
    first.start()
    time.sleep(0.2)
    command = [sys.executable, "-m", "paddle_serving_server.trace", server.url, "--seconds", "0.1"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)
    first.join()
    assert said.returncode in (0, 1)  # 0 where the command took longer to start than the recording lasted
    if said.returncode:
        assert "somebody records already" in said.stderr
    assert predict(server).status == 200


def test_what_is_too_much_is_counted_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_SPANS", 7)
    kept = recording.Recording()
    begun = time.monotonic()
    stages = Stage("infer", 1.0, begun, begun + 0.001, 1), Stage("write", 1.0, begun + 0.001, begun + 0.002)
    for _ in range(5):
        kept.answered("uci", "http", begun, begun + 0.002, (stages, ()))
    said = json.loads(kept.as_json())
    assert (len(said["requests"]), said["dropped"]) == (2, 9)
    assert [e["name"] for e in chrome_trace.events([said]) if e["ph"] == "X"] == ["uci", "infer", "write"] * 2


def test_stages_that_overlap_get_a_track_of_their_own() -> None:
    stages = [["a", 1.0, 1.4, 0], ["b", 1.2, 1.8, 0], ["c", 1.5, 1.6, 0]]
    front = {"pid": 7, "began": 1.0, "requests": [["p", "grpc", 1.0, 2.0, stages, []]], "runs": [], "failures": []}
    slices = [e for e in chrome_trace.events([front]) if e["ph"] == "X"]
    tracks = {e["name"]: e["tid"] for e in slices}
    assert tracks["p"] == tracks["a"] == tracks["c"] != tracks["b"]
    assert np.allclose([e["dur"] for e in slices if e["name"] == "b"], 600_000)
