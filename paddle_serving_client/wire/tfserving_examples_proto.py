"""TensorFlow Serving's messages of Classify and Regress: examples of named features -> classes, or numbers.

    Classify  {1 model_spec, 2 input} -> {1 result {1 classifications {1 classes {1 label, 2 score}}}, 2 model_spec}
    Regress   {1 model_spec, 2 input} -> {1 result {1 regressions {1 value}}, 2 model_spec}

`input` is {1 {1 examples}} or {2 {1 examples, 2 context}}; an example is {1 {1 feature {1 key, 2 value}}}, and a value
has one list: {1 bytes}, {2 floats} or {3 integers}.

Source: tensorflow/serving, `apis/input.proto`, `classification.proto`, `regression.proto`; tensorflow/tensorflow,
`core/example/*.proto`.
"""

import base64
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from paddle_serving_client.errors import BadInput, BadPacket
from paddle_serving_client.message import Array
from paddle_serving_client.wire import protobuf
from paddle_serving_client.wire.protobuf import BYTES, FIXED32, VARINT, MessageType, Part, bytes_field
from paddle_serving_client.wire.tensors import decoded_name, refuse_over
from paddle_serving_client.wire.tfserving import ModelInfo, Wanted
from paddle_serving_client.wire.tfserving_examples import classes_of, features_of, regressions_of
from paddle_serving_client.wire.tfserving_proto import spec_of, wanted_of

_MAX_EXAMPLES: Final = 65536
_MAX_FEATURES: Final = 4096
_REQUEST = MessageType(spec=(1, BYTES), input=(2, BYTES))
_INPUT = MessageType(plain=(1, BYTES), with_context=(2, BYTES))
_LISTED = MessageType(examples=(1, BYTES), context=(2, BYTES))
_ONE = MessageType(only=(1, BYTES))
_ENTRY = MessageType(key=(1, BYTES), value=(2, BYTES))
_LISTS = MessageType(texts=(1, BYTES), floats=(2, BYTES), integers=(3, BYTES))
_FLOATS = MessageType(values=(1, FIXED32, BYTES))
_INTEGERS = MessageType(values=(1, VARINT, BYTES))


def decode_wanted(payload: bytes | memoryview) -> Wanted:
    """Which model a `ClassificationRequest` or `RegressionRequest` is for.

    Raises:
        BadPacket: not such a message. BadInput: no model is named.
    """
    return wanted_of(_REQUEST.read(memoryview(payload)))


def decode_examples(payload: bytes | memoryview, model: ModelInfo) -> dict[str, Array]:
    """The examples of such a request, as tensors by alias: every feature is an input.

    Raises:
        BadPacket: not such a message. BadInput: there are no examples, or they do not fit the model.
    """
    fields = _REQUEST.read(memoryview(payload))
    given = _INPUT.read(fields["input"][-1]) if "input" in fields else {}
    kinds = [kind for kind in ("with_context", "plain") if kind in given]
    listed = _LISTED.read(given[kinds[0]][-1]) if kinds else {}
    examples = listed.get("examples", ())
    if not examples:
        raise BadInput("Input is empty.")
    refuse_over("examples in a request", len(examples), _MAX_EXAMPLES)
    context = _features(listed["context"][-1]) if "context" in listed and "with_context" in kinds else {}
    return features_of([{**context, **_features(example)} for example in examples], model.inputs)


def encode_regressions(model: Wanted, outputs: Mapping[str, Array]) -> bytes:
    """Write a `RegressionResponse`.

    Raises:
        BadInput: the model gives anything else than one number for each example.
    """
    parts: list[Part] = []
    for value in regressions_of(outputs):
        parts += bytes_field(1, _float_field(1, value))
    return b"".join([*bytes_field(1, *parts), *bytes_field(2, spec_of(model))])


def encode_classes(model: Wanted, outputs: Mapping[str, Array]) -> bytes:
    """Write a `ClassificationResponse`; labels are empty, as models have none.

    Raises:
        BadInput: the model gives anything else than scores.
    """
    parts: list[Part] = []
    for row in classes_of(outputs):
        scores: list[Part] = []
        for score in row:
            scores += bytes_field(1, _float_field(2, score))
        parts += bytes_field(1, *scores)
    return b"".join([*bytes_field(1, *parts), *bytes_field(2, spec_of(model))])


# -- details


def _features(example: memoryview) -> dict[str, object]:
    features = _ONE.read(example).get("only", ())
    entries = _ONE.read(features[-1]).get("only", ()) if features else ()
    refuse_over("features of an example", len(entries), _MAX_FEATURES)
    found: dict[str, object] = {}
    for entry in entries:
        fields = _ENTRY.read(entry)
        name = decoded_name(fields["key"][-1], "the name of a feature") if "key" in fields else ""
        found[name] = _values(fields["value"][-1]) if "value" in fields else []
    return found


def _values(feature: memoryview) -> Sequence[Any]:
    """The one list of a feature."""
    lists = _LISTS.read(feature)
    if "floats" in lists:
        return _floats(lists["floats"][-1])
    if "integers" in lists:
        return _integers(lists["integers"][-1])
    texts = _ONE.read(lists["texts"][-1]).get("only", ()) if "texts" in lists else ()
    return [{"b64": base64.b64encode(text).decode()} for text in texts]


def _floats(message: memoryview) -> list[float]:
    packed = protobuf.joined(_FLOATS.read(message, runs=True).get("values", [memoryview(b"")]))
    if len(packed) % 4:
        raise BadPacket(f"a FloatList of {len(packed)} bytes is none")
    found: list[float] = np.frombuffer(packed, "<f4").tolist()
    return found


def _integers(message: memoryview) -> list[int]:
    return protobuf.unpack_few(protobuf.joined(_INTEGERS.read(message, runs=True).get("values", [memoryview(b"")])))


def _float_field(number: int, value: float) -> bytes:
    return bytes([number << 3 | 5]) + struct.pack("<f", value)
