"""A repository of small models, and a server of them by Triton's command line, with what tests ask it."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc as grpcio

from tests.serving import HTTP, Server, free_port, serve
from tests.triton_models import FLOAT, SIMPLE, ensemble, identity, onnx, put, simple

MODULE = ("-m", "paddle_serving_server.tritonserver")
A_B = {"INPUT0": "A", "INPUT1": "B"}
TWICE = ensemble(
    "ens_twice", ["A", "B"], ["TWICE_A", "TWICE_B"],
    [
        ("simple", -1, A_B, {"OUTPUT0": "s", "OUTPUT1": "d"}),
        ("simple", 1, {"INPUT0": "s", "INPUT1": "d"}, {"OUTPUT0": "TWICE_A", "OUTPUT1": "TWICE_B"}),
    ],
)  # fmt: skip
OUTER = ensemble(
    "outer", ["A", "B"], ["SUM"],
    [
        ("ens_twice", -1, {"A": "A", "B": "B"}, {"TWICE_A": "a", "TWICE_B": "b"}),
        ("simple", -1, {"INPUT0": "a", "INPUT1": "b"}, {"OUTPUT0": "SUM"}),
    ],
)  # fmt: skip
PICTURE = """
name: "picture" platform: "onnxruntime_onnx"
input [ { name: "X" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [ 3, 2, 2 ] reshape { shape: [ 1, 3, 2, 2 ] } } ]
output [
  { name: "Y" data_type: TYPE_FP32 dims: [ 12 ] reshape { shape: [ 1, 3, 2, 2 ] } label_filename: "labels.txt" }
]
"""
CODE = """
backend: "python" max_batch_size: 8
input [ { name: "IN" data_type: TYPE_INT32 dims: [ 16 ] } ]
output [ { name: "OUT" data_type: TYPE_INT32 dims: [ 16 ] } ]
"""
MODEL_PY = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        arrays = [pb_utils.get_input_tensor_by_name(request, "IN").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", array * 10)]) for array in arrays]
"""
AROUND = ensemble(
    "around", ["A"], ["B", "C"],
    [
        ("code", -1, {"IN": "A"}, {"OUT": "ten"}),
        ("simple", -1, {"INPUT0": "ten", "INPUT1": "A"}, {"OUTPUT0": "B", "OUTPUT1": "C"}),
    ],
)  # fmt: skip
ROW = list(range(16))


def doubled(path: Path) -> Path:
    """X -> Y, twice what came."""
    tensor = (FLOAT, ("batch", 4))
    return onnx(path, {"X": tensor}, {"Y": tensor}, [("Add", ("X", "X"), ("Y",))])


def written(root: Path) -> Path:
    """Write a repository: ensembles of `simple`, of ensembles and of a model.py; two models without a batch."""
    simple(put(root / "simple", SIMPLE) / "1" / "model.onnx")
    put(root / "ens_twice", TWICE)
    put(root / "outer", OUTER)
    labels = "".join(f"class {n}\n" for n in range(11))
    identity(put(root / "folder", PICTURE, {"labels.txt": labels}) / "1" / "model.onnx", shape=(1, 3, 2, 2))
    identity(root / "bare" / "1" / "model.onnx")
    put(root / "code", CODE, {"1/model.py": MODEL_PY})
    put(root / "around", AROUND)
    return root


def changing(model: str, verb: str) -> str:
    return f"/repository/models/{model}/{verb}"


class Triton:
    """A server, and its addresses."""

    def __init__(self, server: Server, grpc: int, metrics: int) -> None:
        self.server = server
        self.channel = grpcio.insecure_channel(f"127.0.0.1:{grpc}")
        self.metrics = f"http://127.0.0.1:{metrics}/metrics"

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        reply = HTTP.request(method, f"{self.server.url}/v2{path}", body=raw, headers=headers)
        return reply.status, reply.data

    def get(self, path: str) -> Any:
        status, body = self.ask("GET", path)
        assert status == 200, body
        return json.loads(body)

    def post(self, path: str, body: Any = None) -> Any:
        status, text = self.ask("POST", path, body)
        assert status == 200, text
        return json.loads(text) if text else None

    def change(self, model: str, verb: str, parameters: dict[str, Any] | None = None) -> None:
        self.post(changing(model, verb), {"parameters": parameters} if parameters else None)

    def index(self, **asked: bool) -> dict[tuple[str, str], tuple[str, str]]:
        """State and reason, by name and version."""
        found = self.post("/repository/index", asked or None)
        return {(e["name"], e.get("version", "")): (e.get("state", ""), e.get("reason", "")) for e in found}

    def infer(self, model: str, shape: list[int], datatype: str, **inputs: list[Any]) -> dict[str, list[Any]]:
        tensors = [{"name": n, "shape": shape, "datatype": datatype, "data": data} for n, data in inputs.items()]
        found = self.post(f"/models/{model}/infer", {"inputs": tensors})
        return {output["name"]: output["data"] for output in found["outputs"]}

    def call(self, method: str, *parts: Any) -> bytes:
        path = f"/inference.GRPCInferenceService/{method}"
        found: bytes = self.channel.unary_unary(path)(b"".join(parts), timeout=60)
        return found


@contextlib.contextmanager
def running(root: Path, *flags: str) -> Iterator[Triton]:
    """Serve a repository in explicit mode, with all of its models that can be loaded."""
    ports = free_port(), free_port()
    flags = (
        f"--model-repository={root}",
        f"--grpc-port={ports[0]}",
        f"--metrics-port={ports[1]}",
        "--tune=off",
        *flags,
    )
    modes = ("--model-control-mode=explicit", "--load-model=*", "--exit-on-error=false")
    with serve(root.parent, *flags, *modes, command=MODULE, port_flag="--http-port") as server:
        found = Triton(server, *ports)
        yield found
        found.channel.close()
