"""Text to the numbers that language models take, by the vocabulary each was trained with.

Vocabularies are local files; nothing is downloaded. Held against recordings of Paddle Serving 0.9.
"""

import itertools
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paddle_serving_app.ops import text_file
from paddle_serving_app.ops.tokens import UNKNOWN, as_text, basic_tokens, word_pieces
from paddle_serving_client.errors import BadConfig, BadInput

_BERT = "a WordPiece vocabulary, one token on each line (vocab.txt); it comes with the trained BERT or ERNIE model"
_SENTA = "a vocabulary with WORD, a tab and its number on each line; it comes with the trained Senta model"
_IMDB = "a vocabulary with one word on each line (imdb.vocab); it comes with the data set the model was trained on"
_LAC = "one of the three dictionaries (word.dic, tag.dic, q2b.dic) that come with the trained LAC model"


class ChineseBertReader:
    """A line of text to the four inputs of BERT.

    reader = ChineseBertReader({"vocab_file": "vocab.txt", "max_seq_len": 128})
    feed = reader.process("今天天气很好")

    Source: PaddlePaddle/Serving, paddle_serving_app/reader/chinese_bert_reader.py; equal. No `[SEP]` is appended, and
    positions and segments are filled up with the number of `[PAD]`, as there.
    """

    def __init__(self, args: Mapping[str, Any] | None = None) -> None:
        """Read the vocabulary.

        Args:
            args: `vocab_file`, needed: UTF-8, one token on each line, numbered by lines from 0 or by a second field
                after a tab. `max_seq_len`: 20 by default.

        Raises:
            BadConfig: no vocabulary is named, or it cannot be used.
        """
        args = args or {}
        if not args.get("vocab_file"):
            raise BadConfig(f'ChineseBertReader needs {{"vocab_file": "PATH"}}: {_BERT}')
        self.max_seq_len = args.get("max_seq_len", 20)
        if type(self.max_seq_len) is not int or self.max_seq_len < 2:
            raise BadConfig(f"max_seq_len must be a number of at least 2, got {self.max_seq_len!r}")
        self.vocab = _numbered_tokens(args["vocab_file"])
        needed = ("[PAD]", "[CLS]", "[SEP]", "[MASK]", UNKNOWN)
        if absent := [token for token in needed if token not in self.vocab]:
            raise BadConfig(f"{args['vocab_file']} has no {', '.join(absent)}; expected {_BERT}")
        self.pad_id, self.cls_id, self.sep_id, self.mask_id = (self.vocab[token] for token in needed[:4])
        self.feed_keys = ["input_ids", "position_ids", "segment_ids", "input_mask"]
        self._longest = max(map(len, self.vocab))

    def set_feed_keys(self, keys: Sequence[str]) -> None:
        """Rename the four inputs."""
        if len(keys) != 4:
            raise BadConfig(f"four names of inputs are needed, got {len(keys)}")
        self.feed_keys = list(keys)

    def get_feed_keys(self) -> list[str]:
        """The names of the inputs: token numbers, positions, segments, mask."""
        return self.feed_keys

    def process(self, line: str | bytes) -> dict[str, list[int]]:
        """The inputs of one line, each a flat list of `max_seq_len` numbers.

        Args:
            line: text, or its UTF-8 bytes. What has no room is cut off.

        Raises:
            BadInput: neither of these.
        """
        words = basic_tokens(as_text(line, "a line"))
        pieces = (piece for word in words for piece in word_pieces(word, self.vocab, self._longest))
        numbers = [self.cls_id] + [self.vocab[piece] for piece in itertools.islice(pieces, self.max_seq_len - 2)]
        used, free = len(numbers), self.max_seq_len - len(numbers)
        padding = [self.pad_id] * free
        filled = (numbers + padding, [*range(used), *padding], [0] * used + padding, [1] * used + [0] * free)
        return dict(zip(self.feed_keys, filled, strict=True))


