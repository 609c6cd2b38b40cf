from typing import Any

import numpy as np
import pytest

from paddle_serving_client import dtype, feed
from paddle_serving_client.errors import BadDType, BadInput
from paddle_serving_client.message import Array
from paddle_serving_client.model_config import Variable
from paddle_serving_client.wire.tensors import WireTensor


def var(alias: str = "x", elem_type: int = 1, shape: tuple[int, ...] = (3,), is_lod: bool = False) -> Variable:
    return Variable(f"{alias}_real", alias, elem_type, shape, is_lod)


def tensor(value: object, elem_type: int = 1, shape: tuple[int, ...] = (3,), batch: bool = False) -> WireTensor:
    (one,) = feed.wire_tensors({"x": value}, [var("x", elem_type, shape)], batch)
    return one


def same(got: Array, wanted: Array) -> None:
    np.testing.assert_array_equal(got, wanted, strict=True)


ONE_TWO_THREE = np.array([1, 2, 3], np.float32)


# --- the forms of a feed ---


def test_forms() -> None:
    one, two = [var("x")], [var("x"), var("y")]
    by_name = {"x": 1}
    assert feed.as_mapping(by_name, one) is by_name
    assert feed.as_mapping([by_name], two) is by_name
    assert feed.as_mapping([1, 2, 3], one) == {"x": [1, 2, 3]}
    assert feed.as_mapping({}, two) == {}
    assert feed.as_mapping({"x": 1, "x.lod": 2, "other.lod": 3}, one) == {"x": 1, "x.lod": 2, "other.lod": 3}


@pytest.mark.parametrize(("value", "count", "text"), [
    (None, 1, r"^You should specify feed for prediction$"),
    ([1, 2], 2, r"^input is a list, but we got 0 or 2\+ feed_var, don`t know how to divide the feed list$"),
    ([{}, {}], 2, "don`t know how to divide the feed list: a batch is one dict"),
    ([{}, {}], 1, "feed is a list of several dicts: a batch is one dict"),
    ([], 2, "don`t know how to divide the feed list"),
    ("x", 1, r"^Feed only accepts dict and list of dict$"),
    (ONE_TWO_THREE, 1, r"^Feed only accepts dict and list of dict$"),
    (({"x": 1},), 1, r"^Feed only accepts dict and list of dict$"),
    ({"zz": 1}, 1, r"^Wrong feed name: zz\.$"),
    ({"x_real": 1}, 1, r"^Wrong feed name: x_real\.$"),
])  # fmt: skip
def test_forms_that_are_none(value: object, count: int, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        feed.as_mapping(value, [var("x"), var("y")][:count])


# --- the batch axis ---


@pytest.mark.parametrize("elem_type", [0, 1, 2, 3, 4, 9])
def test_an_array_gets_the_axis_unless_it_has_it(elem_type: int) -> None:
    array = np.array([1, 0, 1], dtype.numpy_of(elem_type))
    same(tensor(array, elem_type).array, array[None])
    same(tensor(array[None], elem_type, batch=True).array, array[None])
    same(tensor(array[None], elem_type).array, array[None, None])


@pytest.mark.parametrize("elem_type", [5, 7, 8])
def test_bytes_go_in_the_configured_shape_whatever_batch_says(elem_type: int) -> None:
    array = np.array([1, 0, 1, 5], dtype.numpy_of(elem_type))
    for batch in (False, True):
        for given in (array, array[None], array[:, None]):
            same(tensor(given, elem_type, (4,), batch).array, array)
        two = np.stack([array, array])
        same(tensor(two, elem_type, (4,), batch).array, two)
        same(tensor(two, elem_type, (-1, 4), batch).array, two)
    assert tensor([1, 2, 3, 4], elem_type, (4,)).array.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("shape", "problem"),
    [((32, 32, 3), "axis 0 is 32, not 3"), ((96, 32), "it has 2 axes, not 3"), ((3072,), "it has 1 axis, not 3")],
)
def test_bytes_in_another_layout_are_refused(shape: tuple[int, ...], problem: str) -> None:
    with pytest.raises(ValueError, match=rf"feed 'x' must be \[3, 32, 32\], got uint8\[.*\]: {problem}"):
        tensor(np.zeros(shape, np.uint8), 7, (3, 32, 32))


