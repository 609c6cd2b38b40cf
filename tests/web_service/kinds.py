"""A server with one service of every kind that there is, each as small as can be."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from tests import models
from tests.serving import HTTP, Server, serve
from tests.web_service.page import SERVICES

FLOAT, INT64, UINT8 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64, onnx.TensorProto.UINT8
STRING, BOOL = onnx.TensorProto.STRING, onnx.TensorProto.BOOL
Value = tuple[str, int, list[str | int | None]]
Nodes = list[list[Any]]
"""[operator, inputs, outputs, attributes]."""

MODELS: dict[str, tuple[list[Value], list[Value], Nodes]] = {
    "classes": (
        [("image", FLOAT, ["N", 3, 16, 16])],
        [("prob", FLOAT, ["N", 4])],
        [
            ["GlobalAveragePool", ["image"], ["pooled"], {}],
            ["Flatten", ["pooled"], ["flat"], {}],
            ["MatMul", ["flat", "weight"], ["logits"], {}],
            ["Softmax", ["logits"], ["prob"], {"axis": 1}],
        ],
    ),
    "bytes": (
        [("pixels", UINT8, ["N", 12, 12, 3])],
        [("mean", FLOAT, ["N", 3])],
        [
            ["Cast", ["pixels"], ["floats"], {"to": FLOAT}],
            ["ReduceMean", ["floats"], ["mean"], {"axes": [1, 2], "keepdims": 0}],
        ],
    ),
    "map": (
        [("image", FLOAT, ["N", 3, "H", "W"])],
        [("mask", FLOAT, ["N", 1, "H", "W"])],
        [["ReduceMean", ["image"], ["mask"], {"axes": [1]}]],
    ),
    "detector": (
        [('im shape/"1"', FLOAT, ["N", 2]), ("imágen", FLOAT, ["N", 3, 16, 16])],
        [("size", FLOAT, ["N", 2]), ("mean", FLOAT, ["N", 3])],
        [
            ["Identity", ['im shape/"1"'], ["size"], {}],
            ["ReduceMean", ["imágen"], ["mean"], {"axes": [2, 3], "keepdims": 0}],
        ],
    ),
    "text": (
        [("words", STRING, ["N", 1])],
        [("again", STRING, ["N", 1])],
        [["Identity", ["words"], ["again"], {}]],
    ),
    "several": (
        [("a", INT64, ["N", 2]), ("b", FLOAT, ["N", 2, 2]), ("ok", BOOL, ["N", 1])],
        [("twice", INT64, ["N", 2]), ("same", FLOAT, ["N", 2, 2]), ("opposite", BOOL, ["N", 1])],
        [
            ["Add", ["a", "a"], ["twice"], {}],
            ["Identity", ["b"], ["same"], {}],
            ["Not", ["ok"], ["opposite"], {}],
        ],
    ),
    "long": ([("x", FLOAT, ["N", 1200])], [("y", FLOAT, ["N", 1200])], [["Add", ["x", "x"], ["y"], {}]]),
    "table": (
        [("ids", INT64, ["N", 2])],
        [("rows", FLOAT, ["N", 2, 4])],
        [["Slice", ["weight", "zero", "one"], ["first"], {}], ["Gather", ["first", "ids"], ["rows"], {"axis": 0}]],
    ),
    "fixed": ([("x", FLOAT, [2, 3])], [("y", FLOAT, [2, 3])], [["Add", ["x", "x"], ["y"], {}]]),
}
FIELDS = """
title: Price of a house
fields:
  crime: {title: Crimes a year and head, unit: crimes, mean: 3.61, scale: 88.97, minimum: 0, default: 3.61}
  zoned: {about: "Land for large houses", unit: "%", mean: 11.36, scale: 100, minimum: 0, maximum: 100, default: 11.36}
  city: {choices: [Oslo, 東京], encoding: index}
  by_the_river: {kind: flag}
  n: {mean: 1, example: 6}
  a: {default: 1}
  b: {default: 1}
  c: {default: 1}
  d: {default: 1}
  e: {default: 1}
  f: {default: 1}
  g: {default: 1}
  h: {default: 1}
"""


def model(folder: Path, name: str) -> str:
    """One of `MODELS` as an ONNX file: what `serve` is told."""
    inputs, outputs, nodes = MODELS[name]
    random = np.random.default_rng(0)
    given: dict[str, Any] = {
        "weight": random.standard_normal((3, 4)).astype(np.float32),
        "zero": np.array([0], np.int64),
        "one": np.array([1], np.int64),
    }
    takes, gives = ([onnx.helper.make_tensor_value_info(*value) for value in values] for values in (inputs, outputs))
    made = onnx.helper.make_model(
        onnx.helper.make_graph(
            [onnx.helper.make_node(op, of, to, **more) for op, of, to, more in nodes],
            name,
            takes,
            gives,
            [onnx.numpy_helper.from_array(array, key) for key, array in given.items()],
        ),
        opset_imports=[onnx.helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.save(made, str(folder / f"{name}.onnx"))
    return f"{name}={folder / name}.onnx"


@contextlib.contextmanager
def server_of_all(folder: Path) -> Iterator[Server]:
    """Models of all forms, a table, sequences, handlers, services with steps, pipelines, and what does not answer."""
    uci = models.uci(folder / "uci")
    prices = models.uci(folder / "prices")
    (prices / "fields.yml").write_text(FIELDS, encoding="utf-8")
    things = [model(folder, name) for name in MODELS]
    things += [str(uci), str(prices), f"sequences={models.lod(folder / 'sequences')}"]
    things += [str(SERVICES / name) for name in ("count_words.py", "echo_bytes.py", "things.py")]
    services = ("reader", "words", "pipelines")
    flags = [flag for name in services for flag in ("--service", str(SERVICES / f"{name}.py"))]
    run = "import sys; from paddle_serving_server.commands.console import main; sys.exit(main())"
    command = ("-c", run, "serve", *things)
    with serve(folder, *flags, "--tune", "off", "--", str(uci), command=command) as running:
        _break(folder, running)
        yield running


def _break(folder: Path, running: Server) -> None:
    """Register one that is refused, one that is not loaded, and one with two versions."""
    broken = models.uci(folder / "broken")
    (broken / "model.pdiparams").write_bytes(b"no weights at all")
    several = folder / "versions"
    for number in (1, 2):
        models.uci(several / str(number))
    for name, settings, status in (
        ("broken", {"path": str(broken)}, 409),
        ("resting", {"path": str(folder / "uci"), "load": False}, 200),
        ("versions", {"path": str(several), "versions": "all"}, 200),
    ):
        reply = HTTP.request("PUT", f"{running.url}/registry/{name}", json=settings)
        assert reply.status == status, reply.data
