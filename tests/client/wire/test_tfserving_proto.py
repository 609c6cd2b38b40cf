"""TensorFlow Serving's messages: as the protobuf library reads and writes them, and refused where they are none.

The messages are described here once more, in a pool of their own: tensorflow-serving-api is not needed.
"""

import contextlib
from typing import Any

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from paddle_serving_client.errors import BadDType, BadInput, BadPacket, ServingError, TooLarge
from paddle_serving_client.message import Array
from paddle_serving_client.wire import tfserving_examples_proto, tfserving_proto, tfserving_tensor
from paddle_serving_client.wire.tfserving import DataType, ModelInfo, State, TensorInfo, VersionState, Wanted
from paddle_serving_client.wire.tfserving_proto import PredictRequest
from tests import tfserving_messages

_FIELD = descriptor_pb2.FieldDescriptorProto
_MESSAGES: dict[str, dict[str, tuple[int, Any]]] = {
    "Dim": {"size": (1, _FIELD.TYPE_INT64), "name": (2, _FIELD.TYPE_STRING)},
    "Shape": {"dim": (2, "*Dim"), "unknown_rank": (3, _FIELD.TYPE_BOOL)},
    "Tensor": {
        "dtype": (1, _FIELD.TYPE_INT32),
        "tensor_shape": (2, "Shape"),
        "tensor_content": (4, _FIELD.TYPE_BYTES),
        "float_val": (5, -_FIELD.TYPE_FLOAT),
        "double_val": (6, -_FIELD.TYPE_DOUBLE),
        "int_val": (7, -_FIELD.TYPE_INT32),
        "string_val": (8, -_FIELD.TYPE_BYTES),
        "scomplex_val": (9, -_FIELD.TYPE_FLOAT),
        "int64_val": (10, -_FIELD.TYPE_INT64),
        "bool_val": (11, -_FIELD.TYPE_BOOL),
        "dcomplex_val": (12, -_FIELD.TYPE_DOUBLE),
        "half_val": (13, -_FIELD.TYPE_INT32),
    },
    "Int64": {"value": (1, _FIELD.TYPE_INT64)},
    "Spec": {
        "name": (1, _FIELD.TYPE_STRING),
        "version": (2, "Int64"),
        "signature_name": (3, _FIELD.TYPE_STRING),
        "version_label": (4, _FIELD.TYPE_STRING),
    },
    "Entry": {"key": (1, _FIELD.TYPE_STRING), "value": (2, "Tensor")},
    "PredictRequest": {"model_spec": (1, "Spec"), "inputs": (2, "*Entry"), "output_filter": (3, -_FIELD.TYPE_STRING)},
    "PredictResponse": {"outputs": (1, "*Entry"), "model_spec": (2, "Spec")},
    "Info": {"name": (1, _FIELD.TYPE_STRING), "dtype": (2, _FIELD.TYPE_INT32), "tensor_shape": (3, "Shape")},
    "InfoEntry": {"key": (1, _FIELD.TYPE_STRING), "value": (2, "Info")},
    "Signature": {
        "inputs": (1, "*InfoEntry"),
        "outputs": (2, "*InfoEntry"),
        "method_name": (3, _FIELD.TYPE_STRING),
    },
    "SignatureEntry": {"key": (1, _FIELD.TYPE_STRING), "value": (2, "Signature")},
    "Any": {"type_url": (1, _FIELD.TYPE_STRING), "value": (2, _FIELD.TYPE_BYTES)},
    "Floats": {"value": (1, -_FIELD.TYPE_FLOAT)},
    "Integers": {"value": (1, -_FIELD.TYPE_INT64)},
    "Texts": {"value": (1, -_FIELD.TYPE_BYTES)},
    "Feature": {"bytes_list": (1, "Texts"), "float_list": (2, "Floats"), "int64_list": (3, "Integers")},
    "FeatureEntry": {"key": (1, _FIELD.TYPE_STRING), "value": (2, "Feature")},
    "Features": {"feature": (1, "*FeatureEntry")},
    "Example": {"features": (1, "Features")},
    "Examples": {"examples": (1, "*Example"), "context": (2, "Example")},
    "Input": {"example_list": (1, "Examples"), "example_list_with_context": (2, "Examples")},
    "ExamplesRequest": {"model_spec": (1, "Spec"), "input": (2, "Input")},
    "Class": {"label": (1, _FIELD.TYPE_STRING), "score": (2, _FIELD.TYPE_FLOAT)},
    "Classes": {"classes": (1, "*Class")},
    "Classifications": {"classifications": (1, "*Classes")},
    "ClassifyResponse": {"result": (1, "Classifications"), "model_spec": (2, "Spec")},
    "Regression": {"value": (1, _FIELD.TYPE_FLOAT)},
    "Regressions": {"regressions": (1, "*Regression")},
    "RegressResponse": {"result": (1, "Regressions"), "model_spec": (2, "Spec")},
    "AnyEntry": {"key": (1, _FIELD.TYPE_STRING), "value": (2, "Any")},
    "Signatures": {"signature_def": (1, "*SignatureEntry")},
    "About": {"model_spec": (1, "Spec"), "metadata_field": (2, -_FIELD.TYPE_STRING)},
    "Metadata": {"model_spec": (1, "Spec"), "metadata": (2, "*AnyEntry")},
    "Health": {"error_code": (1, _FIELD.TYPE_INT32), "error_message": (2, _FIELD.TYPE_STRING)},
    "Version": {"version": (1, _FIELD.TYPE_INT64), "state": (2, _FIELD.TYPE_INT32), "status": (3, "Health")},
    "Status": {"model_version_status": (1, "*Version")},
}
"""Number and type of each field; a text is a message, `*` and a negative type are repeated."""


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="t.proto", package="t", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            is_many = kind.startswith("*") if isinstance(kind, str) else kind < 0
            made = message.field.add(name=field, number=number, label=3 if is_many else 1)
            if isinstance(kind, str):
                made.type, made.type_name = _FIELD.TYPE_MESSAGE, f".t.{kind.lstrip('*')}"
            else:
                made.type = abs(kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"t.{name}")) for name in _MESSAGES}


