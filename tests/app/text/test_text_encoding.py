"""Tokens are those that transformers gives, whatever the text; rows are padded by what is in them only."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.text_classifiers import FOLDER, copied

pytest.importorskip("tokenizers", reason="it is the native tokenizer")

from paddle_serving_app.text.text_encoding import STEP, TextEncoder

RECORDED = json.loads((FOLDER / "tokens.json").read_text("utf-8"))
ENCODER = TextEncoder(FOLDER)


@pytest.mark.parametrize("one", RECORDED, ids=range(len(RECORDED)))
def test_tokens_are_those_of_transformers(one: dict[str, object]) -> None:
    """Russian, Chinese, emoji, nothing, control characters, 10,000 characters; recorded by make.py."""
    assert ENCODER.ids_of([str(one["text"])]) == [one["ids"]]


def test_tokens_do_not_depend_on_other_texts() -> None:
    assert ENCODER.ids_of([one["text"] for one in RECORDED]) == [one["ids"] for one in RECORDED]


@given(st.lists(st.text(max_size=300), max_size=5))
def test_any_text_is_tokenized_as_alone_and_within_the_limit(texts: list[str]) -> None:
    encodings = ENCODER.encode(texts)
    assert [one.ids for one in encodings] == [ENCODER.ids_of([text])[0] for text in texts]
    for one, length in zip(encodings, ENCODER.lengths(encodings), strict=True):
        assert len(one) <= length <= ENCODER.max_tokens
        assert length % STEP == 0


def test_rows_are_padded_behind_their_tokens() -> None:
    encodings = ENCODER.encode(["помогите мне", "спасибо"])
    tensors = ENCODER.tensors(encodings, 16)
    assert {name: (t.shape, t.dtype) for name, t in tensors.items()} == {
        name: ((2, 16), np.dtype(np.int64)) for name in ENCODER.names
    }
    assert tensors["input_ids"][1].tolist() == encodings[1].ids + [0] * 13
    assert tensors["attention_mask"].sum(axis=1).tolist() == [4, 3]


@pytest.mark.parametrize(
    ("settings", "model", "wanted"),
    [
        ({"model_max_length": 64}, {"max_position_embeddings": 128}, 64),
        ({"model_max_length": 10**30}, {"max_position_embeddings": 128}, 128),
        ({"model_max_length": 10**30}, {"max_position_embeddings": 514, "model_type": "roberta"}, 512),
        ({}, {}, 512),
    ],
)
def test_the_limit_is_that_of_the_tokenizer_and_the_model(
    settings: dict[str, int], model: dict[str, object], wanted: int, tmp_path: Path
) -> None:
    folder = copied(tmp_path / "t", "tokenizer.json")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "config.json").write_text(json.dumps(model))
    assert TextEncoder(folder).max_tokens == wanted


def test_padding_may_be_in_front(tmp_path: Path) -> None:
    folder = copied(tmp_path / "t", "tokenizer.json")
    (folder / "tokenizer_config.json").write_text('{"padding_side": "left", "pad_token": {"content": "[PAD]"}}')
    encoder = TextEncoder(folder)
    encodings = encoder.encode(["спасибо"])
    assert encoder.tensors(encodings, 16)["input_ids"][0].tolist() == [0] * 13 + encodings[0].ids


def test_a_damaged_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match=r"tokenizer\.json: "):
        TextEncoder(tmp_path)
