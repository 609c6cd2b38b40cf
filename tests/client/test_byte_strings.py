import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_serving_client import byte_strings, dtype
from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Array
from tests.element_arrays import SHAPES, any_arrays, are_same

STRINGS = any_arrays((dtype.STRING,), SHAPES)


@given(STRINGS)
def test_a_block_there_and_back(array: Array) -> None:
    block = byte_strings.pack(array)
    assert (block.dtype, block.ndim) == (np.dtype(np.uint8), 1)
    assert are_same(byte_strings.unpack(block.data, array.shape, "x"), array)


def test_a_block_is_that_of_kserve() -> None:
    array = np.array([["a", "größe"]])
    block = byte_strings.pack(byte_strings.of(array, "x"))
    assert block.tobytes() == b"\1\0\0\0a\x07\0\0\0" + "größe".encode()


@given(st.binary(max_size=40), st.lists(st.integers(0, 1 << 40), max_size=3))
def test_any_block_raises_nothing_else(block: bytes, shape: list[int]) -> None:
    try:
        array = byte_strings.unpack(block, shape, "x")
    except BadInput:
        return
    assert byte_strings.pack(array).tobytes() == block


@pytest.mark.parametrize(
    ("block", "shape", "problem"),
    [
        (struct.pack("<I", 1 << 31) + b"a", (1,), "x: string 0 says 2147483648 bytes, which goes beyond the end"),
        (b"\1\0\0", (1,), "x: 3 bytes are left where the length of a string is expected"),
        (b"\1\0\0\0a\1\0", (2,), "2 bytes are left"),
        (bytes(8), (1,), r"x: shape \[1\] is 1 strings, more than 1 came"),
        (bytes(8), (3,), r"x: shape \[3\] is 3 strings, 2 came"),
        (b"", (1 << 20, 1 << 20), "1099511627776 strings, 0 came"),
    ],
)
def test_a_block_that_is_not_what_it_says(block: bytes, shape: tuple[int, ...], problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        byte_strings.unpack(block, shape, "x")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ä", "ä".encode()),
        (b"\xff\0", b"\xff\0"),
        ({"b64": "/wA="}, b"\xff\0"),
        (["a", b"b"], [b"a", b"b"]),
        ([["a"], [{"b64": ""}]], [[b"a"], [b""]]),
        ([], []),
        ([[], []], [[], []]),
        (np.array(["a", "ü"]), [b"a", "ü".encode()]),
        (np.array([b"a\0b"]), [b"a\0b"]),
        (np.array("a"), b"a"),
    ],
)
def test_what_callers_have(value: object, expected: object) -> None:
    assert byte_strings.of(value, "x").tolist() == expected


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (1, "x must be strings, got int"),
        ([["a"], "b"], "x: lists of different lengths"),
        ([["a"], ["b", "c"]], "x: lists of different lengths"),
        ({"b64": "a"}, "x: what b64 has is not base64"),
        ({"b65": "a"}, 'x must be text or {"b64": "..."}, got dict'),
        ({"b64": 1}, "x must be text or"),
        ("\ud800", "half a surrogate pair"),
        (np.zeros(1), "x must be strings, got float64"),
        (np.array([None]), "x must be strings, got NoneType"),
    ],
)
def test_what_is_no_string(value: object, problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        byte_strings.of(value, "x")


def test_lists_without_end_are_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(BadInput, match="more than 64 deep"):
        byte_strings.of(endless, "x")


@given(STRINGS)
def test_json_there_and_back(array: Array) -> None:
    back = byte_strings.of(byte_strings.as_json(array), "x")
    assert back.tolist() == array.tolist()


def test_only_bytes_are_packed() -> None:
    with pytest.raises(BadInput, match="holds a str"):
        byte_strings.pack(np.array(["a"], object))
