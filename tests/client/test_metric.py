import numpy as np
import pytest

from paddle_serving_client.metric import acc, auc


@pytest.mark.parametrize(("actual", "posterior", "wanted"), [
    ([1, 0], [0.9, 0.1], 1.0),
    ([1, 0], [0.1, 0.9], 0.0),
    ([1, 0, 1, 0], [0.5, 0.5, 0.5, 0.5], 0.5),
    ([1, 1, 0, 0], [0.8, 0.3, 0.3, 0.1], 0.875),
])  # fmt: skip
def test_auc(actual: list[int], posterior: list[float], wanted: float) -> None:
    assert auc(actual, posterior) == wanted


def test_auc_is_the_share_of_pairs_in_order() -> None:
    random = np.random.default_rng(3)
    actual = random.integers(0, 2, 200)
    posterior = random.integers(0, 20, 200) / 20
    above = posterior[actual == 1][:, None] - posterior[actual == 0][None]
    assert auc(actual, posterior) == pytest.approx((np.sign(above).mean() + 1) / 2)


def test_acc() -> None:
    assert acc([0.9, 0.2, 0.6, 1.0, 0.0], [1, 0, 0, 1, 0], 0.5) == 0.8
    assert acc(np.array([[0.9], [0.1]]), np.array([1, 1]), 0.5) == 0.5


@pytest.mark.parametrize(("call", "text"), [
    (lambda: auc([1, 1], [0.1, 0.2]), "needs both classes, got 2 positives and 0 negatives"),
    (lambda: auc([], []), "needs both classes"),
    (lambda: auc([1, 0], [0.1]), "actual has 2 values, but posterior has 1"),
    (lambda: auc([1, 0], [0.1, float("nan")]), "posterior has values that are not numbers"),
    (lambda: acc([0.1], [1, 0], 0.5), "prob has 1 values, but label has 2"),
    (lambda: acc([], [], 0.5), "at least one prediction"),
])  # fmt: skip
def test_what_has_no_answer(call: object, text: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=text):
        call()