def test_a_flat_list_becomes_one_row() -> None:
    same(tensor([1.0, 2, 3]).array, ONE_TWO_THREE[None])
    same(tensor((1, 2, 3)).array, ONE_TWO_THREE[None])
    same(tensor([1] * 12, 0, (3, 2, 2)).array, np.ones((1, 12), np.int64))


@pytest.mark.parametrize("value", [[1.0], [1.0] * 4, [[1.0, 2, 3]], []])
def test_a_list_must_have_as_many_numbers_as_the_config(value: object) -> None:
    with pytest.raises(ValueError, match=r"^The shape of feed tensor x not match\.$"):
        tensor(value)


def test_lists_do_not_go_with_batch() -> None:
    variables = [var("x"), var("y")]
    for value, text in (
        ({"x": [1, 2, 3]}, "^Please make sure all of your inputs are numpy array$"),
        ({"x": [1, 2, 3], "y": [1, 2, 3]}, "^Please make sure all of your inputs are numpy array$"),
        (
            {"x": ONE_TWO_THREE, "y": [1, 2, 3]},
            "^Please make sure the inputs are all in list type or all in numpy.array type$",
        ),
    ):
        with pytest.raises(ValueError, match=text):
            feed.wire_tensors(value, variables, batch=True)
    assert len(feed.wire_tensors({"x": ONE_TWO_THREE, "y": [1, 2, 3]}, variables, batch=False)) == 2


def test_tensors_are_in_the_order_of_the_config() -> None:
    variables = [var("a"), var("b"), var("c")]
    got = feed.wire_tensors({"c": ONE_TWO_THREE, "a": ONE_TWO_THREE}, variables, batch=False)
    assert [(t.name, t.alias) for t in got] == [("a_real", "a"), ("c_real", "c")]


# --- types ---


@pytest.mark.parametrize(("given", "elem_type", "wanted"), [
    (np.float64, 1, np.float32), (np.int64, 1, np.float32), (np.int32, 0, np.int64), (np.int64, 2, np.int32),
    (np.uint8, 0, np.int64), (np.float32, 0, np.int64), (np.int64, 7, np.uint8), (np.float32, 5, np.float16),
    (np.bool_, 1, np.float32), (np.float32, 3, np.float64), (">f4", 1, np.float32), (np.int64, 9, np.bool_),
])  # fmt: skip
def test_numbers_are_converted_to_the_type_of_the_input(given: Any, elem_type: int, wanted: Any) -> None:
    array = tensor(np.array([1, 0, 1], given), elem_type, (3,)).array
    assert array.dtype == np.dtype(wanted)
    assert array.reshape(-1).tolist() == [1, 0, 1]


@pytest.mark.parametrize(("values", "elem_type"), [
    (np.array([1.5, 2, 3]), 0), (np.array([np.nan, 2, 3]), 0), (np.array([2**31, 0, 0]), 2), (np.array([300, 0, 0]), 7),
    (np.array([-1, 0, 0]), 7), (np.array([128, 0, 0]), 8), (np.array([2**64 - 1, 0, 0], np.uint64), 0),
    ([300, 1, 2], 7),
])  # fmt: skip
def test_an_integer_is_never_changed_silently(values: object, elem_type: int) -> None:
    with pytest.raises(BadInput, match=r"feed 'x': .*\[3\] has values that u?int\d+ cannot hold"):
        tensor(values, elem_type)


def test_a_number_too_large_for_float32_is_infinite_as_it_was() -> None:
    assert tensor(np.array([1e300, 0, 0])).array.tolist() == [[np.inf, 0, 0]]


def test_an_unknown_type_is_sent_as_it_is() -> None:
    assert tensor(np.array([1.0, 2.0, 3.0]), dtype.UNKNOWN).array.dtype == np.float64
    with pytest.raises(BadDType, match="feed 'x': type 99 cannot be sent"):
        tensor(ONE_TWO_THREE, 99)


@pytest.mark.parametrize("value", ["text", b"bytes", 1, None, {"a": 1}, object()])
def test_values_that_are_no_numbers(value: object) -> None:
    with pytest.raises(BadInput, match="feed 'x' must be a numpy array or a list, got "):
        tensor(value)


