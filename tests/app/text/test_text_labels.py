"""Labels by number, and scores as transformers' pipeline makes them."""

import json
from pathlib import Path

import numpy as np
import pytest

from paddle_serving_app.text import text_labels
from tests.text_classifiers import FOLDER, LABELS


def test_labels_are_read_of_both_files() -> None:
    assert text_labels.read(FOLDER / "id2label.json") == text_labels.read(FOLDER / "config.json") == LABELS


def test_keys_may_be_numbers_and_in_any_order() -> None:
    assert text_labels.of({1: "b", 0: "a"}, "x") == ("a", "b")


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ([], "an object of labels"),
        ({}, "an object of labels"),
        ({"a": "b"}, "keys are to be numbers, got 'a'"),
        ({"0": "a", "2": "b"}, r"without gaps, got \[0, 2\]"),
        ({"0": 1}, "labels are texts, got 1"),
    ],
)
def test_what_is_no_list_of_labels_is_refused(given: object, error: str, tmp_path: Path) -> None:
    (tmp_path / "id2label.json").write_text(json.dumps(given))
    with pytest.raises(ValueError, match=error):
        text_labels.read(tmp_path / "id2label.json")


def test_the_most_certain_comes_first() -> None:
    labels, scores = text_labels.ranked(np.array([[0.0, 2.0, 1.0], [1e4, 0, 0]]), ("a", "b", "c"), "softmax")
    assert labels.tolist() == [[b"b", b"c", b"a"], [b"a", b"b", b"c"]]
    np.testing.assert_allclose(scores, [[0.66524, 0.24473, 0.09003], [1.0, 0.0, 0.0]], atol=1e-5)
    assert scores.dtype == np.float32


def test_labels_that_do_not_exclude_each_other_have_scores_of_their_own() -> None:
    _, scores = text_labels.ranked(np.array([[0.0, 1e4, -1e4]]), ("a", "b", "c"), "sigmoid")
    np.testing.assert_allclose(scores, np.array([[1, 0.5, 0]]))


@pytest.mark.parametrize(
    ("config", "count", "wanted"),
    [
        ({}, 3, "softmax"),
        ({}, 1, "sigmoid"),
        ({"problem_type": "multi_label_classification"}, 3, "sigmoid"),
        ({"problem_type": "regression"}, 1, "none"),
        ({"problem_type": "single_label_classification"}, 2, "softmax"),
    ],
)
def test_scores_are_made_as_the_config_says(config: dict[str, str], count: int, wanted: str) -> None:
    assert text_labels.activation_of(config, count) == wanted


def test_another_number_of_labels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"gave \[1, 3\], and there are 2 labels"):
        text_labels.ranked(np.zeros((1, 3)), ("a", "b"), "softmax")
