"""TensorFlow Serving's REST API: bodies <-> values.

    {"signature_name"?, "instances": [...]}   row form: one item for each instance   -> {"predictions": [...]}
    {"signature_name"?, "inputs": ...}        column form: whole tensors             -> {"outputs": ...}
    {"signature_name"?, "context"?, "examples": [{feature: value}]}                  -> {"results": [...]}

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
    """A body of `:predict`."""

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
    document = _document(text)
    signature = _signature(document)
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
        return _object("outputs", _members(said) if len(said) > 1 else next(iter(said.values())))
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
    return _object("predictions", b"[" + items + b"\n    ]")


def read_examples(text: Text, inputs: Sequence[TensorInfo]) -> Prediction:
    """Read a body of `:classify` or `:regress`: every feature is an input, in the input's own shape or flat.

    Raises:
        As `read_prediction`.
    """
    document = _document(text)
    signature = _signature(document)
    if "examples" not in document:
        raise BadInput(f"JSON Value: {shown(document)} key 'examples' is expected and was not found")
    examples = document["examples"]
    if not isinstance(examples, list):
        raise BadInput(f"JSON Value: {shown(document)} Expecting 'examples' value to be an list/array")
    if not examples:
        raise BadInput(f"JSON Value: {shown(document)} 'examples' value is an empty array")
    context = document.get("context", {})
    for example in (context, *examples):
        if not isinstance(example, dict):
            raise BadInput(f"Example must be JSON object but got {shown(example)}")
    whole = [{**context, **example} for example in examples]
    names = {info.alias for info in inputs}
    for k, example in enumerate(whole):
        if example.keys() != names:
            raise BadInput(f"Failed to process element: {k} of 'examples' list. {_keys_wanted(example, names)}")
    return Prediction({i.alias: np.stack([_feature(e[i.alias], i) for e in whole]) for i in inputs}, True, signature)


def write_regressions(outputs: Mapping[str, Array]) -> bytes:
    """Write the answer of `:regress`: one number for each example.

    Raises:
        BadInput: the model gives anything else.
    """
    (array,) = outputs.values() if len(outputs) == 1 else (np.empty(()),)
    if array.dtype.kind not in "fiu" or not array.ndim or array.size != len(array):
        raise BadInput(f"regress needs one output with one number for each example; {_given(outputs)}; use :predict")
    return _object("results", _floats(array.reshape(-1)))


def write_classes(outputs: Mapping[str, Array]) -> bytes:
    """Write the answer of `:classify`: a pair of label and score for each class; labels are empty, as models have none.

    Raises:
        BadInput: the model gives anything else than scores.
    """
    (array,) = outputs.values() if len(outputs) == 1 else (np.empty(()),)
    if array.dtype.kind not in "fiu" or array.ndim not in (1, 2):
        raise BadInput(f"classify needs one output with a score for each class; {_given(outputs)}; use :predict")
    rows = [_floats(row)[1:-1].split(b",") for row in array.reshape(len(array), -1)]
    said = [b"[" + b",".join(b'["",' + score + b"]" for score in row) + b"]" for row in rows]
    return _object("results", b"[" + b", ".join(said) + b"\n    ]")


# -- reading


def _document(text: Text) -> dict[str, Any]:
    if not bytes(text[:64]).strip() and not bytes(text).strip():
        raise BadPacket("JSON Parse error: The document is empty at offset: 0")
    try:
        document = json_body.loads(text, may_be_special=True)
    except BadPacket as exc:
        raise BadPacket(f"JSON Parse error: Invalid value. {exc}") from exc
    if not isinstance(document, dict):
        raise BadInput(f"JSON Value: {shown(document)} Is not object")
    return document


def _signature(document: Mapping[str, Any]) -> str:
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
            raise BadInput(f"Failed to process element: {k} of 'instances' list. {_keys_wanted(item, names)}")
    return {i.alias: _stacked([item[i.alias] for item in instances], i, f" key: {i.alias}") for i in inputs}


def _refuse_mixed(instances: Sequence[object], are_named: bool) -> None:
    for k, item in enumerate(instances):
        if is_named(item) is not are_named:
            said = "object but got list" if are_named else "value/list but got object"
            raise BadInput(f"Expecting {said} at item {k} of input list")


def _keys_wanted(item: Mapping[str, object], names: set[str]) -> str:
    unknown = sorted(item.keys() - names)
    what = f" It does not have named input: {unknown[0][:64]}." if unknown else ""
    return f"JSON object: {shown(item)} keys must be equal to: {','.join(sorted(names))}.{what}"


def _stacked(values: Any, info: TensorInfo, key: str) -> Array:
    """The values of one input of all instances, on a new axis 0."""
    row = _row(info)
    try:
        return array_of(values, row)
    except BadInput as exc:
        whole, shape = exc, None
    for k, value in enumerate(values):  # whose is it?
        try:
            found = array_of(value, row).shape
            if shape is not None and found != shape:
                raise BadInput(f"Expecting shape {_listed(shape)} but got: {_listed(found)}")
        except BadInput as exc:
            where = f"Failed to process element: {k}{key} of 'instances' list."
            raise BadInput(f"{where} Error: INVALID_ARGUMENT: {exc}") from exc
        shape = found
    raise whole


def _columns(value: Any, inputs: Sequence[TensorInfo]) -> dict[str, Array]:
    if not is_named(value):
        if len(inputs) > 1:
            what = "expecting an object as multiple input tensors required as per tensorinfo_map"
            raise BadInput(f"inputs is a plain value/list, but {what}: {', '.join(i.alias for i in inputs)}")
        return {inputs[0].alias: array_of(value, _row(inputs[0]))}
    found = {}
    for info in inputs:
        if info.alias not in value:
            raise BadInput(f"Missing named input: {info.alias} in 'inputs' object.")
        found[info.alias] = array_of(value[info.alias], _row(info))
    return found


def _feature(value: object, info: TensorInfo) -> Array:
    """A feature in the shape of its input, where it has as many values."""
    array, inner = array_of(value, _row(info)), info.shape[1:]
    open_axes = inner.count(-1)
    size = int(np.prod([length for length in inner if length != -1], dtype=np.int64))
    if array.shape == inner or open_axes > 1 or not size or array.size % size or (not open_axes and array.size != size):
        return array
    return array.reshape(inner)


def _row(info: TensorInfo) -> ElemType:
    if info.data_type is None:
        raise BadDType(f"input {info.alias!r} is {dtype.name_of(info.elem_type)}, which TensorFlow has no type for")
    return tfserving.row_of(info.data_type, f"input {info.alias!r}")


def _listed(shape: Sequence[int]) -> str:
    return f"[{','.join(map(str, shape))}]"


# -- writing


def _object(key: str, value: bytes) -> bytes:
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


def _floats(array: Array) -> bytes:
    return json_text.dumps_numbers(np.asarray(array, array.dtype if array.dtype.kind == "f" else np.float64))


def _given(outputs: Mapping[str, Array]) -> str:
    return "this model gives " + ", ".join(f"{n!r} {a.dtype.name}{list(a.shape)}" for n, a in outputs.items())