T = _classes()
KINDS = ["float32", "float64", "int32", "uint8", "int16", "int8", "int64", "bool", "float16", "complex64", "complex128"]
tensors = st.sampled_from(KINDS).flatmap(
    lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)


def tensor(**fields: Any) -> memoryview:
    shape = fields.pop("shape", None)
    made = T["Tensor"](**fields)
    if shape is not None:
        made.tensor_shape.dim.extend([T["Dim"](size=size) for size in shape])
    return memoryview(made.SerializeToString())


def decoded(**fields: Any) -> Array:
    return tfserving_tensor.decode(tensor(**fields), "it", tfserving_tensor.MAX_REPEATED_BYTES)


@given(tensors)
def test_what_is_written_is_read(array: Array) -> None:
    message = tfserving_tensor.encode(array, "it")
    read = tfserving_tensor.decode(memoryview(message), "it", 0)
    assert (read.dtype.newbyteorder("="), read.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(read, array)
    theirs = T["Tensor"].FromString(message).SerializeToString()
    np.testing.assert_array_equal(tfserving_tensor.decode(memoryview(theirs), "it", 0), array)


@given(tensors)
def test_content_is_read_as_it_lies_in_memory(array: Array) -> None:
    kind = T["Tensor"].FromString(tfserving_tensor.encode(array, "it")).dtype
    read = decoded(dtype=kind, shape=array.shape, tensor_content=array.tobytes())
    np.testing.assert_array_equal(read, array)
    assert not read.flags.writeable


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"dtype": 1, "shape": (2, 3), "float_val": [1.5]}, np.full((2, 3), 1.5, np.float32)),
        ({"dtype": 1, "shape": (3,), "float_val": [1, 2]}, np.array([1, 2, 2], np.float32)),
        ({"dtype": 1, "shape": (2,), "float_val": [1, 2, 3]}, np.array([1, 2], np.float32)),
        ({"dtype": 9, "shape": (3,)}, np.zeros(3, np.int64)),
        ({"dtype": 3, "int_val": [7]}, np.array(7, np.int32)),
        ({"dtype": 10, "shape": (2,), "bool_val": [True]}, np.array([True, True])),
        ({"dtype": 19, "shape": (2,), "half_val": [0x3C00, 0xC000]}, np.array([1, -2], np.float16)),
        ({"dtype": 8, "shape": (1,), "scomplex_val": [1, 2]}, np.array([1 + 2j], np.complex64)),
    ],
)
def test_lists_that_are_too_short_go_on_with_their_last_value(fields: dict[str, Any], expected: Array) -> None:
    read = decoded(**fields)
    assert (read.dtype, read.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(read, expected)


def test_numbers_that_are_not_packed_are_read() -> None:
    message = memoryview(b"\x08\x09\x12\x04\x12\x02\x08\x03" + b"\x50\x05" * 3)
    np.testing.assert_array_equal(tfserving_tensor.decode(message, "it", 0), [5, 5, 5])


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"dtype": 20}, BadDType, "DataType 20"),
        ({"dtype": 99}, BadDType, "DataType 99"),
        ({}, BadDType, "DataType 0"),
        ({"dtype": 1, "shape": (-1,)}, BadInput, "negative"),
        ({"dtype": 1, "shape": (1,) * 17}, TooLarge, "dimensions"),
        ({"dtype": 1, "shape": (1 << 20, 1 << 20)}, TooLarge, "elements"),
        ({"dtype": 1, "shape": (1 << 28,), "float_val": [1]}, TooLarge, "repeated"),
        ({"dtype": 1, "shape": (2,), "tensor_content": b"1234"}, BadInput, "8 bytes, but tensor_content has 4"),
        ({"dtype": 4, "shape": (1,), "int_val": [256]}, BadInput, "256 in int_val does not fit in uint8"),
        ({"dtype": 8, "shape": (1,), "scomplex_val": [1]}, BadPacket, "no whole number"),
    ],
)
def test_tensors_that_are_none(fields: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        decoded(**fields)


def test_a_tensor_of_unknown_rank_is_none() -> None:
    made = T["Tensor"](dtype=1)
    made.tensor_shape.unknown_rank = True
    with pytest.raises(BadInput, match="unknown rank"):
        tfserving_tensor.decode(memoryview(made.SerializeToString()), "it", 0)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_an_error_of_ours(data: bytes) -> None:
    for read in (
        tfserving_proto.decode_predict,
        tfserving_proto.decode_metadata_request,
        tfserving_proto.decode_status_request,
        tfserving_messages.decode_prediction,
    ):
        with contextlib.suppress(ServingError):
            read(data)


wanted = st.builds(
    Wanted,
    name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
    version=st.none() | st.integers(0, (1 << 63) - 1),
    label=st.text(st.characters(codec="utf-8"), max_size=9),
    signature=st.text(st.characters(codec="utf-8"), max_size=9),
)


@given(wanted, st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=9), tensors, max_size=4))
def test_requests_there_and_back(model: Wanted, inputs: dict[str, Array]) -> None:
    message = tfserving_messages.encode_predict(PredictRequest(wanted=model, inputs=inputs, fetch=("a", "b")))
    read = tfserving_proto.decode_predict(message)
    assert (read.wanted, read.fetch, list(read.inputs)) == (model, ("a", "b"), list(inputs))
    for name, array in inputs.items():
        np.testing.assert_array_equal(read.inputs[name], array)
    theirs = T["PredictRequest"].FromString(message)
    assert (theirs.model_spec.name, theirs.model_spec.version.value) == (model.name, model.version or 0)
    again = tfserving_proto.decode_predict(theirs.SerializeToString())
    assert (again.wanted, again.fetch) == (model, ("a", "b"))
    assert all(
        np.array_equal(again.inputs[name], array, equal_nan=array.dtype.kind in "fc") for name, array in inputs.items()
    )


