"""Instances of a JSON feed become tensors only in the shape that the model has."""

import numpy as np
import pytest

from paddle_serving_app.signature import Input
from paddle_serving_client import dtype
from paddle_serving_client.errors import BadInput
from paddle_serving_server.feed import stacked

IMAGE = Input("image", "image", dtype.code_of("float32"), (-1, 3, 32, 32))
NUMBERS = Input("x", "x", dtype.code_of("float32"), (-1, 13))
ONE = Input("x", "x", dtype.code_of("float32"), (-1, 1))


@pytest.mark.parametrize(
    ("shape", "problem"),
    [
        ((32, 32, 3), "got [32, 32, 3]: axis 0 is 32 long instead of 3"),
        ((3072,), "got [3072]: 1 axes instead of 3"),
        ((96, 32), "got [96, 32]: 2 axes instead of 3"),
        ((3, 32, 31), "got [3, 32, 31]: axis 2 is 31 long instead of 32"),
        ((2, 3, 32, 32), "4 axes instead of 3"),
    ],
)
def test_another_layout_is_refused(shape: tuple[int, ...], problem: str) -> None:
    with pytest.raises(BadInput, match="feed\\[0\\]: input 'image' takes \\[3, 32, 32\\] in each instance") as caught:
        stacked(IMAGE, [{"image": np.zeros(shape).tolist()}])
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "shape"), [(IMAGE, (3, 32, 32)), (IMAGE, (1, 3, 32, 32)), (NUMBERS, (13,)), (NUMBERS, (1, 13)), (ONE, ())]
)
def test_axes_of_length_one_mean_nothing(spec: Input, shape: tuple[int, ...]) -> None:
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    found = stacked(spec, [{spec.alias: values.tolist()}] * 2)
    assert found.shape == (2, *spec.shape[1:])
    np.testing.assert_array_equal(found[1].ravel(), values.ravel())


def test_a_plain_list_of_user_code_is_shaped_as_the_input() -> None:
    values = list(range(3072))
    found = stacked(IMAGE, [{"image": values}], shapes_flat=True)
    np.testing.assert_array_equal(found.ravel(), values)
    with pytest.raises(BadInput, match="takes"):
        stacked(IMAGE, [{"image": np.zeros((32, 32, 3)).tolist()}], shapes_flat=True)