class LACReader:
    """A sentence to the characters' numbers that LAC takes, and its tags back to words.

    Source: PaddlePaddle/Serving, paddle_serving_app/reader/lac_reader.py; equal, but for the tag `O`: there it never
    began a new word as the second character, and failed later on.
    """

    def __init__(self, dict_folder: str | os.PathLike[str] = "") -> None:
        """Read the dictionaries.

        Args:
            dict_folder: with `word.dic` (number, tab, character), `tag.dic` (number, tab, tag) and `q2b.dic`
                (full-width character, tab, its usual form); empty: `lac_dict`.

        Raises:
            BadConfig: one is missing or cannot be used.
        """
        folder = Path(dict_folder or "lac_dict")
        words, tags = folder / "word.dic", folder / "tag.dic"
        self.id2word_dict = _mapping(words)
        self.word2id_dict = _reversed(self.id2word_dict, words)
        self.id2label_dict = _mapping(tags)
        self.label2id_dict = _reversed(self.id2label_dict, tags)
        self.word_replace_dict = _mapping(folder / "q2b.dic")
        if "OOV" not in self.word2id_dict:
            raise BadConfig(f"{words} has no OOV, the number of unknown characters; expected {_LAC}")
        if not self.label2id_dict:
            raise BadConfig(f"{tags} has no tags; expected {_LAC}")

    @property
    def vocab_size(self) -> int:
        """The largest number of a character, and 1."""
        return max(self.word2id_dict.values()) + 1

    @property
    def num_labels(self) -> int:
        """The largest number of a tag, and 1."""
        return max(self.label2id_dict.values()) + 1

    def word_to_ids(self, words: str | bytes) -> list[int]:
        """The number of each character, full-width ones in their usual form; of an unknown one that of `OOV`."""
        usual = (self.word_replace_dict.get(char, char) for char in as_text(words, "a sentence"))
        unknown = self.word2id_dict["OOV"]
        return [self.word2id_dict.get(char, unknown) for char in usual]

    def label_to_ids(self, labels: Iterable[str]) -> list[int]:
        """The number of each tag; of an unknown one that of `O`."""
        known = [label if label in self.label2id_dict else "O" for label in labels]
        if "O" in known and "O" not in self.label2id_dict:
            raise BadInput("tag.dic has no O, the tag of what it does not know")
        return [self.label2id_dict[label] for label in known]

    def process(self, sent: str | bytes) -> list[int]:
        """The numbers of a sentence, white space around it dropped.

        Raises:
            BadInput: it is neither text nor bytes.
        """
        return self.word_to_ids(as_text(sent, "a sentence").strip())

    def parse_result(self, words: str | bytes, crf_decode: Any) -> list[str]:
        """Cut a sentence into words.

        Args:
            words: the sentence, as `process` got it.
            crf_decode: the model's output for it: a tag for each character, (N, 1) or (N,).

        Raises:
            BadInput: a tag that is not in `tag.dic`, or more tags than characters.
        """
        text = as_text(words, "a sentence")
        numbers = [str(row[0] if np.ndim(row) else row) for row in crf_decode]
        if unknown := [number for number in numbers if number not in self.id2label_dict]:
            raise BadInput(f"the model answered tag {unknown[0]}, which tag.dic does not have")
        if len(numbers) != len(text):
            text = text.strip()  # as `process` numbered it
        if len(numbers) > len(text):
            raise BadInput(f"{len(numbers)} tags for a sentence of {len(text)} characters")
        tags = [self.id2label_dict[number] for number in numbers]
        starts = [k for k, tag in enumerate(tags) if k == 0 or tag.endswith("-B") or (tag == "O" != tags[k - 1])]
        return [text[start:end] for start, end in itertools.pairwise([*starts, len(tags)])]


