"""Long lines are cut between words, short ones are left as they are, and the texts come back to their lines."""

import cv2
import numpy as np
import pytest

from paddle_serving_app.ops.arrays import ImageU8
from paddle_serving_app.ops.ocr import normalized_line
from paddle_serving_app.ops.text_lines import LineBatches

WORD, GAP = 200, 30


def line(words: int, gap: int = GAP) -> ImageU8:
    """Black stripes for letters; 48 pixels high."""
    word = np.full((48, WORD, 3), 255, np.uint8)
    word[10:40, ::2] = 0
    between = np.full((48, gap, 3), 255, np.uint8)
    return np.concatenate([np.concatenate([word, between], axis=1)] * words, axis=1)


def test_short_lines_go_in_whole_by_their_length() -> None:
    lines = [line(words) for words in (5, 1, 3, 1, 2, 4, 1)]
    first, second = LineBatches(lines).inputs()
    assert first.shape == (6, 3, 48, 4 * (WORD + GAP))
    assert second.shape == (1, 3, 48, 5 * (WORD + GAP))
    assert np.array_equal(first[0], normalized_line(lines[1], 48, first.shape[3]))
    assert np.array_equal(second[0], normalized_line(lines[0], 48, second.shape[3]))


def test_texts_come_back_in_the_order_of_the_lines() -> None:
    lines = [line(words) for words in (5, 1, 3, 1, 2, 4, 1)]
    batches = LineBatches(lines)
    widths = [[(f"{int((row != 0).any(axis=(0, 1)).sum())}", 0.5) for row in x] for x in batches.inputs()]
    assert [text for text, _ in batches.joined(widths)] == [f"{one.shape[1]}" for one in lines]


@pytest.mark.parametrize("words", [6, 7, 12, 30])
def test_a_long_line_is_cut_between_words(words: int) -> None:
    batches = LineBatches([line(words)])
    read = []
    for x in batches.inputs():
        assert x.shape[3] <= 1280
        ends = np.abs(x[:, 0, 24, [0, -1]])
        assert (ends[:, 0] == 1).all()  # white or black: not a resized, cut letter
        read.append([(f"{round((row[0, 24] == -1).sum() / (WORD / 2))}", 0.8) for row in x])
    ((text, score),) = batches.joined(read)
    assert sum(map(int, text.split(" "))) == words  # whole words only, and a space where they were cut
    assert score == pytest.approx(0.8)


def test_no_space_where_there_is_none_or_in_chinese() -> None:
    batches = LineBatches([line(12, gap=4)])
    count = sum(len(x) for x in batches.inputs())
    ((text, _),) = batches.joined([[("ab", 0.9)] * len(x) for x in batches.inputs()])
    assert text == "ab" * count
    batches = LineBatches([line(12)])
    texts = [[("中文", 0.9)] * len(x) for x in batches.inputs()]
    assert " " not in batches.joined(texts)[0][0]


def test_the_score_of_a_line_is_the_mean_of_its_letters() -> None:
    batches = LineBatches([line(10)])
    pieces = [("aaa", 0.9), ("", 0.0), ("a", 0.5)]
    parts = iter(pieces)
    read = [[next(parts) for _ in x] for x in batches.inputs()]
    ((text, score),) = batches.joined(read)
    letters = [(len(text), score) for group in read for text, score in group]
    assert score == pytest.approx(sum(n * one for n, one in letters) / len(text.replace(" ", "")))


def test_what_is_beyond_the_limit_is_not_read() -> None:
    batches = LineBatches([line(1)] * 10, most_columns=4 * 320)
    assert sum(len(x) for x in batches.inputs()) == 4
    assert [text for text, _ in batches.joined([[("a", 1.0)] * 4])] == ["a"] * 4 + [""] * 6


def test_a_line_without_gaps_and_no_line_at_all() -> None:
    solid: ImageU8 = cv2.resize(line(1), (9000, 48)).astype(np.uint8)
    assert all(x.shape[3] <= 1280 for x in LineBatches([solid]).inputs())
    assert all(x.shape[3] <= 1280 for x in LineBatches([np.zeros((4, 9000, 3), np.uint8)]).inputs())
    assert LineBatches([]).joined([]) == []
