"""How far two libraries' outputs are apart."""

import math

import numpy as np
import pytest

from paddle_serving_app.choosing.agreement import TOLERANCE, distance
from paddle_serving_client.message import Array

ONES = np.ones(1000, np.float32)


@pytest.mark.parametrize(
    ("found", "expected", "apart"),
    [
        (ONES, ONES, 0.0),
        (ONES * np.float32(4), ONES * np.float32(4), 0.0),
        (np.array([100, 0.1]), np.array([100, 0.0]), 0.001),
        (np.array([99.0, 0]), np.array([100, 0.0]), 0.01),
        (ONES.astype(np.float16), ONES, 0.0),
        (np.array([np.nan, np.inf, 1]), np.array([np.nan, np.inf, 1]), 0.0),
        (np.array([np.nan, 1]), np.array([1.0, np.nan]), math.inf),
        (np.array([np.inf, 1]), np.array([-np.inf, 1]), math.inf),
        (np.array([np.nan, 1]), np.array([1.0, 1]), math.inf),
        (np.array([np.nan]), np.array([np.nan]), 0.0),
        (ONES[:999], ONES, math.inf),
        (ONES.astype(np.int64), ONES, math.inf),
        (np.arange(1000), np.arange(1000), 0.0),
        (np.arange(1000) % 999, np.arange(1000), TOLERANCE["fp32"]),
        (np.array([True]), np.array([False]), 1.0),
        (np.array([1j]), np.array([1j]), 0.0),
        (np.empty(0), np.empty(0), 0.0),
    ],
)
def test_distance(found: Array, expected: Array, apart: float) -> None:
    assert distance([ONES, found], [ONES, expected]) == pytest.approx(apart)


def test_another_number_of_outputs() -> None:
    assert distance([ONES], [ONES, ONES]) == math.inf
    assert distance([], []) == 0.0
