"""Both ways to read and write JSON, the fast one and the one that is always there."""

import json
import math
from typing import Any

import numpy as np
import pytest

from paddle_serving_client.wire import json_text


@pytest.fixture(params=["orjson", "json"])
def by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(json_text, "_has_orjson", request.param == "orjson")
    return str(request.param)


@pytest.mark.parametrize("value", [{}, {"a": [1, 2.5, "ä", None, True]}, [2**63, -(2**63)], {"x": {"y": []}}])
def test_there_and_back(by: str, value: object) -> None:
    assert json_text.loads(json_text.dumps(value)) == value


@pytest.mark.parametrize("array", [np.array([1.5, -2.0]), np.array([[1], [-2]]), np.array([True, False]), np.zeros(0)])
def test_arrays(by: str, array: Any) -> None:
    text = json_text.dumps({"a": array})
    assert json.loads(text) == {"a": array.tolist()}


def test_both_write_the_same() -> None:
    value = {"float_data": np.array([0.0137], np.float32).astype(np.float64), "name": "ä", "shape": (1, 13)}
    fast = json_text.dumps(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_has_orjson", False)
        assert json_text.dumps(value) == fast


@pytest.mark.parametrize("text", [b"", b"{", b"NaN", b'{"a": Infinity}', b"\xff", b"[" * 100_000])
def test_what_is_not_json(by: str, text: bytes) -> None:
    with pytest.raises(ValueError):
        json_text.loads(text)


def test_what_json_cannot_say(by: str) -> None:
    with pytest.raises(TypeError):
        json_text.dumps({"a": object()})
    if by == "json":
        with pytest.raises(ValueError):
            json_text.dumps([math.nan])
