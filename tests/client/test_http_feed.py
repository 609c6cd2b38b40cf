from typing import Any

import numpy as np
import pytest

from paddle_serving_client import dtype, http_feed
from paddle_serving_client.errors import BadDType
from paddle_serving_client.message import Array
from paddle_serving_client.model_config import Variable

X = Variable("x_real", "x", 1, (2, 2))
Y = Variable("y_real", "y", 0, (-1,), is_lod=True)
S = Variable("s_real", "s", dtype.STRING, (1,))
HALF = Variable("h_real", "h", 5, (2,))


def sent(value: object, var: Variable = X, batch: bool = False) -> Array:
    (tensor,) = http_feed.wire_tensors({var.alias: value}, [var], batch)
    return tensor.array


# --- the forms of a feed ---


def test_forms() -> None:
    assert http_feed.as_mapping({"x": 1}, [X]) == {"x": 1}
    assert http_feed.as_mapping([{"x": 1}], [X, Y]) == {"x": 1}
    assert http_feed.as_mapping([1, 2], [X, Y]) == http_feed.as_mapping((1, 2), [X, Y]) == {"x": 1, "y": 2}
    assert http_feed.as_mapping(7, [X]) == {"x": 7}
    assert http_feed.as_mapping([1, 2, 3], [X]) == {"x": [1, 2, 3]}
    assert http_feed.as_mapping({"y": 1, "y.lod": [0, 1]}, [X, Y]) == {"y": 1, "y.lod": [0, 1]}


@pytest.mark.parametrize(("feed", "text"), [
    (None, "^You should specify feed for prediction$"),
    ({"zz": 1}, r"^Wrong feed name: zz\.$"),
    ([1, 2, 3], r"^len\(feed\) ≠ len\(feed_var\), error: 3 values came for the inputs x, y"),
    ("text", "^input is a str, but we got 2\\+ feed_var, don`t know how to divide the string$"),
    (7, "^Feed only accepts dict/str/list/tuple$"),
])  # fmt: skip
def test_what_is_no_feed(feed: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        http_feed.as_mapping(feed, [X, Y])


# --- values ---


@pytest.mark.parametrize(("value", "batch", "shape"), [
    (np.zeros((2, 2)), False, (1, 2, 2)),
    (np.zeros((3, 2, 2)), True, (3, 2, 2)),
    (np.float64(1), False, (1, 1)),
    (1.5, False, (1, 1)),
    ([1, 2, 3, 4], False, (1, 4)),
    ([[1, 2, 3, 4]], False, (1, 1, 4)),
    ([[[1, 2], [3, 4]]], False, (1, 2, 2)),
    ([[[1, 2, 3, 4]], [[5, 6, 7, 8]]], True, (2, 1, 4)),
    ([[1, 2], [3, 4]], False, (1, 2, 2)),
    ([[1, 2, 3, 4], [5, 6, 7, 8]], True, (2, 2, 2)),
    ([1, 2, 3], False, (1, 3)),
    ([[1, 2, 3]], True, (1, 3)),
])  # fmt: skip
def test_shapes(value: object, batch: bool, shape: tuple[int, ...]) -> None:
    array = sent(value, X, batch)
    assert (array.shape, array.dtype.name) == (shape, "float32")
    np.testing.assert_array_equal(array.reshape(-1), np.asarray(value).reshape(-1))


def test_lists_of_a_dynamic_input_keep_their_shape() -> None:
    assert sent([1, 2, 3], Y).shape == (1, 3)
    assert sent([[1], [2]], Y, batch=True).shape == (2, 1)


def test_tensors_have_the_order_of_the_feed_and_their_offsets() -> None:
    feed = {"y": np.zeros((3, 1)), "y.lod": [0, 1, 3], "x": np.zeros((1, 2, 2))}
    first, second = http_feed.wire_tensors(feed, [X, Y], batch=True)
    assert (first.name, first.alias, first.lod, second.alias) == ("y_real", "y", ((0, 1, 3),), "x")


@pytest.mark.parametrize(("value", "strings"), [
    ("abc", (b"abc",)), (b"\xff", (b"\xff",)), (["a", b"b"], (b"a", b"b")),
])  # fmt: skip
def test_strings(value: object, strings: tuple[bytes, ...]) -> None:
    (tensor,) = http_feed.wire_tensors({"s": value}, [S], batch=False)
    assert tensor.strings == strings


def test_half_floats_and_bytes_get_a_batch_axis_like_everything_else() -> None:
    array = sent(np.array([1.5, -2], np.float16), HALF)
    assert (array.shape, array.dtype.name) == ((1, 2), "float16")


@pytest.mark.parametrize(("value", "var", "text"), [
    ("abc", X, "feedvar is not string-type,feed can`t be a single string"),
    (1, S, "feedvar is string-type,feed can`t be a single int or others"),
    ([1, "a"], X, "feed 'x' cannot be made float32"),
    ([[1], [1, 2]], X, "feed 'x' cannot be made float32"),
    (np.array([1.5]), Y, "has values that int64 cannot hold"),
])  # fmt: skip
def test_values_that_do_not_fit(value: object, var: Variable, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        sent(value, var)
    with pytest.raises(BadDType, match="type 99 cannot be sent"):
        sent(np.zeros(1), Variable("b", "b", 99, (1,)))


def test_the_callers_values_stay_as_they_are() -> None:
    feed: dict[str, Any] = {"x": [[1, 2], [3, 4]], "y": np.zeros(3)}
    http_feed.wire_tensors(feed, [X, Y], batch=False)
    assert feed["x"] == [[1, 2], [3, 4]]
    assert feed["y"].shape == (3,)
