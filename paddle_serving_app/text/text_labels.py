"""The numbers of a classifier as labels with scores, the most certain first.

This file is copied beside the model.py of a Triton repository, where only numpy is installed: it imports nothing of
ours.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ID2LABEL = "id2label.json"
MISSPELT = "id2label2.json"
"""As some descriptions of such repositories call it."""


def read(path: Path) -> tuple[str, ...]:
    """The labels in the order of their numbers, out of a file {"0": "label", ...}, or of a config.json that has one.

    Raises:
        OSError: there is no such file.
        ValueError: it is no such object.
    """
    return of(json.loads(path.read_text(encoding="utf-8")), str(path))


def of(given: Any, what: str) -> tuple[str, ...]:
    """The same, of what was read; `what` is for messages."""
    if isinstance(given, Mapping) and isinstance(given.get("id2label"), Mapping):
        given = given["id2label"]
    if not isinstance(given, Mapping) or not given:
        raise ValueError(f'{what}: an object of labels by number is expected, {{"0": "label", ...}}')
    try:
        numbered = {int(number): label for number, label in given.items()}
    except (TypeError, ValueError):
        raise ValueError(f"{what}: the keys are to be numbers, got {', '.join(map(repr, list(given)[:4]))}") from None
    if sorted(numbered) != list(range(len(given))):
        raise ValueError(f"{what}: labels are numbered from 0 without gaps, got {sorted(numbered)[:8]}")
    if wrong := [label for label in numbered.values() if not isinstance(label, str)]:
        raise ValueError(f"{what}: labels are texts, got {wrong[0]!r}")
    return tuple(numbered[number] for number in range(len(numbered)))


def activation_of(config: Mapping[str, Any], count: int) -> str:
    """What makes scores of the numbers, as transformers' pipeline chooses: "softmax", "sigmoid" or "none"."""
    problem = config.get("problem_type")
    if problem == "regression":
        return "none"
    return "sigmoid" if problem == "multi_label_classification" or count == 1 else "softmax"


def ranked(
    logits: NDArray[Any], labels: Sequence[str], activation: str
) -> tuple[NDArray[np.object_], NDArray[np.float32]]:
    """Labels and scores of some rows, the highest score first.

    Args:
        logits: (N, K).
        labels: K texts.
        activation: see `activation_of`.

    Returns:
        (N, K) of UTF-8 bytes, and (N, K) float32.

    Raises:
        ValueError: there are more or fewer labels than columns.
    """
    if logits.ndim != 2 or logits.shape[1] != len(labels):
        raise ValueError(f"the model gave {list(logits.shape)}, and there are {len(labels)} labels")
    scores = _activated(logits.astype(np.float32), activation)
    order = np.argsort(-scores, axis=1, kind="stable")
    names = np.array([label.encode() for label in labels], np.object_)
    return names[order], np.take_along_axis(scores, order, axis=1)


def _activated(values: NDArray[np.float32], activation: str) -> NDArray[np.float32]:
    if activation == "softmax":
        powers = np.exp(values - values.max(axis=1, keepdims=True))
        shares: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
        return shares
    if activation == "sigmoid":
        return ((np.tanh(values / 2) + 1) / 2).astype(np.float32)  # which does not overflow
    return values
