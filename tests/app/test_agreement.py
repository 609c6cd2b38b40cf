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
        (np.array([100, 0.2], np.float32), np.array([100, 0.1], np.float32), 0.001),
        (np.array([99.5, 0], np.float32), np.array([100.5, 0], np.float32), 1 / 100.5),
        (np.array([99.5]), np.array([99.5 + 1e-7]), 1e-7 / 99.5 * 1e6),
        (ONES.astype(np.float16), ONES, math.inf),
        (np.array([5001.0], np.float32), np.array([5000.0], np.float32), math.inf),
        (np.array([1.0 - 1e-7, 0], np.float32), np.array([1.0, 0], np.float32), 0.0),
        (np.array([2e9 + 256], np.float32), np.array([2e9], np.float32), 1.28e-7),
        (np.array([np.nan, np.inf, 1]), np.array([np.nan, np.inf, 1]), 0.0),
        (np.array([np.nan, 1]), np.array([1.0, np.nan]), math.inf),
        (np.array([np.inf, 1]), np.array([-np.inf, 1]), math.inf),
        (np.array([np.nan, 1]), np.array([1.0, 1]), math.inf),
        (np.array([np.nan]), np.array([np.nan]), 0.0),
        (ONES[:999], ONES, math.inf),
        (ONES.astype(np.int64), ONES, math.inf),
        (np.arange(1000), np.arange(1000), 0.0),
        (np.arange(1000) % 999, np.arange(1000), math.inf),
        (np.array([True]), np.array([False]), math.inf),
        (ONES.astype(np.int32), ONES.astype(np.int64), math.inf),
        (np.array([1j]), np.array([1j]), 0.0),
        (np.empty(0), np.empty(0), 0.0),
    ],
)
def test_distance(found: Array, expected: Array, apart: float) -> None:
    assert distance([ONES, found], [ONES, expected]) == pytest.approx(apart)


def test_another_number_of_outputs() -> None:
    assert distance([ONES], [ONES, ONES]) == math.inf
    assert distance([], []) == 0.0


def test_labels_may_differ_in_a_lower_precision() -> None:
    assert distance([np.arange(1000) % 999], [np.arange(1000)], "bf16") == pytest.approx(0.001)


def test_each_row_has_a_scale_of_its_own() -> None:
    expected = np.array([[0.5, 0.1], [2.5e9, 1e9]], np.float32)
    found = expected + np.array([[0.25, 0], [0, 0]], np.float32)
    assert distance([found], [expected]) < TOLERANCE["fp32"]
    assert distance([found], [expected], by_row=True) == pytest.approx(0.5)


class TestShaken:
    """What changes with the last digits of the inputs proves nothing."""

    LABELS = np.array([3, 1, 4, 1, 5])

    def test_a_label_between_two_equal_scores(self) -> None:
        found, other = self.LABELS.copy(), self.LABELS.copy()
        found[2], other[2] = 7, 8
        assert distance([found], [self.LABELS], shaken=[[self.LABELS], [other]]) == 0.0
        found[3] = 7
        assert distance([found], [self.LABELS], shaken=[[other]]) == math.inf

    def test_how_many_there_are(self) -> None:
        assert distance([self.LABELS[:3]], [self.LABELS], shaken=[[self.LABELS[:4]]]) == 0.0
        assert distance([self.LABELS[:3]], [self.LABELS], shaken=[[self.LABELS]]) == math.inf

    def test_numbers(self) -> None:
        assert distance([ONES * 2.5], [ONES * 1.5], shaken=[[ONES * 1.6]]) == 0.0
        assert distance([ONES * 2.5], [ONES * 1.5], shaken=[[ONES * 1.5]]) == pytest.approx(2 / 3)
