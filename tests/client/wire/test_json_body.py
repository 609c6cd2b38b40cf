"""What is taken for a JSON body does not depend on who reads it; keys that stand twice are refused by name."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_serving_client.errors import BadPacket, TooLarge
from paddle_serving_client.wire import json_body, json_numbers

NUMBERS = st.sampled_from(
    ["0", "-0", "1", "1.5", "-7", "1e3", "1E400", "1e999", "-1e999", "1e300", "00", "01", "1.", ".5", "+1", "0x1"]
) | st.integers(-(2**70), 2**70).map(str)
LEAVES = NUMBERS | st.sampled_from(
    [
        "null",
        "true",
        "false",
        "NaN",
        "Infinity",
        '""',
        '"a:b"',
        '"\\u003a"',
        '"\\\\u003a"',
        '"\\ud800"',
        '"\x01"',
        "'a'",
        "\ufeff",
    ]
)
KEYS = st.sampled_from(['"a"', '"b"', '"a:b"', '"\\u0061"', '"\\u003a"', '"\\\\u003a"', '"a\\u0000"'])


def lists(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]")


def long_lists(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(inner, inner, st.integers(60, 80)).map(lambda two: f"[{','.join([two[0]] * two[2] + [two[1]])}]")


def objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(KEYS, inner).map(":".join)
    return st.lists(pairs, max_size=4).map(lambda items: f"{{{','.join(items)}}}")


DOCUMENTS = st.recursive(
    LEAVES, lambda inner: lists(inner) | long_lists(inner) | long_lists(NUMBERS) | objects(inner), max_leaves=12
)


def plain(value: Any) -> Any:
    """As values that can be compared; numbers of a list are floats if one is, or is beyond int64, as in an array."""
    if isinstance(value, list) and {*map(type, value)} in ({int, float}, {int}):
        return value if all(type(v) is int and v < 2**63 for v in value) else list(map(float, value))
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return list(map(plain, value)) if isinstance(value, list) else value


def verdict(text: bytes, as_arrays: bool) -> Any:
    try:
        return plain(json_body.loads(text, as_arrays))
    except BadPacket as exc:
        return str(exc)


@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # some documents are meant to be large
@given(DOCUMENTS)
def test_every_reader_comes_to_the_same_verdict(document: str) -> None:
    for pad in ("", " " * json_numbers.MIN_BYTES):  # shorter ones simdjson does not see
        text = (document + pad).encode()
        by_simdjson, by_orjson = verdict(text, True), verdict(text, False)
        assert json.dumps(by_simdjson) == json.dumps(by_orjson)


@given(DOCUMENTS)
def test_a_key_that_stands_twice_is_always_found(document: str) -> None:
    twice = False

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal twice
        twice |= len(dict(pairs)) < len(pairs)
        return dict(pairs)

    try:
        json.loads(document, object_pairs_hook=look)
    except ValueError:
        return
    said = verdict(document.encode(), True)
    is_refused = isinstance(said, str) and "stands twice" in said
    assert is_refused == twice or (isinstance(said, str) and "not JSON" in said)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"feed":[{"x":[1]}],"feed":[{"x":[2]}]}', "feed"),
        ('{"feed":[{"x":[1],"x":[2]}]}', "x"),
        ('{"feed":[{"x":[1],"\\u0078":[2]}]}', "x"),
        ('{"feed":[{"x":{"y":{"z":1,"z":"::"}}}],"fetch":[":"]}', "z"),
    ],
)
def test_it_is_named(text: str, key: str) -> None:
    for body in (text.encode(), memoryview(text.encode()), text.encode() + b" " * 5000):
        with pytest.raises(BadPacket, match=f"the key {key!r} stands twice in one object of the JSON body"):
            json_body.loads(body)


def test_colons_in_strings_are_no_keys() -> None:
    whole = {"feed": [{"image": "data:image/png;base64,AA==", "\\u003a": ["::", {":": ":"}]}]}
    assert json_body.loads(json.dumps(whole).encode()) == whole


@pytest.mark.skipif(json_numbers.simdjson is None, reason="simdjson is not installed")
def test_arrays_inside_of_one_regular_array_are_not_counted() -> None:
    text = json.dumps({"x": np.zeros((400, 400, 3), int).tolist()}).encode()
    assert json_body.loads(text)["x"].shape == (400, 400, 3)
    for wrong in (text.replace(b"[0, 0, 0]", b"[0, 0]", 1), text.replace(b"[0, 0, 0]", b"[0, 0, null]", 1)):
        with pytest.raises(TooLarge, match="arrays and objects"):
            json_body.loads(wrong)
    with pytest.raises(TooLarge, match="arrays and objects"):
        json_body.loads(text, as_arrays=False)
    with pytest.raises(TooLarge, match="values and keys"):
        json_body.loads(b"[" + b"[]," * ((1 << 22) + 1) + b"[]]")
