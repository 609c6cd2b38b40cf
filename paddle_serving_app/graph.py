"""The operators of a model folder and the tensors between them, in one form for Paddle 1, 2, 3 and ONNX.

Nothing is run by it: it is for looking at what a model computes, and with which element types.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from paddle_serving_app import model_files
from paddle_serving_client import dtype
from paddle_serving_client.io.formats.onnx import CODES as ONNX_CODES
from paddle_serving_client.io.formats.pir import CODES as PIR_CODES
from paddle_serving_client.io.var_type import code_of
from paddle_serving_client.wire.proto import framework_pb2, onnx_pb2

_SAME_NAME = {
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div",
    "remainder": "mod",
    "floor_divide": "floordiv",
    "reducesum": "sum",
    "reduceprod": "prod",
    "lookup_table": "embedding",
    "lookup_table_v2": "embedding",
    "matmul_v2": "matmul",
    "gemm": "matmul",
    "shape64": "shape",
    "gathernd": "gather_nd",
    "gatherelements": "take_along_axis",
    "identity": "assign",
    "expand_dims": "unsqueeze",
}
"""Operators that the frameworks call otherwise, by the name that all have here."""
_BOOL, _INT64 = dtype.code_of("bool"), dtype.code_of("int64")
_GIVES = {
    **dict.fromkeys(("shape", "size", "argmax", "argmin", "nonzero", "numel"), _INT64),
    **dict.fromkeys(("equal", "less", "lessorequal", "greater", "greaterorequal", "not", "and", "or", "xor"), _BOOL),
    **dict.fromkeys(("isnan", "isinf"), _BOOL),
}
"""What ONNX operators give where that is not the type of their first input; ONNX files do not say it."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One step."""

    kind: str
    """Its name, in lower case and alike in all frameworks where `_SAME_NAME` or a prefix tells them apart."""
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """What a model computes."""

    operators: tuple[Operator, ...]
    """In an order in which they can run; those of inner blocks behind the outermost."""
    types: Mapping[str, int]
    """The element type of each tensor, as far as it is known."""
    constants: Mapping[str, tuple[int, ...]]
    """The shape of each parameter."""
    inputs: Mapping[str, str]
    """The tensor of each input, by the input's real name."""


def read(folder: Path) -> Graph | None:
    """The graph of a folder's model; None where there is none, or it cannot be read.

    Other readers check a model and say what is wrong with it; here a damaged one is no graph.
    """
    try:
        if (path := model_files.paddle_program(folder)) is not None:
            return _pir(path) if path.suffix == ".json" else _program(path)
        path = model_files.onnx_model(folder)
        return None if path is None else _onnx(path)
    except (OSError, ValueError, DecodeError, LookupError, TypeError, AttributeError, StopIteration, RecursionError):
        return None


def _program(path: Path) -> Graph:
    program = framework_pb2.ProgramDesc.FromString(path.read_bytes())
    types: dict[str, int] = {}
    constants: dict[str, tuple[int, ...]] = {}
    operators: list[Operator] = []
    inputs: dict[str, str] = {}
    for block in program.blocks:
        for var in block.vars:
            tensor = var.type.lod_tensor.tensor
            types[_text(var.name)] = code_of(tensor.data_type)
            if var.persistable and tensor.dims:
                constants[_text(var.name)] = tuple(tensor.dims)
        for op in block.ops:
            takes = tuple(_text(name) for slot in op.inputs for name in slot.arguments)
            gives = tuple(_text(name) for slot in op.outputs for name in slot.arguments)
            if op.type == b"feed":
                inputs |= {name: name for name in gives}
            elif op.type != b"fetch":
                operators.append(Operator(_kind(_text(op.type)), takes, gives))
    return Graph(tuple(operators), types, constants, inputs)


