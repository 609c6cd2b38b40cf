import itertools
import time

import pytest

from paddle_serving_app.ops.tokens import as_text, basic_tokens, word_pieces
from paddle_serving_client.errors import BadInput


def test_words_marks_and_chinese_characters_are_apart() -> None:
    assert list(basic_tokens("Don't go to 上海, CAFÉ!")) == ["don", "'", "t", "go", "to", "上", "海", ",", "cafe", "!"]


def test_control_characters_vanish_without_a_gap() -> None:
    assert list(basic_tokens("a\0b\ufffdc\u200bd\te")) == ["abcd", "e"]


def test_a_word_is_cut_into_the_longest_pieces() -> None:
    vocabulary = {"un": 0, "##aff": 1, "##able": 2, "##a": 3}
    assert word_pieces("unaffable", vocabulary) == ["un", "##aff", "##able"]
    assert word_pieces("unaffablex", vocabulary) == ["[UNK]"]


def test_a_word_of_more_than_100_characters_is_unknown() -> None:
    vocabulary = {"x": 0, "##x": 1}
    assert word_pieces("x" * 100, vocabulary) == ["x"] + ["##x"] * 99
    assert word_pieces("x" * 101, vocabulary) == ["[UNK]"]


def test_the_first_words_of_a_long_text_cost_little() -> None:
    text = "the quick brown fox " * 25_000
    start = time.thread_time()
    assert list(itertools.islice(basic_tokens(text), 3)) == ["the", "quick", "brown"]
    first = time.thread_time() - start
    start = time.thread_time()
    assert sum(1 for _ in basic_tokens(text)) == 100_000
    assert first < time.thread_time() - start


def test_text_or_its_bytes() -> None:
    assert (
        as_text("今", "a line")
        == as_text("今".encode(), "a line")
        == as_text(b"\xff\xe4\xbb\x8a\xe5", "a line")
        == "今"
    )
    with pytest.raises(BadInput, match="a line must be text or its UTF-8 bytes, got int"):
        as_text(3, "a line")