def test_the_tensors_of_one_message_share_what_may_be_repeated() -> None:
    half = tfserving_tensor.MAX_REPEATED_BYTES // 8
    value = T["Tensor"].FromString(bytes(tensor(dtype=1, shape=(half + 99,), float_val=[1])))
    entries = [T["Entry"](key=name, value=value) for name in "ab"]
    request = T["PredictRequest"](model_spec=T["Spec"](name="m"), inputs=entries)
    with pytest.raises(TooLarge, match="input 'b'"):
        tfserving_proto.decode_predict(request.SerializeToString())


def test_answers_are_lists_of_values_as_clients_read_them() -> None:
    outputs: dict[str, Array] = {"y": np.array([[1, 2]], np.float32), "k": np.array([-3], np.int64)}
    model = Wanted(name="m", version=123, signature="serving_default")
    message = tfserving_proto.encode_prediction(model, outputs)
    theirs = T["PredictResponse"].FromString(message)
    y, k = (entry.value for entry in theirs.outputs)
    assert (list(y.float_val), [dim.size for dim in y.tensor_shape.dim], list(k.int64_val)) == ([1, 2], [1, 2], [-3])
    assert (theirs.model_spec.version.value, theirs.model_spec.signature_name) == (123, "serving_default")
    for name, array in tfserving_messages.decode_prediction(message).items():
        np.testing.assert_array_equal(array, outputs[name])
    with pytest.raises(BadDType, match="output 'y'"):
        tfserving_proto.encode_prediction(model, {"y": np.array(["text"])})


