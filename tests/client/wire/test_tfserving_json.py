"""TensorFlow Serving's bodies: what is read and written, and in which words all else is refused."""

import contextlib
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from paddle_serving_client import dtype
from paddle_serving_client.dtype import ElemType
from paddle_serving_client.errors import BadInput, BadPacket, ServingError
from paddle_serving_client.message import Array
from paddle_serving_client.wire import json_body, json_text, tfserving_examples, tfserving_json
from paddle_serving_client.wire.tfserving import TensorInfo
from paddle_serving_client.wire.tfserving_values import array_of, is_named

_FLOATS = [np.float32, np.float64, np.float16]


def row(name: str) -> ElemType:
    return next(found for found in dtype.ELEM_TYPES.values() if found.name == name)


def texts() -> ElemType:
    """Byte strings, one in each element."""
    return replace(row("string"), numpy=np.dtype(object))


def x(name: str = "float32", *inner: int) -> TensorInfo:
    return TensorInfo("x", "x_real", row(name).code, (-1, *inner))


@given(
    st.sampled_from(["float32", "float64", "int32", "int64", "uint8", "int16", "int8", "bool"]).flatmap(
        lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=1, max_dims=3, max_side=5))
    ),
    st.booleans(),
)
def test_what_is_written_can_be_sent(array: Array, is_row: bool) -> None:
    text = tfserving_json.write_prediction({"y": array}, is_row)
    said = json.loads(text)["predictions" if is_row else "outputs"]
    body = json.dumps({"instances" if is_row else "inputs": said}).encode()
    if array.dtype.kind in "f" and np.abs(array[np.isfinite(array)]).max(initial=0) > 1e30:
        return  # written without a point, such numbers would be integers that a float does not have
    read = tfserving_json.read_prediction(body, [x(array.dtype.name)])
    assert read.is_row is is_row
    np.testing.assert_array_equal(read.tensors["x"], array)


@given(st.sampled_from(_FLOATS).flatmap(lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_dims=3))))
def test_every_float_comes_back_from_what_is_written(array: Array) -> None:
    np.testing.assert_array_equal(np.array(json.loads(json_text.dumps_numbers(array)), array.dtype), array)


def test_floats_have_few_digits_and_a_point() -> None:
    array = np.array([0.2, 2, 9000000, 1e-5, np.nan, np.inf, -np.inf], np.float32)
    assert json_text.dumps_numbers(array) == b"[0.2,2.0,9000000.0,0.00001,NaN,Infinity,-Infinity]"


@pytest.mark.parametrize("name", ["float32", "int64"])
def test_long_lists_are_read_as_lists_are(name: str) -> None:
    rows = np.arange(3000).reshape(-1, 3)
    for text in (json.dumps({"instances": rows.tolist()}), json.dumps({"inputs": {"x": rows.tolist()}})):
        read = tfserving_json.read_prediction(text.encode(), [x(name, 3)])
        np.testing.assert_array_equal(read.tensors["x"], rows)
        assert read.tensors["x"].dtype == name


