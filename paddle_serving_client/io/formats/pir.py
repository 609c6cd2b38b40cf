"""Paddle 3: a program as JSON ("PIR") with its parameters in one file.

Of the JSON we read the operations of the outermost block: `p` declares a parameter, `1.data` an input, `1.fetch` an
output ("1" is Paddle's number of the dialect pd_op). In an operation `#` is its name, `A` its attributes, `O` its
results; in a result `TT` is the type, whose `D` holds element type and dims.
"""

import json
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from paddle_serving_client import dtype, manifest
from paddle_serving_client.errors import BadModel
from paddle_serving_client.io import params as parameter_files
from paddle_serving_client.io.source import ModelFile, Names, Source, variable
from paddle_serving_client.model_config import Variable

EXPECTED = "inference.json with inference.pdiparams (Paddle 3)"

_DEFAULT_NAME = "model.json"
_MAX_BYTES = 1 << 26
_INPUTS = ("1.data", "pd_op.data", "1.feed", "pd_op.feed")
_OUTPUTS = ("1.fetch", "pd_op.fetch")
_PARAMETER = "p"
_PARAMETER_NAME_AT = 3  # in the attributes of `p`: is distributed, is trainable, needs clipping, name
CODES = {
    "t_bool": 9,
    "t_i8": 8,
    "t_ui8": 7,
    "t_i16": 4,
    "t_i32": 2,
    "t_i64": 0,
    "t_f16": 5,
    "t_bf16": 6,
    "t_f32": 1,
    "t_f64": 3,
    "t_c64": 10,
    "t_c128": 11,
}


class _Unreadable(Exception):
    """The JSON is not of the form that Paddle writes."""


def may_be_model(name: str) -> bool:
    """`claims` tells a program from other JSON."""
    return name.endswith(".json") and name != manifest.NAME


def claims(head: bytes) -> bool:
    """The JSON of a program begins with its `base_code`, which says that it is one."""
    compact = b"".join(head.split())
    return compact.startswith(b'{"base_code":') and b'"magic":"pir"' in compact


def read(folder: Path, model: str, params: str | None, wanted: Names) -> Source:
    """Read a program; see `Format.read`."""
    path = folder / model
    try:
        feeds, fetches, parameters = _variables(_parse(path))
    except _Unreadable as exc:
        raise BadModel(f"{path}: not a Paddle 3 program: {exc}") from exc
    for name in {feed.name for feed in feeds} & {fetch.name for fetch in fetches}:
        raise BadModel(f"{path}: {name!r} is both an input and an output; Paddle cannot load such a program")
    parts = parameter_files.locate(folder, model, params, parameters)
    name = _model_name(model, wanted.model)
    files = [ModelFile(name, (path,))]
    if parts:
        files.append(ModelFile(parameter_files.combined_name(name, parts, wanted.params), parts))
    return Source("Paddle 3 program", feeds, fetches, tuple(files))


def _parse(path: Path) -> Any:
    with manifest.open_regular(path) as stream:
        raw = stream.read(_MAX_BYTES + 1)
    if len(raw) > _MAX_BYTES:
        raise BadModel(f"{path}: more than {_MAX_BYTES} bytes; a program without its parameters is smaller")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as exc:
        raise BadModel(f"{path}: not JSON, or cut short ({len(raw)} bytes): {str(exc)[:128]}") from exc


def _variables(
    document: Any,
) -> tuple[tuple[Variable, ...], tuple[Variable, ...], list[parameter_files.Parameter]]:
    """Inputs in the order of their operations, outputs in the order of their columns, and the parameters."""
    feeds: list[Variable] = []
    fetches: dict[int, Variable] = {}
    parameters: list[parameter_files.Parameter] = []
    for op in _operations(document):
        kind = op.get("#")
        if kind == _PARAMETER:
            if _first_flag(op) != 0:
                name = _item(_member(op, "A", list), _PARAMETER_NAME_AT, str)
                parameters.append(parameter_files.Parameter(name, _type_of(op)[1]))
        elif kind in _INPUTS or kind in _OUTPUTS:
            attributes = dict(_attributes(op))
            name = attributes.get("name")
            if not isinstance(name, str):
                raise _Unreadable(f"an operation {kind} has no name")
            elem_type, dims = _type_of(op)
            if kind in _INPUTS:
                feeds.append(variable(name, elem_type, dims))
            else:
                column = attributes.get("col")
                fetches[column if type(column) is int else len(fetches)] = variable(name, elem_type, dims)
    return tuple(feeds), tuple(fetches[column] for column in sorted(fetches)), parameters


def _operations(document: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(document, dict):
        raise _Unreadable("it is not an object")
    program = _member(document, "program", dict)
    region = _item(_member(program, "regions", list), 0, dict)
    block = _item(_member(region, "blocks", list), 0, dict)
    operations = _member(block, "ops", list)
    for number in range(len(operations)):
        yield _item(operations, number, dict)


def _first_flag(parameter: dict[str, Any]) -> object:
    """0: not persistable, so it is not in the parameter file (the state of a dropout, for example)."""
    flags = parameter.get("OA")  # is persistable, stops the gradient, is trainable
    return flags[0] if isinstance(flags, list) and flags else 1


def _attributes(op: dict[str, Any]) -> Iterator[tuple[str, object]]:
    listed = _member(op, "A", list)
    for number in range(len(listed)):
        attribute = _item(listed, number, dict)
        yield _member(attribute, "N", str), _member(attribute, "AT", dict).get("D")


def _type_of(op: dict[str, Any]) -> tuple[int, tuple[int, ...]]:
    """Element code and dims of an operation's result."""
    results = op.get("O")  # `p` has one, other operations have a list
    type_ = _member(results if isinstance(results, dict) else _item(_member(op, "O", list), 0, dict), "TT", dict)
    if not str(type_.get("#")).endswith(".t_dtensor"):  # an array of tensors, a sparse one: there is no code for it
        return dtype.UNKNOWN, ()
    described = _member(type_, "D", list)
    dims = _item(described, 1, list)
    if any(type(dim) is not int for dim in dims):
        raise _Unreadable(f"a tensor has the shape {str(dims)[:64]}")
    elem_type = str(_item(described, 0, dict).get("#")).partition(".")[2]
    return CODES.get(elem_type, dtype.UNKNOWN), tuple(dims)


def _member(parent: dict[str, Any], key: str, kind: type) -> Any:
    value = parent.get(key)
    if not isinstance(value, kind):
        raise _Unreadable(f"{key!r} is {type(value).__name__} where {kind.__name__} is expected")
    return value


def _item(parent: list[Any], number: int, kind: type) -> Any:
    if number >= len(parent):
        raise _Unreadable(f"a list has {len(parent)} items where {number + 1} are expected")
    if not isinstance(parent[number], kind):
        raise _Unreadable(f"item {number} is {type(parent[number]).__name__} where {kind.__name__} is expected")
    return parent[number]


def _model_name(source: str, wanted: str | None) -> str:
    name = PurePath(wanted or source).name
    if name == manifest.NAME:
        return _DEFAULT_NAME
    return name if name.endswith(".json") else f"{name.removesuffix('.pdmodel')}.json"
