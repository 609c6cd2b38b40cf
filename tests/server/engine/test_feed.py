"""What people write becomes the tensor that they mean, or is refused by name: never one of another layout."""

from typing import Any

import numpy as np
import pytest

from paddle_serving_app.signature import Input, Signature
from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Array
from paddle_serving_server.engine.feed import OneRow, as_tensors, stacked, tensors_and_lods

PICTURE = np.arange(3 * 32 * 32, dtype=np.float32).reshape(3, 32, 32)
FLOAT32, INT64, BOOL, FLOAT16 = 1, 0, 9, 5


def spec(*shape: int, kind: int = FLOAT32) -> Input:
    return Input("x_real", "x", kind, (-1, *shape))


def read(of: Input, *values: Any) -> Array:
    """As a service reads them: by the short way where that takes them, else by the long one; both agree."""
    feed = [{"x": value} for value in values]
    (array,) = [stacked(of, feed)]
    short = OneRow(Signature((of,), ())).read(feed)
    if short is not None:
        np.testing.assert_array_equal(short[0][None], array)
    return array


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        ((3, 32, 32), PICTURE.tolist()),
        ((3, 32, 32), PICTURE[None].tolist()),
        ((13,), list(range(13))),
        ((13,), [list(range(13))]),
        ((13, 1), list(range(13))),
        ((1,), 7),
        ((1,), [7]),
        ((1,), [[7]]),
        ((1, 28, 28), PICTURE[0, :28, :28].tolist()),
        ((-1,), [1, 2, 3]),
        ((3, -1, -1), PICTURE.tolist()),
    ],
    ids=str,
)
@pytest.mark.parametrize("count", [1, 3])
def test_the_shape_of_the_input_but_for_axes_of_one(shape: tuple[int, ...], value: Any, count: int) -> None:
    array = read(spec(*shape), *[value] * count)
    row = np.asarray(value, np.float32)
    assert array.shape == (count, *(row.shape if -1 in shape else shape))
    for got in array:
        np.testing.assert_array_equal(got.ravel(), row.ravel())


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (PICTURE.transpose(1, 2, 0), "got [32, 32, 3]: axis 1 is 32, not 3"),
        (PICTURE.reshape(96, 32), "got [96, 32]: it has 2 axes, not 3"),
        (PICTURE.ravel(), "got [3072]: it has 1 axis, not 3"),
        (PICTURE.reshape(3, 1024), "got [3, 1024]: it has 2 axes, not 3"),
        (PICTURE[:1], "got [1, 32, 32]: axis 1 is 1, not 3"),
        (np.float32(1), "got []: it has 0 axes, not 3"),
    ],
)
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("form", [np.ndarray.tolist, np.asarray])
def test_another_layout_is_refused(value: Any, problem: str, count: int, form: Any) -> None:
    with pytest.raises(BadInput) as caught:
        read(spec(3, 32, 32), *[form(np.asarray(value))] * count)
    assert str(caught.value) == (
        f"feed[0]: input 'x' must be float32[-1, 3, 32, 32], an instance of it [3, 32, 32], {problem}"
    )


def test_the_instance_that_is_wrong_is_named() -> None:
    for values in ([[1, 2], [3]], [[1, 2], [3, [4]]], [[1, 2], ["a", "b"]], [[1, 2], [3, True]], [[1, 2], None]):
        with pytest.raises(BadInput, match=r"^feed\[1\]: input 'x' must be float32\[-1, 2\]"):
            read(spec(2), *values)
    with pytest.raises(BadInput, match=r"differs in shape between the instances: \[2\] in feed\[0\], \[1\] in feed"):
        read(spec(-1), [1, 2], [3])


@pytest.mark.parametrize("value", [[1.0, True], [True, 2], [[1.0, 2.0], [False, 3.0]], [1, [True]], True])
def test_a_truth_value_is_no_number(value: Any) -> None:
    for kind in (FLOAT32, INT64):
        with pytest.raises(BadInput, match="feed\\[0\\]: input 'x'"):
            read(spec(*np.shape(value) if value != [1, [True]] else (2,), kind=kind), value)