@pytest.mark.parametrize(
    ("value", "name", "words"),
    [
        ("a", "float32", 'JSON Value: "a" Type: String is not of expected type: float'),
        (None, "float32", "JSON Value: null Type: Null is not of expected type: float"),
        (True, "int32", "JSON Value: true Type: True is not of expected type: int32"),
        (1.0, "int32", "JSON Value: 1.0 Type: Number is not of expected type: int32"),
        (1, "bool", "JSON Value: 1 Type: Number is not of expected type: bool"),
        ({"b64": "aGk="}, "float32", "Type: Object is not of expected type: float"),
        (300, "uint8", "JSON Value: 300 Type: Number is not of expected type: uint8"),
        (1 << 70, "int64", "is not of expected type: int64"),
        (1 << 70, "float32", "to float without loss of precision"),
        (1e39, "float32", "to float without loss of precision"),
        ([[1, 2], [3]], "float32", "Encountered list at unexpected size: 1 at level: 1 expected size: 2"),
        ([1, [2]], "float32", "Encountered list at unexpected level: 1 expected < 1"),
        ([[1], 2], "float32", "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
        (np.array([1.5, 2]), "int64", "is not of expected type: int64"),
        (1, "complex64", "is not supported"),
    ],
)
def test_values_that_are_no_tensors(value: Any, name: str, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        array_of(value, row(name))
    assert words in str(caught.value)


_NESTED = b"[" * 1000 + b"]" * 1000


@pytest.mark.parametrize(
    "text",
    [
        b'{"inputs": "%s"}' % (b"a" * 10000),
        b'{"inputs": %s}' % _NESTED,
        b'{"instances": [%s, true]}' % _NESTED,
        b'{"inputs": [%strue]}' % (b"1," * 100000),
        b'{"more": [[%s1]]}' % (b"1," * 100000),
        b'{"inputs": [NaN], "instances": %s}' % _NESTED[300:-300],
        b'{"inputs": [1, [%s]]}' % b",".join([b'{"b64": 1}'] * 10000),
    ],
)
def test_what_is_shown_of_a_value_is_short(text: bytes) -> None:
    for read in (tfserving_json.read_prediction, tfserving_examples.read_examples):
        with pytest.raises(ServingError) as caught:
            read(text, [x()])
        assert len(str(caught.value)) < 600


def test_texts_and_base64_are_byte_strings() -> None:
    read = array_of([["text", {"b64": "/+8"}], [{"b64": "_-8="}, "\u00e9"]], texts())
    assert read.tolist() == [[b"text", b"\xff\xef"], [b"\xff\xef", "é".encode()]]
    wrong: dict[str, Any] = {"expected type: string": 1, "Unable to base64": {"b64": "*"}, "for base64": {"c": "x"}}
    for words, value in wrong.items():
        with pytest.raises(BadInput, match=words):
            array_of([value], texts())
    assert not is_named({"b64": "x"})
    assert all(is_named(value) for value in ({"b64": 1}, {"x": 1}, {"b64": "x", "x": 1}, {}))


def test_byte_strings_are_written_as_texts_or_as_their_name_says_as_base64() -> None:
    array = np.array([b"hi", b"\xff"], object)
    plain = tfserving_json.write_prediction({"y": array}, True)
    assert json.loads(plain) == {"predictions": ["hi", "\ufffd"]}
    both = {"y": array, "y_bytes": array}
    rows = [{"y": "hi", "y_bytes": {"b64": "aGk="}}, {"y": "\ufffd", "y_bytes": {"b64": "/w=="}}]
    assert json.loads(tfserving_json.write_prediction(both, True)) == {"predictions": rows}


def test_outputs_without_rows_are_refused_in_row_form() -> None:
    one, two = np.zeros(1, np.float32), np.zeros(2, np.float32)
    cases: tuple[tuple[dict[str, Array], str], ...] = (
        ({"y": np.ones((), np.float32)}, "y has no shape"),
        ({"y": one, "z": two}, "z has inconsistent batch size: 2 expecting: 1"),
    )
    for outputs, words in cases:
        with pytest.raises(BadInput, match=words):
            tfserving_json.write_prediction(outputs, True)
        assert json.loads(tfserving_json.write_prediction(outputs, False))["outputs"] is not None


@given(st.binary(max_size=100) | st.text(max_size=100).map(lambda text: b'{"instances": [' + text.encode() + b"]}"))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (tfserving_json.read_prediction, tfserving_examples.read_examples):
        with contextlib.suppress(ServingError):
            read(data, [x()])


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "b64", "y"]), inner, max_size=2),
    max_leaves=12,
)


@given(st.sampled_from(["instances", "inputs", "examples", "context", "signature_name"]), _json, _json)
def test_any_document_is_read_or_refused(key: str, value: Any, other: Any) -> None:
    data = json.dumps({key: value, "examples": other} if key == "context" else {key: value}).encode()
    for read in (tfserving_json.read_prediction, tfserving_examples.read_examples):
        for inputs in ([x()], [x(), TensorInfo("y", "y", 0, (-1, 2))]):
            with contextlib.suppress(ServingError):
                read(data, inputs)


def test_special_numbers_are_read_for_who_has_them_only() -> None:
    text = b'{"x": [NaN, Infinity, -Infinity]}'
    with pytest.raises(BadPacket):
        json_body.loads(text)
    assert np.array(json_body.loads(text, may_be_special=True)["x"]).tolist()[1:] == [np.inf, -np.inf]
    for wrong in (b'{"x": NaN, "x": 1}', b"[NaN", b"NaN" + b"[" * 100000, b"[nan]"):
        with pytest.raises(BadPacket):
            json_body.loads(wrong, may_be_special=True)
