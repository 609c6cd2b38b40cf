"""What a service may answer as JSON, and where it is said what it may not."""

import datetime
import json
from typing import Any

import numpy as np
import pytest

from paddle_serving_client.errors import BackendFailed
from paddle_serving_server.services import json_result

A = np.arange(6, dtype=np.float32).reshape(2, 3)
LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (A, [[0, 1, 2], [3, 4, 5]]),
        (A.T, [[0, 3], [1, 4], [2, 5]]),
        (A[:, ::2], [[0, 2], [3, 5]]),
        (A.astype(">f4"), [[0, 1, 2], [3, 4, 5]]),
        (A.astype(np.longdouble), [[0, 1, 2], [3, 4, 5]]),
        (A[:0, ::2], []),
        (np.array(3), 3),
        (np.array(2.5, ">f8"), 2.5),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array([{"x": A.T}], object), [{"x": [[0, 3], [1, 4], [2, 5]]}]),
        (np.array(["2026-01-02"], "M8[D]"), ["2026-01-02T00:00:00"]),
        ([np.float32(0.1), np.int8(-1), np.uint16(7), np.bool_(True), np.str_("s")], [0.1, -1, 7, True, "s"]),
        ({1: "a", np.int64(2): (1, A.T[0]), None: 3, 1.5: 4}, {"1": "a", "2": [1, [0, 3]], "null": 3, "1.5": 4}),
        ({True: 1, np.str_("k"): float("nan")}, {"true": 1, "k": None}),
        ([float("inf"), np.array([np.nan]).astype(">f4")], [None, [None]]),
        (datetime.date(2026, 1, 2), "2026-01-02"),
    ],
)
def test_what_numpy_and_python_have(result: object, expected: object) -> None:
    assert json.loads(json_result.dumps(result)) == {"result": expected}


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"a": {"b": [1, {2}]}}, "result['a']['b'][1] is a set"),
        ({"a": [b"x"]}, "result['a'][0] is bytes"),
        ([2**70], "result[0] is an integer of more than 64 bits"),
        (object(), "result is a object"),
        ("\udcff", "result is a text with half a surrogate pair"),
        ({"\udcff": 1}, "a key of result is a text with half a surrogate pair"),
        ({(1, 2): 3}, "a key of result is a tuple"),
        ({1: 0, "1": 1}, "result has two keys that are '1'"),
        ({"c": np.array([1j])}, "result['c'] is of numpy's type complex128"),
        (LOOP, "result is nested deeper than 200, or holds itself"),
    ],
)
def test_what_json_cannot_say_is_refused_by_its_place(result: object, words: str) -> None:
    with pytest.raises(BackendFailed) as caught:
        json_result.dumps(result)
    assert words in str(caught.value)