def _pir(path: Path) -> Graph:
    types: dict[str, int] = {}
    constants: dict[str, tuple[int, ...]] = {}
    operators: list[Operator] = []
    inputs: dict[str, str] = {}
    for op in _pir_operators(json.loads(path.read_bytes())["program"]):
        results = op.get("O") or []
        results = [results] if isinstance(results, dict) else results
        gives = tuple(str(result["%"]) for result in results)
        for name, result in zip(gives, results, strict=True):
            described = result["TT"].get("D")
            if isinstance(described, list) and len(described) > 1 and isinstance(described[0], dict):
                types[name] = PIR_CODES.get(str(described[0].get("#")).partition(".")[2], dtype.UNKNOWN)
                if op["#"] == "p":
                    constants[name] = tuple(described[1])
        takes = tuple(str(taken["%"]) for taken in op.get("I") or [])
        kind = str(op["#"]).partition(".")[2]
        if kind in ("data", "feed"):
            inputs[next(str(a["AT"]["D"]) for a in op["A"] if a.get("N") == "name")] = gives[0]
        elif op["#"] != "p" and kind != "fetch":
            operators.append(Operator(_kind(kind), takes, gives))
    return Graph(tuple(operators), types, constants, inputs)


def _pir_operators(program: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Those of all blocks; numbers of tensors are unique in a program."""
    regions = list(program["regions"])
    while regions:
        for block in regions.pop(0)["blocks"]:
            for op in block["ops"]:
                yield op
                regions += op.get("regions") or []


def _onnx(path: Path) -> Graph:
    model = onnx_pb2.ModelProto.FromString(path.read_bytes())
    types: dict[str, int] = {}
    constants: dict[str, tuple[int, ...]] = {}
    operators: list[Operator] = []
    graphs = [model.graph]
    while graphs:
        graph = graphs.pop(0)
        for tensor in graph.initializer:
            constants[_text(tensor.name)] = tuple(tensor.dims)
            types[_text(tensor.name)] = ONNX_CODES.get(tensor.data_type, dtype.UNKNOWN)
        for info in (*graph.input, *graph.output):
            types[_text(info.name)] = ONNX_CODES.get(info.type.tensor_type.elem_type, dtype.UNKNOWN)
        for node in graph.node:
            takes, gives = (tuple(map(_text, names)) for names in (node.input, node.output))
            operators.append(Operator(_kind(_text(node.op_type)), takes, gives))
            for name in gives:
                types.setdefault(name, _onnx_type(node, operators[-1], types))
            for attribute in node.attribute:
                graphs += [attribute.g] if attribute.HasField("g") else []
    inputs = {name: name for info in model.graph.input if (name := _text(info.name)) not in constants}
    return Graph(tuple(operators), types, constants, inputs)


def _onnx_type(node: onnx_pb2.NodeProto, operator: Operator, types: Mapping[str, int]) -> int:
    attributes = {_text(attribute.name): attribute for attribute in node.attribute}
    if operator.kind == "cast":
        return ONNX_CODES.get(attributes["to"].i, dtype.UNKNOWN) if "to" in attributes else dtype.UNKNOWN
    if operator.kind in ("constant", "constantofshape"):
        return (
            ONNX_CODES.get(attributes["value"].t.data_type, dtype.UNKNOWN) if "value" in attributes else dtype.UNKNOWN
        )
    if operator.kind in _GIVES:
        return _GIVES[operator.kind]
    if operator.kind == "where" and len(operator.inputs) > 1:
        return types.get(operator.inputs[1], dtype.UNKNOWN)
    return types.get(operator.inputs[0], dtype.UNKNOWN) if operator.inputs else dtype.UNKNOWN


def _kind(name: str) -> str:
    plain = name.lower().rstrip("_").removeprefix("elementwise_").removeprefix("reduce_")
    return _SAME_NAME.get(plain, plain)


def _text(raw: bytes | str) -> str:
    return raw if isinstance(raw, str) else raw.decode("utf-8", "replace")