def test_what_is_told_of_a_model() -> None:
    model = ModelInfo("m", 3, [TensorInfo("x", "x_real", 1, (-1, 13))], [TensorInfo("y", "y_real", 0, (-1,))])
    theirs = T["Metadata"].FromString(tfserving_proto.encode_metadata(model))
    (entry,) = theirs.metadata
    assert entry.key == "signature_def"
    assert entry.value.type_url == "type.googleapis.com/tensorflow.serving.SignatureDefMap"
    (named,) = T["Signatures"].FromString(entry.value.value).signature_def
    (x,), (y,) = named.value.inputs, named.value.outputs
    assert (named.key, named.value.method_name) == ("serving_default", "tensorflow/serving/predict")
    assert (x.key, x.value.name, x.value.dtype) == ("x", "x_real", DataType.DT_FLOAT)
    assert ([dim.size for dim in x.value.tensor_shape.dim], y.value.dtype) == ([-1, 13], DataType.DT_INT64)
    states = [VersionState(3, State.AVAILABLE), VersionState(2, State.END, "no such file")]
    status = T["Status"].FromString(tfserving_proto.encode_status(states)).model_version_status
    told = [(one.version, one.state, one.status.error_code, one.status.error_message) for one in status]
    assert told == [(3, 30, 0, ""), (2, 50, 2, "no such file")]


def test_a_question_without_a_model_or_for_something_else_is_refused() -> None:
    for message, words in (
        (T["About"](), "Missing ModelSpec"),
        (T["About"](model_spec=T["Spec"]()), "no name"),
        (T["About"](model_spec=T["Spec"](name="m")), "at least one metadata_field"),
        (T["About"](model_spec=T["Spec"](name="m"), metadata_field=["other"]), "other is not supported"),
    ):
        with pytest.raises(BadInput, match=words):
            tfserving_proto.decode_metadata_request(message.SerializeToString())
    with pytest.raises(BadPacket, match="UTF-8"):
        tfserving_proto.decode_status_request(b"\x0a\x03\x0a\x01\xff")


def _example(**features: Any) -> Any:
    entries = [T["FeatureEntry"](key=name, value=T["Feature"](**value)) for name, value in features.items()]
    return T["Example"](features=T["Features"](feature=entries))


def test_examples_are_rows_of_the_inputs() -> None:
    model = ModelInfo("m", 3, [TensorInfo("x", "x", 1, (-1, 2)), TensorInfo("n", "n", 0, (-1,))], [])
    floats, number = T["Floats"](value=[0.5, -2.0]), T["Integers"](value=[-7])
    given = T["Examples"](
        examples=[_example(x={"float_list": floats}), _example(x={"float_list": floats}, n={"int64_list": number})],
        context=_example(n={"int64_list": T["Integers"](value=[1 << 40])}),
    )
    message = T["ExamplesRequest"](
        model_spec=T["Spec"](name="m"), input=T["Input"](example_list_with_context=given)
    ).SerializeToString()
    assert tfserving_examples_proto.decode_wanted(message) == Wanted(name="m")
    tensors = tfserving_examples_proto.decode_examples(message, model)
    np.testing.assert_array_equal(tensors["x"], np.array([[0.5, -2.0]] * 2, np.float32))
    np.testing.assert_array_equal(tensors["n"], [1 << 40, -7])
    assert tensors["n"].dtype == np.int64


@pytest.mark.parametrize(
    ("examples", "words"),
    [
        ([], "Input is empty"),
        ([{}], "keys must be equal to: x"),
        ([{"x": {"bytes_list": [b"1"]}}], "not of expected type: float"),
    ],
)
def test_examples_that_do_not_fit(examples: list[dict[str, Any]], words: str) -> None:
    model = ModelInfo("m", 3, [TensorInfo("x", "x", 1, (-1,))], [])
    kinds = {"float_list": "Floats", "bytes_list": "Texts"}
    made = []
    for example in examples:
        lists = {n: {k: T[kinds[k]](value=v) for k, v in value.items() if k in kinds} for n, value in example.items()}
        made.append(_example(**lists))
    message = T["ExamplesRequest"](
        model_spec=T["Spec"](name="m"), input=T["Input"](example_list=T["Examples"](examples=made))
    )
    with pytest.raises(BadInput, match=words):
        tfserving_examples_proto.decode_examples(message.SerializeToString(), model)


def test_classes_and_numbers_as_their_callers_read_them() -> None:
    model, outputs = Wanted(name="m", version=3), {"y": np.array([[0.25], [2.0]], np.float32)}
    numbers = T["RegressResponse"].FromString(tfserving_examples_proto.encode_regressions(model, outputs))
    assert [one.value for one in numbers.result.regressions] == [0.25, 2.0]
    assert (numbers.model_spec.name, numbers.model_spec.version.value) == ("m", 3)
    classes = T["ClassifyResponse"].FromString(
        tfserving_examples_proto.encode_classes(model, {"y": np.array([[0.25, 0.75]], np.float32)})
    )
    (row,) = classes.result.classifications
    assert [(one.label, one.score) for one in row.classes] == [("", 0.25), ("", 0.75)]
