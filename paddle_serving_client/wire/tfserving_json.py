"""TensorFlow Serving's REST API: bodies <-> values.

    {"signature_name"?, "instances": [...]}   row form: one item for each instance   -> {"predictions": [...]}
    {"signature_name"?, "inputs": ...}        column form: whole tensors             -> {"outputs": ...}

NaN, Infinity and -Infinity are read and written as numbers, which JSON does not have.

Source: https://www.tensorflow.org/tfx/serving/api_rest; tensorflow/serving, `util/json_tensor.cc`.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from paddle_serving_client import dtype
from paddle_serving_client.dtype import ElemType
from paddle_serving_client.errors import BadDType, BadInput, BadPacket
from paddle_serving_client.message import Array
from paddle_serving_client.wire import json_body, json_text, tfserving
from paddle_serving_client.wire.json_size import Text
from paddle_serving_client.wire.tfserving import TensorInfo
from paddle_serving_client.wire.tfserving_values import array_of, is_named, shown

_BYTES_SUFFIX: Final = "_bytes"
"""Outputs of texts whose names end so are written as base64."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a body asks for."""

    tensors: Mapping[str, Array] = field(default_factory=dict)
    """By alias."""
    is_row: bool = True
    """Whether the answer has one item for each instance."""
    signature: str = ""


def read_prediction(text: Text, inputs: Sequence[TensorInfo]) -> Prediction:
    """Read a body of `:predict`.

    Args:
        text: the body.
        inputs: of the model.

    Raises:
        BadPacket: no JSON. BadInput: not what the model takes, in TensorFlow Serving's words. TooLarge: over a limit.
    """
    document = document_of(text)
    signature = signature_of(document)
    if "instances" in document and "inputs" in document:
        what = "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist"
        raise BadInput(f"JSON Value: {shown(document)} {what}")
    if "instances" in document:
        return Prediction(_rows(document, inputs), True, signature)
    if "inputs" in document:
        return Prediction(_columns(document["inputs"], inputs), False, signature)
    raise BadInput("Missing 'inputs' or 'instances' key")


def write_prediction(outputs: Mapping[str, Array], is_row: bool) -> bytes:
    """Write the answer of `:predict`.

    Raises:
        BadInput: in row form, outputs that have no rows, or not equally many.
    """
    if not is_row:
        said = {name: _written(name, array) for name, array in outputs.items()}
        return whole("outputs", _members(said) if len(said) > 1 else next(iter(said.values())))
    rows = -1
    for name, array in outputs.items():
        if not array.ndim:
            raise BadInput(f"Tensor name: {name} has no shape information; ask in column form, with 'inputs'")
        if rows not in (-1, len(array)):
            what = f"inconsistent batch size: {len(array)} expecting: {rows}"
            raise BadInput(f"Tensor name: {name} has {what}; ask in column form, with 'inputs'")
        rows = len(array)
    if len(outputs) == 1:
        ((name, array),) = outputs.items()
        items = _written(name, array)[1:-1]
    else:
        each = ({name: _written(name, array[k]) for name, array in outputs.items()} for k in range(rows))
        items = b", ".join(map(_members, each))
    return whole("predictions", b"[" + items + b"\n    ]")


# -- reading


def document_of(text: Text) -> dict[str, Any]:
    """A body as an object.

    Raises:
        BadPacket: no JSON. BadInput: no object. TooLarge: over a limit.
    """
    if not bytes(text[:64]).strip() and not bytes(text).strip():
        raise BadPacket("JSON Parse error: The document is empty at offset: 0")
    try:
        document = json_body.loads(text, may_be_special=True)
    except BadPacket as exc:
        raise BadPacket(f"JSON Parse error: Invalid value. {exc}") from exc
    if not isinstance(document, dict):
        raise BadInput(f"JSON Value: {shown(document)} Is not object")
    return document


def signature_of(document: Mapping[str, Any]) -> str:
    """The signature that a body names; empty: none. Raises BadInput for what is no name."""
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        what = "not formatted correctly. 'signature_name' key must be a string value."
        raise BadInput(f"JSON Value: {shown(document)} {what}")
    return name


