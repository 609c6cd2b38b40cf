"""Feeds of one value: by type and shape, and those that a model has answered."""

from pathlib import Path

import numpy as np
import pytest

from paddle_serving_app import plain_feed
from paddle_serving_app.model import Model
from paddle_serving_app.signature import Input, Sample
from paddle_serving_client import dtype
from tests import models


def _input(kind: str, *shape: int, is_lod: bool = False) -> Input:
    code = next(row.code for row in dtype.ELEM_TYPES.values() if row.name == kind)
    return Input("x", "x", code, shape, is_lod)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (_input("int64", -1, 3), Sample((1, 3), 1)),
        (_input("float32", -1), Sample((1,), 0.5)),
        (_input("bool", -1, 2), Sample((1, 2), True)),
        (_input("float64", 4, -1, 2), Sample((4, 1, 2), 0.5)),
        (_input("string", -1, 1), Sample((1, 1), "text")),
        (_input("int64", -1, 1, is_lod=True), Sample((3, 1), 1)),
        (_input("uint8"), Sample((), 1)),
    ],
)
def test_what_nobody_has_tried_is_made_of_type_and_shape(given: Input, expected: Sample) -> None:
    assert plain_feed.sample_of(given) == expected
    array = plain_feed.filled(given.elem_type, expected)
    assert array.shape == expected.shape
    assert array.dtype == dtype.numpy_of(given.elem_type)


def test_a_model_has_answered_its_samples(tmp_path: Path) -> None:
    model = Model.load(models.conv(tmp_path / "conv"))
    (spec,) = model.signature.inputs
    assert spec.shape == (-1, 3, -1, -1)
    assert spec.sample == Sample((1, 3, 224, 224), 0.5)
    (answer,) = model.run(plain_feed.arranged(model.signature.inputs, [spec.sample])).arrays
    assert np.allclose(answer, models.conv_answer(np.full((1, 3, 224, 224), 0.5)), atol=1e-5)
    model.close()
