"""Documents read with arrays for lists of numbers say what they say when read as ever."""

import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_serving_client.wire import json_numbers

NUMBERS = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 9)
)
ODD = st.one_of(st.none(), st.booleans(), st.text(max_size=3), st.just([]), st.just([1]), st.just([[2]]))
ROWS = st.lists(NUMBERS, min_size=1, max_size=90)
REGULAR = st.integers(1, 4).flatmap(lambda n: st.lists(st.just([7] * n), min_size=9, max_size=40))
VALUES = st.recursive(
    st.one_of(NUMBERS, ODD, ROWS, REGULAR),
    lambda inner: st.one_of(st.lists(inner, max_size=70), st.dictionaries(st.text(max_size=4), inner, max_size=4)),
    max_leaves=12,
)


@pytest.fixture(autouse=True, scope="module", params=["with simdjson", "without"])
def reader(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether simdjson is there; where it is not, as on Python 3.14, all is said as ever, by lists."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "without":
            patch.setattr(json_numbers, "simdjson", None)
        elif json_numbers.simdjson is None:
            pytest.skip("simdjson is not installed")
        yield request.param != "without"


def plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def padded(text: str) -> bytes:
    return text.encode() + b" " * json_numbers.MIN_BYTES


@given(VALUES)
def test_a_document_says_what_it_says(value: Any) -> None:
    assert plain(json_numbers.loads(padded(json.dumps(value)))) == value


SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=5)


@given(SHAPES)
def test_the_shape_of_a_regular_array_is_in_its_brackets(shape: list[int]) -> None:
    value = np.zeros(shape, int).tolist()
    for document in (value, {"a": value}, {"a, b": 1, "x": value, "c": "d,e"}):
        assert json_numbers.regular_shape(json.dumps(document).encode()) == tuple(shape)
    objects = [{"x": value}, {"x": value}]
    assert json_numbers.regular_shape(json.dumps({"feed": objects}).encode()) == (2, *shape)


def is_regular(value: Any) -> bool:
    try:
        return isinstance(value, list) and np.asarray(value).size > 0
    except ValueError:
        return False


@given(st.recursive(st.just(1), lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=12))
def test_what_has_another_shape_has_none(value: Any) -> None:
    found = json_numbers.regular_shape(json.dumps(value).encode())
    assert found == (np.asarray(value).shape if is_regular(value) else None)


@given(st.text("[],1x", max_size=20))
def test_any_brackets_have_a_shape_or_none(text: str) -> None:
    found = json_numbers.regular_shape(text.encode())
    assert found is None or (len(found) > 0 and min(found) > 0)


@pytest.mark.parametrize("shape", [(200, 200, 3), (3000, 3), (2, 150, 150, 3), (170, 170, 1)])
def test_an_array_of_many_arrays_is_an_array(reader: bool, shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(1).integers(0, 99, shape)
    for document in ({"x": picture.tolist()}, {"instances": [{"x": picture.tolist()}] * 2}):
        text = json.dumps(document).encode()
        got = json_numbers.loads(text)
        found = got["x"] if "x" in got else got["instances"][1]["x"]
        assert isinstance(found, np.ndarray) is reader
        np.testing.assert_array_equal(found, picture)


def test_many_arrays_that_are_not_regular_stay_lists() -> None:
    rows = [[1, 2, 3]] * 20000
    for odd in ([1, 2], [1, 2, 3, 4], [1, 2, "3"], [1, 2, [3]], [1, 2, None], 7, [], {"a": [1, 2, 3]}):
        for value in ([*rows, odd], [*rows[:99], odd, *rows]):
            assert json_numbers.loads(json.dumps({"x": value}).encode()) == {"x": value}
    hidden = {"x": [*rows, [1, 2]], "y": "[,", "z": ",]"}
    assert json_numbers.loads(json.dumps(hidden).encode()) == hidden


def test_a_nested_list_of_numbers_is_an_array(reader: bool) -> None:
    if not reader:
        return
    picture = np.random.default_rng(1).random((3, 32, 32), np.float32)
    got = json_numbers.loads(padded(json.dumps({"feed": [{"x": picture.tolist(), "ids": list(range(100))}]})))
    (instance,) = got["feed"]
    assert isinstance(instance["x"], np.ndarray)
    np.testing.assert_array_equal(instance["x"].astype(np.float32), picture)
    assert instance["ids"].dtype == np.int64


@pytest.mark.parametrize(
    "value",
    [
        [[1] * 70, [2] * 69],
        [[1, 2] * 40, [[3], 2] * 40],
        [*range(80), [5]],
        [*range(80), None],
        [*range(80), True],
        [*range(80), "[1"],
        [[]] * 80,
        [[1, 2], [3], [4, 5, 6]] * 40,
    ],
    ids=str,
)
def test_what_is_not_regular_stays_lists(value: Any) -> None:
    got = json_numbers.loads(padded(json.dumps({"x": value})))
    assert isinstance(got["x"], list)
    assert plain(got["x"]) == value


def test_the_last_of_two_equal_keys_counts_as_everywhere() -> None:
    assert json_numbers.loads(padded('{"a": 1, "a": 2}')) == {"a": 2}


def test_a_byte_order_mark_is_refused_as_everywhere() -> None:
    with pytest.raises(ValueError, match="byte order mark"):
        json_numbers.loads(b"\xef\xbb\xbf" + padded("[1]"))


@pytest.mark.parametrize(
    "value",
    [{f"key {k}": 1 for k in range(30_000)}, [["a"] * 2000] * 100, [[*range(2000), "a"]] * 100],
    ids=["keys", "texts", "not quite numbers"],
)
def test_what_would_be_looked_for_from_the_first_on_is_read_as_ever(value: Any) -> None:
    text = json.dumps(value).encode()
    started = time.process_time()
    assert json_numbers.loads(text) == value
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize("text", ["[1, 2", "[1, 2,]", '{"a" 1}', "[1] x", "\x00", "[NaN]", "[1e999]"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        json_numbers.loads(padded(text))


def test_nothing_of_one_document_is_left_when_the_next_is_read() -> None:
    first = json_numbers.loads(padded(json.dumps(list(range(1000)))))
    json_numbers.loads(padded(json.dumps([0] * 5000)))
    assert plain(first) == list(range(1000))