def _rows(document: Mapping[str, Any], inputs: Sequence[TensorInfo]) -> dict[str, Array]:
    instances = document["instances"]
    if not isinstance(instances, list | np.ndarray):
        raise BadInput(f"JSON Value: {shown(document)} Excepting 'instances' to be an list/array")
    if not len(instances):
        raise BadInput(f"JSON Value: {shown(document)} No values in 'instances' array")
    are_named = is_named(instances[0])
    if not isinstance(instances[0], dict) and len(inputs) > 1:
        what = "expecting list of objects as multiple input tensors required as per tensorinfo_map"
        raise BadInput(f"instances is a plain list, but {what}: {', '.join(i.alias for i in inputs)}")
    if isinstance(instances, list):
        _refuse_mixed(instances, are_named)
    if not are_named:
        return {inputs[0].alias: _stacked(instances, inputs[0], "")}
    names = {info.alias for info in inputs}
    for k, item in enumerate(instances):
        if item.keys() != names:
            raise BadInput(f"Failed to process element: {k} of 'instances' list. {keys_wanted(item, names)}")
    return {i.alias: _stacked([item[i.alias] for item in instances], i, f" key: {i.alias}") for i in inputs}


def _refuse_mixed(instances: Sequence[object], are_named: bool) -> None:
    for k, item in enumerate(instances):
        if is_named(item) is not are_named:
            said = "object but got list" if are_named else "value/list but got object"
            raise BadInput(f"Expecting {said} at item {k} of input list")


def keys_wanted(item: Mapping[str, object], names: set[str]) -> str:
    """In words which keys an object must have, and which it has instead."""
    unknown = sorted(item.keys() - names)
    what = f" It does not have named input: {unknown[0][:64]}." if unknown else ""
    return f"JSON object: {shown(item)} keys must be equal to: {','.join(sorted(names))}.{what}"


def _stacked(values: Any, info: TensorInfo, key: str) -> Array:
    """The values of one input of all instances, on a new axis 0."""
    row = row_of(info)
    try:
        return array_of(values, row)
    except BadInput as exc:
        refused, shape = exc, None
    for k, value in enumerate(values):  # whose is it?
        try:
            found = array_of(value, row).shape
            if shape is not None and found != shape:
                raise BadInput(f"Expecting shape {listed(shape)} but got: {listed(found)}")
        except BadInput as exc:
            where = f"Failed to process element: {k}{key} of 'instances' list."
            raise BadInput(f"{where} Error: INVALID_ARGUMENT: {exc}") from exc
        shape = found
    raise refused


def _columns(value: Any, inputs: Sequence[TensorInfo]) -> dict[str, Array]:
    if not is_named(value):
        if len(inputs) > 1:
            what = "expecting an object as multiple input tensors required as per tensorinfo_map"
            raise BadInput(f"inputs is a plain value/list, but {what}: {', '.join(i.alias for i in inputs)}")
        return {inputs[0].alias: array_of(value, row_of(inputs[0]))}
    found = {}
    for info in inputs:
        if info.alias not in value:
            raise BadInput(f"Missing named input: {info.alias} in 'inputs' object.")
        found[info.alias] = array_of(value[info.alias], row_of(info))
    return found


def row_of(info: TensorInfo) -> ElemType:
    """The row of the type table for an input. Raises BadDType where there is none."""
    if info.data_type is None:
        raise BadDType(f"input {info.alias!r} is {dtype.name_of(info.elem_type)}, which TensorFlow has no type for")
    return tfserving.row_of(info.data_type, f"input {info.alias!r}")


def listed(shape: Sequence[int]) -> str:
    """A shape as TensorFlow Serving writes it."""
    return f"[{','.join(map(str, shape))}]"


# -- writing


def whole(key: str, value: bytes) -> bytes:
    """A body with one key."""
    return b'{\n    "%s": %s\n}' % (key.encode(), value)


def _members(said: Mapping[str, bytes]) -> bytes:
    lines = (b"            %s: %s" % (json_text.dumps(name), text) for name, text in said.items())
    return b"{\n" + b",\n".join(lines) + b"\n        }"


def _written(name: str, array: Array) -> bytes:
    """One output; of byte strings as texts, or as base64 where its name says so."""
    array = np.asarray(array)
    if array.dtype.kind in "OS":
        return json_text.dumps(_texts(array.tolist(), name.endswith(_BYTES_SUFFIX)))
    if array.dtype.kind not in "biuf":
        raise BadInput(f"Failed to write JSON value for tensor type: {array.dtype.name}, output {name!r}")
    return json_text.dumps_numbers(array)


def _texts(value: Any, as_base64: bool) -> object:
    if isinstance(value, list):
        return [_texts(item, as_base64) for item in value]
    raw = value.encode() if isinstance(value, str) else bytes(value)
    return {"b64": base64.b64encode(raw).decode()} if as_base64 else raw.decode("utf-8", "replace")
