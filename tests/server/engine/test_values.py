import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from paddle_serving_client import dtype
from paddle_serving_client.errors import BackendFailed, BadPacket
from paddle_serving_server.engine import values

ARRAYS = hnp.arrays(
    st.sampled_from(["f4", "<f8", ">i4", "i8", "u1", "bool", "c8", "S3", "U2", "f2"]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
VALUES: st.SearchStrategy[Any] = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_values_come_back_as_they_were(value: Any) -> None:
    came = values.decode(values.encode(value))
    assert came == value
    assert type(came) is type(value)


@given(ARRAYS)
def test_arrays_come_back_as_they_were(array: Any) -> None:
    came = values.decode(values.encode({"a": array}))["a"]
    assert (came.dtype, came.shape) == (array.dtype, array.shape)
    assert came.tobytes() == array.tobytes()
    assert came.flags.writeable


@given(ARRAYS, st.sampled_from([1, 400]))
def test_arrays_that_travel_beside_the_rest_come_back_as_they_were(array: Any, times: int) -> None:
    array = np.concatenate([array.ravel()] * times)
    for came in (
        values.of_arrays(values.to_arrays({"a": [array, "text"]}))["a"][0],
        values.of_arrays(values.to_arrays(array)),
    ):
        assert (came.dtype, came.shape) == (array.dtype, array.shape)
        assert came.tobytes() == array.tobytes()
        assert came.flags.writeable


def test_bfloat16_and_texts_travel() -> None:
    texts = np.array([["a", b"b"], ["", "\u4f60"]], object)
    came = values.of_arrays(values.to_arrays({"t": texts, "b": np.ones(2, dtype.BFLOAT16)}))
    assert came["t"].tolist() == texts.tolist() and came["t"].shape == (2, 2)
    assert came["b"].dtype == dtype.BFLOAT16


@pytest.mark.parametrize("arrays", [[], [np.zeros(3)], [np.frombuffer(b"R" + bytes(8), np.uint8)]])
def test_what_is_no_value_in_arrays_is_refused(arrays: list[Any]) -> None:
    with pytest.raises(BadPacket, match="a damaged value"):
        values.of_arrays(arrays)


def test_a_numpy_number_stays_one() -> None:
    came = values.decode(values.encode(np.float32(1.5)))
    assert (came, type(came)) == (1.5, np.float32)


@given(VALUES, st.data())
def test_damaged_bytes_are_refused_or_another_value(value: Any, data: st.DataObject) -> None:
    raw = bytearray(values.encode(value))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(BadPacket):
        values.decode(bytes(raw))


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": [1, object()]}, r"the data\['a'\]\[1\] is a builtins.object"),
        ({"a": np.array([object()])}, "an array of objects has texts or byte strings, got object"),
        ({1, 2}, "builtins.set"),
    ],
)
def test_what_does_not_travel_is_named(value: object, where: str) -> None:
    with pytest.raises(BackendFailed, match=where):
        values.encode(value)


def test_what_is_nested_too_deep_is_refused() -> None:
    deep: list[Any] = []
    deep.append(deep)
    with pytest.raises(BackendFailed, match="deeper"):
        values.encode(deep)