class SentaReader:
    """Words to the numbers that the sentiment models of Senta take.

    Source: PaddlePaddle/Serving, paddle_serving_app/reader/senta_reader.py; equal.
    """

    def __init__(self, vocab_path: str | os.PathLike[str] = "", max_seq_len: int = 20) -> None:
        """Read the vocabulary.

        Args:
            vocab_path: UTF-8, on each line a word, a tab and its number; empty: `senta_vocab.txt`.
            max_seq_len: kept, without effect: nothing is cut or filled up.

        Raises:
            BadConfig: it cannot be used.
        """
        self.max_seq_len = max_seq_len
        self.word_dict = self.load_vocab(vocab_path)

    def load_vocab(self, vocab_path: str | os.PathLike[str]) -> dict[str, int]:
        """The numbers of a vocabulary's words, and one more for `<unk>`: their count."""
        path = vocab_path or "senta_vocab.txt"
        vocab: dict[str, int] = {}
        for at, line in enumerate(text_file.read_lines(path, _SENTA), 1):
            fields = line.strip().split("\t")
            if line.strip() and line.strip() not in vocab:
                # A number alone belongs to the empty word.
                word, number = fields[:2] if len(fields) > 1 else ("", fields[0])
                vocab[word] = text_file.number(number, path, at, _SENTA)
        vocab["<unk>"] = len(vocab)
        return vocab

    def process(self, cols: Any) -> list[int]:
        """The number of each word; of an unknown one the size of the vocabulary, `<unk>` counted.

        Args:
            cols: a list of words, or anything else that gives text by text.

        Raises:
            BadInput: it does not.
        """
        words = list(cols) if isinstance(cols, Iterable) else [cols]
        if wrong := [word for word in words if not isinstance(word, str)]:
            raise BadInput(f"words must be a list of text, got {type(wrong[0]).__name__}")
        return [self.word_dict.get(word, len(self.word_dict)) for word in words]


class IMDBDataset:
    """A film review to the numbers that the models of the IMDB tutorial take.

    Source: PaddlePaddle/Serving, paddle_serving_app/reader/imdb_reader.py; equal. What belonged to training
    (`run_from_stdin`, `infer_reader`) went with `paddle.fluid`.
    """

    # What separates words is a word too, but for the space.
    _pattern = re.compile(r"(;|,|\.|\?|!|\s|\(|\))")

    def __init__(self) -> None:
        """A vocabulary has to be loaded before it is used."""
        self._vocab: dict[str, int] = {}
        self._unk_id = -1

    def load_resource(self, dictfile: str | os.PathLike[str]) -> None:
        """Read a vocabulary: UTF-8, one word on each line, numbered from 0.

        Raises:
            BadConfig: it cannot be used.
        """
        self._vocab = {line.strip(): at for at, line in enumerate(text_file.read_lines(dictfile, _IMDB))}
        self._unk_id = len(self._vocab)

    def get_words_only(self, line: str | bytes) -> list[int]:
        """The numbers of a text, in lower case; of an unknown word the size of the vocabulary.

        Raises:
            BadConfig: no vocabulary is loaded.
            BadInput: neither text nor bytes.
        """
        if not self._vocab:
            raise BadConfig(f"no vocabulary is loaded: call load_resource with the path of {_IMDB}")
        text = as_text(line, "a review").lower().replace("<br />", " ").strip()
        return [self._vocab.get(word, self._unk_id) for word in self._pattern.split(text) if word and word != " "]

    def get_words_and_label(self, line: str | bytes) -> tuple[list[int], list[int]]:
        """The numbers of `TEXT | LABEL`, and the label in a list.

        Raises:
            BadInput: there is no number after the last `|`.
        """
        text, _, label = as_text(line, "a review").rpartition("|")
        numbers = self.get_words_only(text)
        try:
            return numbers, [int(label)]
        except ValueError as exc:
            raise BadInput(f"a review with its label is TEXT | NUMBER, got {label.strip()[:40]!r} at its end") from exc


def _numbered_tokens(path: str | os.PathLike[str]) -> dict[str, int]:
    vocabulary: dict[str, int] = {}
    for at, line in enumerate(text_file.read_lines(path, _BERT)):
        fields = line.strip().split("\t")
        if len(fields) > 2:
            raise BadConfig(f"{path}, line {at + 1}, has {len(fields)} fields; expected {_BERT}")
        vocabulary[fields[0].strip()] = text_file.number(fields[1], path, at + 1, _BERT) if len(fields) == 2 else at
    return vocabulary


def _mapping(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in text_file.read_pairs(path, _LAC):
        if key in found:
            raise BadConfig(f"{path} has {key[:40]!r} twice; expected {_LAC}")
        found[key] = value
    return found


def _reversed(names: Mapping[str, str], path: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    for number, name in names.items():
        if name in found:
            raise BadConfig(f"{path} has {name[:40]!r} twice; expected {_LAC}")
        found[name] = text_file.number(number, path, f"{number[:40]!r}", _LAC)
    return found
