"""The operators of a model folder, read from its program: Paddle 1, 2 and 3, and ONNX.

The files come from outside: what does not have the form that Paddle or ONNX give them is a `BadModel`, never a guess.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from paddle_serving_app import model_files
from paddle_serving_app.choosing import onnx_operators
from paddle_serving_app.choosing.program import Operator, Program, Value
from paddle_serving_client import dtype
from paddle_serving_client.errors import BadModel
from paddle_serving_client.io.formats import pir
from paddle_serving_client.io.var_type import code_of
from paddle_serving_client.wire.proto import framework_pb2 as pb

_CONSTANTS = ("fill_constant", "full", "full_int_array", "fill_any_like", "full_like", "assign_value", "assign_value_")
"""Operators that say in an attribute which numbers they give."""
_GIVEN = "given"
"""Stands for what a block of a loop is given."""
_CONSTANT_ATTRIBUTES = ("value", "str_value", "values", "int64_values", "int32_values", "bool_values")


def read(folder: Path) -> Program:
    """The program of the model that lies in a folder, as the library that loads it would find it.

    Raises:
        BadModel: there is no model, or it is not of the form of its kind.
    """
    program = model_files.paddle_program(folder)
    path = program or model_files.onnx_model(folder)
    if path is None:
        raise BadModel(model_files.no_model(folder, "model"))
    return read_file(path)


def read_file(path: Path) -> Program:
    """The operators of a Paddle program or an ONNX model.

    Raises:
        BadModel: it is missing, damaged, or of another kind.
    """
    try:
        if path.suffix == ".onnx":
            return onnx_operators.read(path.read_bytes())
        return _read_pir(path.read_bytes()) if path.suffix == ".json" else _read_program(path.read_bytes())
    except OSError as exc:
        raise BadModel(f"{path}: {exc.strerror}") from exc
    except (DecodeError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as exc:
        raise BadModel(f"{path}: its operators cannot be read ({type(exc).__name__})") from exc


# -- Paddle 1 and 2


def _read_program(content: bytes) -> Program:
    program = pb.ProgramDesc.FromString(content)
    known = {var.name: _value_of(var) for block in program.blocks for var in block.vars}
    operators = [_operator(op, known) for block in program.blocks for op in block.ops]
    feeds = [out.name for op in operators if op.kind == "feed" for out in op.outputs]
    return Program("paddle2", tuple(feeds), tuple(op for op in operators if op.kind not in ("feed", "fetch")))


def _value_of(var: pb.VarDesc) -> Value:
    tensor = var.type.lod_tensor.tensor
    code = code_of(tensor.data_type) if var.type.HasField("lod_tensor") else dtype.UNKNOWN
    return Value(var.name.decode(errors="replace"), code, tuple(tensor.dims), var.persistable)


def _operator(op: pb.OpDesc, known: Mapping[bytes, Value]) -> Operator:
    kind = op.type.decode(errors="replace")
    attributes = {attr.name.decode(errors="replace"): _attribute(attr) for attr in op.attrs}

    def values(slots: Iterable[pb.OpDesc.Var]) -> tuple[Value, ...]:
        return tuple(known.get(name, _unknown(name)) for slot in slots for name in slot.arguments)

    told = {name: value for name, value in attributes.items() if value is not None and not name.startswith("op_")}
    return Operator(kind, values(op.inputs), _told(kind, told, values(op.outputs)), told)


def _unknown(name: bytes) -> Value:
    return Value(name.decode(errors="replace"), dtype.UNKNOWN)


def _attribute(attr: pb.OpDesc.Attr) -> object:
    """The value of an attribute, or None where it is a block or a variable; the numbers are those of `AttrType`."""
    match attr.type:
        case 0:
            return attr.i
        case 1:
            return attr.f
        case 2:
            return attr.s.decode(errors="replace")
        case 3:
            return tuple(attr.ints)
        case 4:
            return tuple(attr.floats)
        case 5:
            return tuple(text.decode(errors="replace") for text in attr.strings)
        case 6:
            return attr.b
        case 7:
            return tuple(attr.bools)
        case 9:
            return attr.l
        case 11:
            return tuple(attr.longs)
        case 12:
            return tuple(attr.float64s)
        case 15:
            return attr.float64
        case 16:
            return _scalar(attr.scalar)
        case 17:
            return tuple(_scalar(scalar) for scalar in attr.scalars)
    return None


def _scalar(scalar: pb.Scalar) -> float:
    return {1: scalar.b, 2: scalar.i}.get(scalar.type, scalar.r)


# -- Paddle 3


def _read_pir(content: bytes) -> Program:
    found: list[tuple[str, dict[str, Any], dict[str, object]]] = []
    for op in _all_operations(json.loads(content)["program"]["regions"][0]):
        found.append((_kind(op), op, dict(_pir_attributes(op))))
    operators: list[Operator] = []
    known: dict[int, Value] = {}
    numbers: dict[int, object] = {}
    """What was an attribute in Paddle 2 is an input here, made by an operator of its own; it is one here, too."""
    feeds = []
    for kind, op, attributes in found:
        results = op["O"] if isinstance(op.get("O"), list) else [op["O"]] if op.get("O") else []
        outputs = _told(kind, attributes, tuple(_pir_value(result, kind == "p") for result in results))
        known |= {result["%"]: value for result, value in zip(results, outputs, strict=True)}
        if kind in ("data", "feed"):
            feeds += [value.name for value in outputs]
        elif kind not in ("p", "fetch", _GIVEN):
            given = [i["%"] for i in op.get("I") or ()]
            inputs = tuple(known.get(number, Value(f"%{number}", dtype.UNKNOWN)) for number in given)
            told = {f"input{k}": numbers[number] for k, number in enumerate(given) if number in numbers}
            operators.append(Operator(kind, inputs, outputs, attributes | told))
        if kind in ("full", "full_int_array") and outputs:
            numbers[results[0]["%"]] = attributes.get("value")
    return Program("paddle3", tuple(feeds), tuple(operators))


def _all_operations(region: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Those of a region, and of the regions of its loops and branches."""
    for block in region["blocks"]:
        given = [{"%": taken["#"], "TT": taken["TT"]} for taken in block.get("args") or ()]
        yield {"#": _GIVEN, "A": [], "O": given}
        for op in block["ops"]:
            for inner in op.get("regions") or ():
                yield from _all_operations(inner)
            yield op


