"""How good predictions of a two-class model are."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from paddle_serving_client.message import Array

__all__ = ["acc", "auc"]

_Numbers: TypeAlias = Sequence[float] | Array


def auc(actual: _Numbers, posterior: _Numbers) -> float:
    """The area under the ROC curve: how likely a positive is ranked above a negative, a tie counting half.

    Args:
        actual: the true classes; 1 is positive, everything else negative.
        posterior: as many scores; the higher, the likelier positive.

    Returns:
        0 to 1; 0.5 for scores that say nothing.

    Raises:
        ValueError: not as many scores as classes, no positive, or no negative.
    """
    positive, scores = _column("actual", actual) == 1, _column("posterior", posterior)
    _check_lengths("actual", positive, "posterior", scores)
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        raise ValueError(f"auc needs both classes, got {positives} positives and {negatives} negatives")
    ranks = _tied_ranks(scores)
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def acc(prob: _Numbers, label: _Numbers, threshold: float) -> float:
    """The share of predictions that are right.

    Args:
        prob: how likely each is positive.
        label: as many true classes, 0 or 1.
        threshold: above it, the prediction is positive.

    Raises:
        ValueError: not as many probabilities as labels, or none.
    """
    probabilities, labels = _column("prob", prob), _column("label", label)
    _check_lengths("prob", probabilities, "label", labels)
    if not len(labels):
        raise ValueError("acc needs at least one prediction")
    return float(np.mean((probabilities > threshold) == (labels == 1)))


def _tied_ranks(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Ranks from 1; equal scores share the mean of theirs."""
    _, which, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    ranks: npt.NDArray[np.float64] = (last - (counts - 1) / 2)[which]
    return ranks


def _column(name: str, values: _Numbers) -> npt.NDArray[np.float64]:
    column = np.asarray(values, np.float64).reshape(-1)
    if np.isnan(column).any():
        raise ValueError(f"{name} has values that are not numbers")
    return column


def _check_lengths(name: str, values: Array, other_name: str, others: Array) -> None:
    if len(values) != len(others):
        raise ValueError(f"{name} has {len(values)} values, but {other_name} has {len(others)}")
