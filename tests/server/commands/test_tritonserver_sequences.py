"""Sequences: the instance that answered the first request answers all of them, and is told where they begin and end."""

import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from paddle_serving_client.wire.protobuf import bytes_field, number_field
from tests.serving import HTTP, Server, free_port, serve
from tests.triton_models import INT32, onnx, put

MODULE = ("-m", "paddle_serving_server.tritonserver")
ONE = '{ name: "%s" data_type: TYPE_INT32 dims: [ 1 ] }'
CONTROLS = """
  control_input [
    { name: "START" control [ { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 10 ] } ] },
    { name: "READY" control [ { kind: CONTROL_SEQUENCE_READY int32_false_true: [ 0, 1 ] } ] },
    { name: "END" control [ { kind: CONTROL_SEQUENCE_END int32_false_true: [ 0, 1 ] } ] },
    { name: "ID" control [ { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_INT32 } ] }
  ]
"""
CONTROLLED = f"""
backend: "onnxruntime" max_batch_size: 8 input [ {ONE % "X"} ] output [ {ONE % "Y"} ] instance_group [ {{ count: 2 }} ]
sequence_batching {{ max_sequence_idle_microseconds: 60000000 {CONTROLS} }}
"""
"""Y = READY * (X + START) + END * ID."""
SUMS = f"""
backend: "python" input [ {ONE % "X"} ] output [ {ONE % "SUM"}, {ONE % "PID"} ] instance_group [ {{ count: 2 }} ]
sequence_batching {{ max_sequence_idle_microseconds: IDLE oldest {{ max_candidate_sequences: 3 }}
  control_input [ {{ name: "ID" control [ {{ kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_STRING }} ] }},
    {{ name: "START" control [ {{ kind: CONTROL_SEQUENCE_START bool_false_true: [ false, true ] }} ] }} ] }}
"""
SUMS_MODEL = '''
import os
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    """The sum of all that came in a sequence."""
    def initialize(self, args):
        self.sums = {}
    def execute(self, requests):
        answers = []
        for request in requests:
            inputs = {t.name(): t.as_numpy()[0] for t in request.inputs()}
            x, name, starts = inputs["X"], inputs["ID"], inputs["START"]
            assert name.decode() == str(request.correlation_id())
            self.sums[name] = x if starts else self.sums[name] + x
            said = {"SUM": self.sums[name], "PID": os.getpid()}
            tensors = [pb_utils.Tensor(n, np.array([v], np.int32)) for n, v in said.items()]
            answers.append(pb_utils.InferenceResponse(tensors))
        return answers
'''


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, grpc.Channel]]:
    root = tmp_path_factory.mktemp("triton") / "models"
    tensor = (INT32, ("batch", 1))
    nodes = [("Add", ("X", "START"), ("a",)), ("Mul", ("READY", "a"), ("b",)), ("Mul", ("END", "ID"), ("c",)),
             ("Add", ("b", "c"), ("Y",))]  # fmt: skip
    inputs = {name: tensor for name in ("X", "START", "READY", "END", "ID")}
    onnx(put(root / "controlled", CONTROLLED) / "1/model.onnx", inputs, {"Y": tensor}, nodes)
    put(root / "sums", SUMS.replace("IDLE", "60000000"), {"1/model.py": SUMS_MODEL})
    put(root / "short", SUMS.replace("IDLE", "300000"), {"1/model.py": SUMS_MODEL})
    port = free_port()
    flags = [f"--model-repository={root}", f"--grpc-port={port}", "--allow-metrics=false", "--tune=off"]
    with (
        serve(root.parent, *flags, command=MODULE, port_flag="--http-port") as server,
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        yield server, channel


class Asker:
    """Of one model."""

    def __init__(self, server: Server, model: str, shape: tuple[int, ...]) -> None:
        self.url, self.shape = f"{server.url}/v2/models/{model}/infer", shape

    def ask(self, x: int, **parameters: Any) -> tuple[int, Any]:
        tensor = {"name": "X", "shape": self.shape, "datatype": "INT32", "data": [x] * self.shape[0]}
        reply = HTTP.request("POST", self.url, body=json.dumps({"inputs": [tensor], "parameters": parameters}))
        said = json.loads(reply.data)
        if reply.status != 200:
            return reply.status, said["error"]
        return 200, {output["name"]: output["data"][0] for output in said["outputs"]}

    def of(self, name: Any, x: int, start: bool = False, end: bool = False) -> Any:
        status, said = self.ask(x, sequence_id=name, sequence_start=start, sequence_end=end)
        return said if status == 200 else (status, said)


@pytest.fixture
def sums(running: tuple[Server, grpc.Channel]) -> Asker:
    return Asker(running[0], "sums", (1,))


@pytest.fixture
def controlled(running: tuple[Server, grpc.Channel]) -> Asker:
    return Asker(running[0], "controlled", (1, 1))


def lost(model: str, name: Any) -> tuple[int, str]:
    return 400, (
        f"inference request for sequence {name} to model '{model}' must specify the START flag on the first request of "
        "the sequence"
    )


def test_a_model_is_told_where_a_sequence_begins_and_ends(controlled: Asker) -> None:
    answers = [controlled.of(7, 1, start=True), controlled.of(7, 2), controlled.of(7, 3, end=True)]
    assert answers == [{"Y": 11}, {"Y": 2}, {"Y": 10}]
    assert controlled.of(8, 1, start=True, end=True) == {"Y": 19}


def test_all_requests_of_a_sequence_reach_the_instance_of_its_first(sums: Asker) -> None:
    names: list[Any] = [5, "five", 2**63]
    first = {name: sums.of(name, 1, start=True) for name in names}
    for total in (3, 6, 10):
        for name in names:
            said = sums.of(name, {3: 2, 6: 3, 10: 4}[total])
            assert said == {"SUM": total, "PID": first[name]["PID"]}
    for name in names:
        assert sums.of(name, 5, end=True)["SUM"] == 15
        assert sums.of(name, 1) == lost("sums", name), "it has ended"


def test_what_is_wrong_with_a_sequence_is_said(sums: Asker, controlled: Asker) -> None:
    assert sums.of(404, 1) == lost("sums", 404)
    missing = "inference request to model 'sums' must specify a non-zero or non-empty correlation ID"
    assert sums.ask(1) == sums.ask(1, sequence_id=0) == sums.ask(1, sequence_id="") == (400, missing)
    assert sums.of(1, 1, start="yes") == (400, "sequence_start is true or false, got 'yes'")  # type: ignore[arg-type]
    assert controlled.of("text", 1, start=True) == (400, "sequence_id 'text' does not fit in 'ID', which is INT32")
    assert controlled.of(2**40, 1, start=True)[0] == 400
    two = Asker.__new__(Asker)
    two.url, two.shape = controlled.url, (2, 1)
    assert two.of(1, 1, start=True) == (
        400, "inference request to model 'controlled' must specify batch-size 1 due to requirements of sequence batcher"
    )  # fmt: skip


def test_no_more_sequences_than_the_config_allows(sums: Asker) -> None:
    for name in (1, 2, 3):
        sums.of(name, 1, start=True)
    status, text = sums.of(4, 1, start=True)
    assert (status, "3 sequences of model 'sums' are under way already" in text) == (503, True)
    assert sums.of(3, 7, start=True)["SUM"] == 7, "a sequence may begin anew"
    for name in (1, 2, 3):
        sums.of(name, 1, end=True)


def test_what_nobody_asks_for_is_forgotten(running: tuple[Server, grpc.Channel]) -> None:
    short = Asker(running[0], "short", (1,))
    assert short.of(1, 1, start=True)["SUM"] == 1
    time.sleep(0.4)
    assert short.of(1, 1) == lost("short", 1)


def test_a_sequence_is_lost_with_its_process(sums: Asker) -> None:
    process = sums.of(9, 1, start=True)["PID"]
    os.kill(process, signal.SIGKILL)
    until = time.monotonic() + 30
    while (said := sums.of(9, 1)) != lost("sums", 9):
        assert isinstance(said, tuple) and time.monotonic() < until, said
    assert sums.of(9, 1, start=True)["SUM"] == 1


def test_over_grpc(running: tuple[Server, grpc.Channel]) -> None:
    def parameter(name: str, *value: Any) -> Any:
        return bytes_field(4, *bytes_field(1, name.encode()), *bytes_field(2, *value))

    def ask(x: int, *parameters: Any) -> int:
        tensor = [*bytes_field(1, b"X"), *bytes_field(2, b"INT32"), *bytes_field(3, b"\x01")]
        raw = bytes_field(7, x.to_bytes(4, "little"))
        parts = [*bytes_field(1, b"sums"), *(part for p in parameters for part in p), *bytes_field(5, *tensor), *raw]
        call = running[1].unary_unary("/inference.GRPCInferenceService/ModelInfer")
        answer: bytes = call(b"".join(parts), timeout=60)
        (at,) = [k for k in range(len(answer)) if answer[k : k + 2] == b"2\x04"][:1]  # the first raw output
        return int.from_bytes(answer[at + 2 : at + 6], "little")

    name = parameter("sequence_id", number_field(2, 77))
    yes = number_field(1, 1)
    assert ask(1, name, parameter("sequence_start", yes)) == 1
    assert ask(2, name) == 3
    assert ask(3, name, parameter("sequence_end", yes)) == 6
