"""Where there is no simdjson, as on Python 3.14, JSON of any size gets the same answers, word for word."""

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from paddle_serving_client.wire import json_numbers
from tests.app.programs import paddle_model
from tests.serving import HTTP, Server, serve

pytest.importorskip("simdjson")

COUNT = 400
"""Of numbers in an array: enough for simdjson to be asked."""
INPUTS = {name: ((-1, COUNT), kind) for name, kind in (("f", "float32"), ("i64", "int64"), ("i32", "int32"))}


def layers(paddle: Any, f: Any, i64: Any, i32: Any) -> list[Any]:
    """Everything comes out as it came in."""
    return [paddle.scale(f, 1.0), paddle.concat(paddle.split(i64, 2, 1), 1), i32 - paddle.full([1], 0, "int32")]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """One with simdjson and one that cannot import it."""
    folder = tmp_path_factory.mktemp("json")
    model = paddle_model(folder / "same", INPUTS, layers)
    blocked = folder / "blocked"
    blocked.mkdir()
    (blocked / "simdjson.py").write_text("raise ImportError('as where it is not installed')\n")
    flags = ("--model", str(model), "--name", "m", "--backend", "paddle")
    path = os.pathsep.join([str(blocked), *filter(None, [os.environ.get("PYTHONPATH")])])
    with contextlib.ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        usual = stack.enter_context(serve(folder, *flags))
        patch.setenv("PYTHONPATH", path)
        yield usual, stack.enter_context(serve(folder, *flags))


FLOATS = np.random.default_rng(0).normal(0, 1e3, COUNT).tolist()
WHOLE = list(range(COUNT))
LARGEST = [2**63 - 1, -(2**63)] * (COUNT // 2)
USUAL: dict[str, object] = {"f": FLOATS, "i64": WHOLE, "i32": WHOLE}
GOOD: dict[str, dict[str, object]] = {
    "usual": {},
    "whole floats": {"f": WHOLE},
    "mixed floats": {"f": [1, -0.0, 1e-300, 2.5] * (COUNT // 4)},
    "largest": {"i64": LARGEST},
}
BAD: dict[str, dict[str, object]] = {
    "too few": {"f": FLOATS[1:]},
    "irregular": {"f": [*FLOATS[1:], [1.0]]},
    "beyond 64 bits": {"i64": [2**64] * COUNT},
    "beyond 32 bits": {"i32": LARGEST},
    "fractions": {"i64": FLOATS},
    "nulls": {"f": [None, *FLOATS[1:]]},
    "texts": {"f": ["1"] * COUNT},
    "too deep": {"f": [FLOATS, FLOATS]},
}


@pytest.mark.parametrize("name", [*GOOD, *BAD])
def test_the_answer_is_the_same(servers: tuple[Server, Server], name: str) -> None:
    feed = [USUAL | (GOOD | BAD)[name]] * 2
    assert len(json.dumps(feed)) > json_numbers.MIN_BYTES
    body = {"feed": feed, "fetch": []}
    replies = [HTTP.request("POST", f"{server.url}/m/prediction", json=body) for server in servers]
    assert replies[0].status == replies[1].status
    assert replies[0].json() == replies[1].json()
    assert (replies[0].status == 200) is (name in GOOD)
