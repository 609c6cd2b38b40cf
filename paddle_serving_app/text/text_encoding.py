"""Texts to the tensors of a BERT-like model, by the tokenizer.json that transformers writes.

This file is copied beside the model.py of a Triton repository, where only numpy and tokenizers are installed: it
imports nothing of ours.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

TOKENIZER, TOKENIZER_CONFIG, MODEL_CONFIG = "tokenizer.json", "tokenizer_config.json", "config.json"
NAMES = ("input_ids", "attention_mask", "token_type_ids")
STEP = 16
"""Rows are padded to a multiple of this many tokens: few different lengths, which can be computed together."""
_USUAL_TOKENS = 512
_MOST_TOKENS = 1 << 20
"""transformers writes 10**30 where a tokenizer knows no limit."""
_POSITIONS_BEHIND_PAD = ("roberta", "xlm-roberta", "camembert", "xlm-roberta-xl", "longformer", "mpnet")
"""Models whose first positions are never used."""


class TextEncoder:
    """A tokenizer with its limit and its padding."""

    names = NAMES
    """Of the tensors that it makes."""

    def __init__(self, folder: Path) -> None:
        """Read tokenizer.json, and what tokenizer_config.json and config.json beside it say of its limits.

        Raises:
            OSError: there is no tokenizer.json.
            ValueError: one of the files cannot be understood.
        """
        text = (folder / TOKENIZER).read_text(encoding="utf-8")
        try:
            self._tokenizer = Tokenizer.from_str(text)
        except Exception as exc:  # tokenizers raises no class of its own
            raise ValueError(f"{folder / TOKENIZER}: {exc}") from exc
        settings, model = _json(folder / TOKENIZER_CONFIG), _json(folder / MODEL_CONFIG)
        self.max_tokens = _limit(settings, model)
        """Of a text; what is behind them is cut off, as transformers does with `truncation=True`."""
        self._is_left = settings.get("padding_side") == "left"
        pad = settings.get("pad_token") or "[PAD]"
        found = self._tokenizer.token_to_id(pad["content"] if isinstance(pad, dict) else pad)
        self._pad = found if found is not None else int(model.get("pad_token_id") or 0)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.max_tokens)

    def ids_of(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text, with those around it and without padding."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]

    def lengths(self, encodings: Sequence[Encoding]) -> list[int]:
        """How long each row is when it is padded."""
        return [min(self.max_tokens, -(-max(1, len(one)) // STEP) * STEP) for one in encodings]

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """Tokenize texts, in native threads."""
        return list(self._tokenizer.encode_batch(list(texts)))

    def tensors(self, encodings: Sequence[Encoding], length: int) -> dict[str, NDArray[np.int64]]:
        """Rows of one length: `input_ids`, `attention_mask`, `token_type_ids`, each int64 (N, length)."""
        made = {name: np.zeros((len(encodings), length), np.int64) for name in NAMES}
        made["input_ids"][:] = self._pad
        for row, one in enumerate(encodings):
            count = len(one)
            at = slice(length - count, length) if self._is_left else slice(0, count)
            made["input_ids"][row, at] = one.ids
            made["attention_mask"][row, at] = one.attention_mask
            made["token_type_ids"][row, at] = one.type_ids
        return made


def _limit(settings: dict[str, Any], model: dict[str, Any]) -> int:
    """The most tokens: what the tokenizer says, and not more than the model has positions for."""
    positions = int(model.get("max_position_embeddings") or 0)
    if positions and model.get("model_type") in _POSITIONS_BEHIND_PAD:
        positions -= int(model.get("pad_token_id") or 1) + 1
    own = settings.get("model_max_length")
    known = [n for n in (own, positions) if isinstance(n, int | float) and 0 < n <= _MOST_TOKENS]
    return int(min(known, default=_USUAL_TOKENS))


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    read = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(read, dict):
        raise ValueError(f"{path}: an object is expected, got {type(read).__name__}")
    return read