@pytest.mark.parametrize(
    "value", [["a", "b", "c"], [1, [2], 3], np.array(["1", "2", "3"]), np.array([None] * 3), [2**70] * 3]
)
def test_arrays_that_are_no_numbers(value: object) -> None:
    with pytest.raises(BadInput, match="feed 'x' cannot be made float32"):
        tensor(value)


def test_a_numpy_scalar_is_an_array() -> None:
    same(tensor(np.float32(5), shape=()).array, np.array([5], np.float32))


# --- strings ---


@pytest.mark.parametrize(("value", "strings"), [
    ("ä", ("ä".encode(),)), (b"\xff\0", (b"\xff\0",)), (["a", b"b"], (b"a", b"b")), ("", (b"",)),
])  # fmt: skip
@pytest.mark.parametrize("batch", [False, True])
def test_strings(value: object, strings: tuple[bytes, ...], batch: bool) -> None:
    assert tensor(value, dtype.STRING, (1,), batch).strings == strings


def test_arrays_of_strings_keep_their_shape() -> None:
    for value in (
        [["a", b"b"], ["ä", ""]],
        np.array([["a", "b"], ["ä", ""]]),
        np.array([[b"a", "b"], ["ä", b""]], object),
    ):
        sent = tensor(value, dtype.STRING, (2,), batch=True)
        assert sent.array.tolist() == [[b"a", b"b"], ["ä".encode(), b""]]
    assert tensor({"b64": "/w=="}, dtype.STRING).strings == (b"\xff",)


def test_whole_numbers_of_64_bits_without_a_sign_stay_what_they_are() -> None:
    assert tensor([0, 2**64 - 1, 7], 23).array.tolist() == [[0, 2**64 - 1, 7]]
    with pytest.raises(BadInput, match="cannot"):
        tensor([0, -1, 7], 23)


def test_bfloat16_is_sent_as_it_is() -> None:
    array = np.array([1.5, -2, 0]).astype(dtype.BFLOAT16)
    assert tensor(array, 6).array.tolist() == tensor(array.astype(np.float32), 6).array.tolist() == [[1.5, -2, 0]]


@pytest.mark.parametrize("value", [1, None, [1], np.array([1], np.uint8)])
def test_what_is_no_string(value: object) -> None:
    with pytest.raises(BadInput, match="feed 'x' must be strings, got "):
        tensor(value, dtype.STRING, (1,))


# --- sequences ---


def test_offsets_stand_beside_the_values() -> None:
    words = var("words", 0, (-1,), is_lod=True)
    values = np.array([[1], [2], [3]])
    for offsets in ([0, 1, 3], np.array([0, 1, 3]), (0, 1, 3), np.array([[0], [1], [3]], np.int32)):
        (got,) = feed.wire_tensors({"words": values, "words.lod": offsets}, [words], batch=True)
        assert (got.lod, got.array.shape) == (((0, 1, 3),), (3, 1))
    (got,) = feed.wire_tensors({"words": values, "words.lod": [0, 2, 0, 1, 3]}, [words], batch=True)
    assert got.lod == ((0, 2), (0, 1, 3))
    (got,) = feed.wire_tensors({"words": values}, [words], batch=True)
    assert got.lod == ()
    (got,) = feed.wire_tensors({"words": [7, 8], "words.lod": [0, 2]}, [words], batch=False)
    assert (got.array.tolist(), got.lod) == ([[7, 8]], ((0, 2),))
    with pytest.raises(BadInput, match="feed 'words': lod must start with 0"):
        feed.wire_tensors({"words": values, "words.lod": [1, 3]}, [words], batch=True)


def test_offsets_of_an_input_that_is_no_sequence_are_ignored() -> None:
    (got,) = feed.wire_tensors({"x": ONE_TWO_THREE, "x.lod": [0, 1]}, [var("x")], batch=False)
    assert got.lod == ()


# --- the caller's values ---


def test_the_callers_values_are_never_changed() -> None:
    array = np.array([1, 2, 3], np.float64)
    given = {"x": array}
    feed.wire_tensors(given, [var("x")], batch=False)
    assert given["x"] is array
    same(array, np.array([1.0, 2, 3]))