def _kind(op: Mapping[str, Any]) -> str:
    """Without the number or name of the dialect that Paddle's own operators are in."""
    dialect, _, name = str(op["#"]).rpartition(".")
    return f"builtin.{name}" if dialect in ("0", "builtin") and name == "split" else name


def _pir_attributes(op: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for attribute in op["A"]:
        if isinstance(attribute, dict) and "N" in attribute:
            yield attribute["N"], _pir_datum(attribute["AT"])


def _pir_datum(attribute: Mapping[str, Any]) -> object:
    content = attribute.get("D")
    if isinstance(content, list):
        return tuple(_pir_datum(item) if isinstance(item, dict) else item for item in content)
    return content


def _pir_value(result: Mapping[str, Any], is_parameter: bool) -> Value:
    """A list of tensors has the type and the shape of its first."""
    type_ = result["TT"]
    while isinstance(type_, dict) and str(type_["#"]).endswith(".t_vec"):
        type_ = type_["D"][0] if type_["D"] else {"#": ""}
    code, shape = dtype.UNKNOWN, None
    if str(type_["#"]).endswith(".t_dtensor"):
        code = pir.CODES.get(str(type_["D"][0]["#"]).partition(".")[2], dtype.UNKNOWN)
        shape = tuple(type_["D"][1])
    return Value(f"%{result['%']}", code, shape, is_parameter)


# -- both


def _told(kind: str, attributes: Mapping[str, object], outputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """With the numbers that an operator says it gives."""
    if kind not in _CONSTANTS:
        return outputs
    numbers = [n for name in _CONSTANT_ATTRIBUTES for n in _numbers(attributes.get(name))]
    if not numbers:
        return outputs
    least, largest = min(numbers), max(numbers)
    return tuple(
        Value(v.name, v.elem_type, v.shape, v.is_parameter, (least, largest)) if v.is_whole else v for v in outputs
    )


def _numbers(value: object) -> Iterator[int]:
    if isinstance(value, tuple):
        for item in value:
            yield from _numbers(item)
    elif isinstance(value, bool | int):
        yield int(value)
    elif isinstance(value, float | str) and value and math.isfinite(float(value)):
        yield int(float(value))
