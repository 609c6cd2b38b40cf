"""TensorFlow Serving's `:classify` and `:regress`: examples of named features -> classes with scores, or numbers.

    {"signature_name"?, "context"?, "examples": [{feature: value}]} -> {"results": [...]}

Models of TensorFlow parse examples themselves; here a feature is an input.

Source: https://www.tensorflow.org/tfx/serving/api_rest; tensorflow/serving, `util/json_tensor.cc`.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Array
from paddle_serving_client.wire import json_text
from paddle_serving_client.wire.json_size import Text
from paddle_serving_client.wire.tfserving import TensorInfo
from paddle_serving_client.wire.tfserving_json import (
    Prediction,
    document_of,
    keys_wanted,
    listed,
    row_of,
    signature_of,
    whole,
)
from paddle_serving_client.wire.tfserving_values import array_of, shown


def read_examples(text: Text, inputs: Sequence[TensorInfo]) -> Prediction:
    """Read a body of `:classify` or `:regress`: every feature is an input, in the input's own shape or flat.

    Raises:
        As `read_prediction`.
    """
    document = document_of(text)
    signature = signature_of(document)
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
    return Prediction(features_of([{**context, **example} for example in examples], inputs), True, signature)


def features_of(examples: Sequence[Mapping[str, object]], inputs: Sequence[TensorInfo]) -> dict[str, Array]:
    """Examples as tensors by alias, one row for each.

    Raises:
        BadInput: an example has not just the inputs, or a value does not fit.
    """
    names = {info.alias for info in inputs}
    for k, example in enumerate(examples):
        if example.keys() != names:
            raise BadInput(f"Failed to process element: {k} of 'examples' list. {keys_wanted(example, names)}")
    return {info.alias: _features([example[info.alias] for example in examples], info) for info in inputs}


def write_regressions(outputs: Mapping[str, Array]) -> bytes:
    """Write the answer of `:regress`: one number for each example.

    Raises:
        BadInput: the model gives anything else.
    """
    return whole("results", _floats(regressions_of(outputs)))


def regressions_of(outputs: Mapping[str, Array]) -> Array:
    """The number for each example.

    Raises:
        BadInput: the model gives anything else.
    """
    (array,) = outputs.values() if len(outputs) == 1 else (np.empty(()),)
    if array.dtype.kind not in "fiu" or not array.ndim or array.size != len(array):
        raise BadInput(f"regress needs one output with one number for each example; {_given(outputs)}; use :predict")
    return array.reshape(-1)


def write_classes(outputs: Mapping[str, Array]) -> bytes:
    """Write the answer of `:classify`: a pair of label and score for each class; labels are empty, as models have none.

    Raises:
        BadInput: the model gives anything else than scores.
    """
    rows = [_floats(row)[1:-1].split(b",") for row in classes_of(outputs)]
    said = [b"[" + b",".join(b'["",' + score + b"]" for score in row) + b"]" for row in rows]
    return whole("results", b"[" + b", ".join(said) + b"\n    ]")


def classes_of(outputs: Mapping[str, Array]) -> Array:
    """A row of scores for each example.

    Raises:
        BadInput: the model gives anything else than scores.
    """
    (array,) = outputs.values() if len(outputs) == 1 else (np.empty(()),)
    if array.dtype.kind not in "fiu" or array.ndim not in (1, 2):
        raise BadInput(f"classify needs one output with a score for each class; {_given(outputs)}; use :predict")
    return array.reshape(len(array), -1)


# -- details


def _features(values: Sequence[object], info: TensorInfo) -> Array:
    """A feature of all examples, on a new axis 0."""
    rows = []
    for k, value in enumerate(values):
        try:
            rows.append(_feature(value, info))
            if rows[k].shape != rows[0].shape:
                raise BadInput(f"Expecting shape {listed(rows[0].shape)} but got: {listed(rows[k].shape)}")
        except BadInput as exc:
            raise BadInput(f"Failed to process element: {k} key: {info.alias} of 'examples' list. {exc}") from exc
    return np.stack(rows)


def _feature(value: object, info: TensorInfo) -> Array:
    """A feature in the shape of its input; a flat list is cut into rows, as features of TensorFlow always come."""
    array, inner = array_of(value, row_of(info)), info.shape[1:]
    open_axes = inner.count(-1)
    size = int(np.prod([length for length in inner if length != -1], dtype=np.int64))
    if array.ndim > 1 or open_axes > 1 or not size or array.size % size or (not open_axes and array.size != size):
        return array
    return array.reshape(inner)


def _floats(array: Array) -> bytes:
    return json_text.dumps_numbers(np.asarray(array, array.dtype if array.dtype.kind == "f" else np.float64))


def _given(outputs: Mapping[str, Array]) -> str:
    return "this model gives " + ", ".join(f"{n!r} {a.dtype.name}{list(a.shape)}" for n, a in outputs.items())