def test_a_number_is_no_truth_value() -> None:
    assert read(spec(2, kind=BOOL), [True, False]).tolist() == [[True, False]]
    for value in ([1, 0], [True, 0]):
        with pytest.raises(BadInput, match="input 'x' must be bool"):
            read(spec(2, kind=BOOL), value)


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        (FLOAT32, [1e300, 0.0], "has 1e+300, which float32 cannot hold"),
        (FLOAT32, [0.0, -1e39], "has 1e+39, which float32 cannot hold"),
        (FLOAT16, [70000, 1], "has 70000, which float16 cannot hold"),
        (INT64, [float(2**70), 1], "fractions, or whole numbers beyond 64 bits"),
        (INT64, [2**63], "outside the range of int64"),
        (INT64, [1.5, 1], "fractions"),
        (INT64, [1.0, 2.0], "fractions"),
    ],
)
def test_a_number_that_the_type_cannot_hold_is_refused(kind: int, value: list[float], problem: str) -> None:
    for values in ([value], [[0] * len(value), value]):
        with pytest.raises(BadInput) as caught:
            read(spec(len(value), kind=kind), *values)
        assert problem in str(caught.value)
        assert f"feed[{len(values) - 1}]: input 'x'" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("a" * (1 << 20), "text"),
        (["a" * (1 << 20)] + ["b"] * 100_000, "text"),  # an array of them would take 400 GB
        ([1.0, "2"], "text"),
        ([[1.0], [None]], "null"),
        ([{}, 1], "an object"),
        (b"1", "bytes"),
    ],
    ids=["text", "texts", "text among numbers", "null", "object", "bytes"],
)
def test_what_is_no_number_is_named(value: Any, problem: str) -> None:
    for values in ([value], [[0, 0], value]):
        with pytest.raises(
            BadInput, match=rf"feed\[{len(values) - 1}\]: input 'x' must be float32\[-1, 2\], got {problem}"
        ):
            stacked(spec(2), [{"x": v} for v in values])


def test_lists_deeper_than_an_array_can_be_are_refused() -> None:
    value: Any = 1.0
    for _ in range(900):
        value = [value]
    with pytest.raises(BadInput, match="input 'x' must be"):
        stacked(spec(2), [{"x": value}])


def test_large_numbers_lose_no_more_than_precision() -> None:
    assert read(spec(2), [float(2**70), 16777217]).tolist() == [[float(2**70), 16777216.0]]


def test_lists_of_user_code_have_the_same_rules() -> None:
    signature = Signature((spec(3, 32, 32),), ())
    tensors, _ = as_tensors(signature, {"x": PICTURE.tolist()}, has_batch=False)
    np.testing.assert_array_equal(tensors["x"], PICTURE[None])
    with pytest.raises(BadInput, match="it has 1 axis, not 3"):
        as_tensors(signature, {"x": PICTURE.ravel().tolist()}, has_batch=False)


@pytest.mark.parametrize(
    ("row", "values", "expected", "offsets"),
    [
        ((1,), [[1, 2, 3], [4]], [[1], [2], [3], [4]], (0, 3, 4)),
        ((1,), [[[1], [2]], 3], [[1], [2], [3]], (0, 2, 3)),
        ((), [[1, 2], [3]], [1, 2, 3], (0, 2, 3)),
        ((2,), [[[1, 2], [3, 4]], [5, 6]], [[1, 2], [3, 4], [5, 6]], (0, 2, 3)),
        ((-1,), [[[1, 2, 3]], [[4, 5, 6], [7, 8, 9]]], [[1, 2, 3], [4, 5, 6], [7, 8, 9]], (0, 1, 3)),
    ],
    ids=str,
)
def test_a_sequence_of_each_instance(
    row: tuple[int, ...], values: Any, expected: Any, offsets: tuple[int, ...]
) -> None:
    of = Input("x_real", "x", INT64, (-1, *row), is_lod=True)
    tensors, lods = tensors_and_lods(Signature((of,), ()), [{"x": value} for value in values])
    assert tensors["x"].tolist() == expected
    assert lods == {"x": (offsets,)}


@pytest.mark.parametrize(
    ("row", "values", "problem"),
    [
        ((2,), [[[1, 2], [3, 4]], [[1, 2, 3]]], r"feed\[1\]: input 'x' is a sequence of rows of \[2\], got \[1, 3\]"),
        ((-1,), [[[1, 2]], [[1, 2, 3]]], "the rows of its sequences have different shapes"),
        ((1,), [["a"]], r"feed\[0\]: input 'x' must be int64"),
    ],
    ids=str,
)
def test_what_is_no_sequence_is_refused(row: tuple[int, ...], values: Any, problem: str) -> None:
    of = Input("x_real", "x", INT64, (-1, *row), is_lod=True)
    with pytest.raises(BadInput, match=problem):
        tensors_and_lods(Signature((of,), ()), [{"x": value} for value in values])
