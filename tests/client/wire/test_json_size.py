"""Documents with too much in them are refused before any of it is made; what stands in strings does not count."""

import json
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_serving_client.errors import TooLarge
from paddle_serving_client.wire import json_body, json_size

MANY = json_size.MAX_CONTAINERS
BODY = 61 << 20


@pytest.mark.parametrize(
    "text",
    [
        b"[" + b"{}," * (BODY // 3) + b"{}]",
        b"[" + b'{"a":1},' * (BODY // 8) + b"{}]",
        b"[" * BODY,
        b'{"a":[' + b"1," * (BODY // 2) + b"1]}",
        b'{"a":[' + b"null," * (BODY // 5) + b"1]}",
        b"{" + b'"":1,' * (BODY // 5) + b'"":1}',
    ],
    ids=["empty objects", "small objects", "brackets", "numbers", "nulls", "keys"],
)
@pytest.mark.parametrize("as_arrays", [True, False])
def test_what_is_too_much_is_refused_before_it_is_made(text: bytes, as_arrays: bool) -> None:
    tracemalloc.start()
    started = time.thread_time()
    with pytest.raises(TooLarge, match=r"in the JSON body: \d+, at most \d+ are taken"):
        json_body.loads(text, as_arrays)
    spent_s = time.thread_time() - started
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * BODY  # a copy without escapes, and little more
    assert spent_s < 5


def test_what_is_not_too_much_is_read() -> None:
    assert json_body.loads(b"[" + b"0.5," * 3_000_000 + b"1]").shape == (3_000_001,)
    rows = json_body.loads(json.dumps({"feed": [{"x": [0.5] * 5}] * 50_000}).encode())
    assert len(rows["feed"]) == 50_000


@pytest.mark.parametrize(
    "text", ["[" * MANY, ",:{}" * MANY, '"\\\\"' * MANY, '\\[","\\{' * MANY], ids=["brackets", "all", "quotes", "mixed"]
)
def test_what_stands_in_strings_does_not_count(text: str) -> None:
    whole = {"text": text, "feed": [1, "[", {"\\": "]"}]}
    assert json_body.loads(json.dumps(whole).encode()) == whole


@given(
    st.recursive(
        st.integers() | st.text('a",:[{\\\\}]\u4e2d'),
        lambda inner: st.lists(inner) | st.dictionaries(st.text('"\\\\:['), inner),
    )
)
def test_counts_outside_of_strings_are_exact(value: object) -> None:
    def size(value: object) -> tuple[int, int]:
        if isinstance(value, list):
            inside = [size(item) for item in value]
            return max(0, len(value) - 1) + sum(v for v, _ in inside), 1 + sum(c for _, c in inside)
        if isinstance(value, dict):
            values, containers = size(list(value.values()))
            return values + len(value), containers
        return 0, 0

    assert json_size._size_outside_strings(json.dumps(value).encode()) == size(value)
