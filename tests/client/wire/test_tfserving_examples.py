"""Examples of `:classify` and `:regress`: features in the shapes of their inputs, and what is said of all others."""

import json
from typing import Any

import numpy as np
import pytest

from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Array
from paddle_serving_client.wire import tfserving_examples
from paddle_serving_client.wire.tfserving import TensorInfo


def read(examples: object, *inner: int) -> Array:
    body = json.dumps({"examples": examples}).encode()
    return tfserving_examples.read_examples(body, [TensorInfo("x", "x", 1, (-1, *inner))]).tensors["x"]


@pytest.mark.parametrize(
    ("value", "inner"), [([1, 2, 3, 4], (2, 2)), ([1, 2, 3, 4], (2, -1)), ([[1, 2], [3, 4]], (2, 2))]
)
def test_features_have_the_shape_of_their_input(value: Any, inner: tuple[int, ...]) -> None:
    np.testing.assert_array_equal(
        read([{"x": value}, {"x": [5, 6, 7, 8]}], *inner), [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]
    )


def test_rows_are_not_cut_into_other_rows() -> None:
    assert read([{"x": [[1, 2, 3], [4, 5, 6]]}], -1, 2).shape == (1, 2, 3)


@pytest.mark.parametrize(
    ("examples", "words"),
    [
        ([{"x": [1, 2]}, {"x": [1]}], r"element: 1 key: x of 'examples' list. Expecting shape \[2\] but got: \[1\]"),
        ([{"x": ["a"]}], "element: 0 key: x of 'examples' list. .* is not of expected type: float"),
        ([{"x": 1}, {}], "element: 1 of 'examples' list. .* keys must be equal to: x"),
    ],
)
def test_features_that_do_not_fit(examples: object, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read(examples, 2)


def test_results() -> None:
    scores = np.array([[0.25, 0.5], [1, np.nan]], np.float32)
    text = tfserving_examples.write_classes({"y": scores})
    assert text == b'{\n    "results": [[["",0.25],["",0.5]], [["",1.0],["",NaN]]\n    ]\n}'
    assert json.loads(tfserving_examples.write_regressions({"y": np.array([[1], [2]])})) == {"results": [1.0, 2.0]}
    for write, outputs in (
        (tfserving_examples.write_regressions, {"y": scores}),
        (tfserving_examples.write_classes, {"y": scores, "z": scores}),
        (tfserving_examples.write_classes, {"y": scores[None]}),
    ):
        with pytest.raises(BadInput, match=r"this model gives 'y' float32.*; use :predict"):
            write(outputs)
