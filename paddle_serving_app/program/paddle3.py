"""The operators of a program of Paddle 3: JSON of its intermediate representation, PIR."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from paddle_serving_app.program.constants import with_numbers
from paddle_serving_app.program.operators import Operator, Program, Value
from paddle_serving_client import dtype
from paddle_serving_client.io.formats import pir

_GIVEN = "given"
"""Stands for what a block of a loop is given."""


def read(content: bytes) -> Program:
    """The operators of a program."""
    found: list[tuple[str, dict[str, Any], dict[str, object]]] = []
    for op in _all_operations(json.loads(content)["program"]["regions"][0]):
        found.append((_kind(op), op, dict(_attributes(op))))
    operators: list[Operator] = []
    known: dict[int, Value] = {}
    numbers: dict[int, object] = {}
    """What was an attribute in Paddle 2 is an input here, made by an operator of its own; it is one here, too."""
    feeds: dict[str, Value] = {}
    for kind, op, attributes in found:
        results = op["O"] if isinstance(op.get("O"), list) else [op["O"]] if op.get("O") else []
        outputs = with_numbers(kind, attributes, tuple(_value(result, kind == "p") for result in results))
        known |= {result["%"]: value for result, value in zip(results, outputs, strict=True)}
        if kind in ("data", "feed"):
            feeds |= {str(attributes.get("name", value.name)): value for value in outputs}
        elif kind not in ("p", "fetch", _GIVEN):
            given = [i["%"] for i in op.get("I") or ()]
            inputs = tuple(known.get(number, Value(f"%{number}", dtype.UNKNOWN)) for number in given)
            told = {f"input{k}": numbers[number] for k, number in enumerate(given) if number in numbers}
            operators.append(Operator(kind, inputs, outputs, attributes | told))
        if kind in ("full", "full_int_array") and outputs:
            numbers[results[0]["%"]] = attributes.get("value")
    return Program("paddle3", feeds, tuple(operators))


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


def _attributes(op: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for attribute in op["A"]:
        if isinstance(attribute, dict) and "N" in attribute:
            yield attribute["N"], _datum(attribute["AT"])


def _datum(attribute: Mapping[str, Any]) -> object:
    content = attribute.get("D")
    if isinstance(content, list):
        return tuple(_datum(item) if isinstance(item, dict) else item for item in content)
    return content


def _value(result: Mapping[str, Any], is_parameter: bool) -> Value:
    type_ = result["TT"]
    is_list = str(type_["#"]).endswith(".t_vec")
    while isinstance(type_, dict) and str(type_["#"]).endswith(".t_vec"):
        type_ = type_["D"][0] if type_["D"] else {"#": ""}
    code, shape = dtype.UNKNOWN, None
    if str(type_["#"]).endswith(".t_dtensor"):
        code = pir.CODES.get(str(type_["D"][0]["#"]).partition(".")[2], dtype.UNKNOWN)
        shape = tuple(type_["D"][1])
    return Value(f"%{result['%']}", code, shape, is_parameter, is_list=is_list)
