"""The text readers give what Paddle Serving's gave: `record_text.py` recorded it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_app.ops.text_readers import ChineseBertReader, IMDBDataset, LACReader, SentaReader
from paddle_serving_client.errors import BadConfig, BadInput

RECORDED: dict[str, Any] = json.loads((Path(__file__).parents[2] / "data" / "ops" / "text.json").read_text())
FILES = ("vocab.txt", "numbered.txt", "word.dic", "tag.dic", "q2b.dic", "senta.txt", "imdb.vocab")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The vocabularies of the recording."""
    made = tmp_path_factory.mktemp("vocabularies")
    for name in FILES:
        (made / name).write_bytes(RECORDED[name].encode("utf-8"))
    return made


@pytest.fixture(scope="module")
def lac(folder: Path) -> LACReader:
    return LACReader(str(folder))


@pytest.fixture(scope="module")
def senta(folder: Path) -> SentaReader:
    return SentaReader(folder / "senta.txt")


@pytest.fixture(scope="module")
def imdb(folder: Path) -> IMDBDataset:
    loaded = IMDBDataset()
    loaded.load_resource(folder / "imdb.vocab")
    return loaded


def changed(folder: Path, goal: Path, **contents: str) -> Path:
    """The files of the recording, some with other content: `word="..."` is that of word.dic."""
    for name in FILES:
        (goal / name).write_text(contents.get(name.partition(".")[0], RECORDED[name]), encoding="utf-8")
    return goal


class TestBert:
    @pytest.mark.parametrize(
        ("name", "size"), [("vocab.txt", 32), ("vocab.txt", 5), ("vocab.txt", 2), ("numbered.txt", 8)]
    )
    def test_as_the_original(self, folder: Path, name: str, size: int) -> None:
        reader = ChineseBertReader({"vocab_file": str(folder / name), "max_seq_len": size})
        recorded = [(line, found) for of, at, line, found in RECORDED["bert"] if (of, at) == (name, size)]
        assert len(recorded) > 20
        for line, expected in recorded:
            found = reader.process(bytes(line) if isinstance(line, list) else line)
            assert list(found) == ["input_ids", "position_ids", "segment_ids", "input_mask"]
            assert list(found.values()) == expected, line

    def test_numbers_and_names_of_the_original(self, folder: Path) -> None:
        reader = ChineseBertReader({"vocab_file": folder / "numbered.txt"})
        assert (reader.pad_id, reader.cls_id, reader.sep_id, reader.mask_id) == (10, 3, 4, 5)
        assert reader.max_seq_len == len(reader.process("今")["input_ids"]) == 20
        reader.set_feed_keys(["a", "b", "c", "d"])
        assert list(reader.process("今")) == reader.get_feed_keys() == ["a", "b", "c", "d"]
        with pytest.raises(BadConfig, match="four names"):
            reader.set_feed_keys(["a"])

    @pytest.mark.parametrize(
        ("args", "message"),
        [
            (None, r'needs \{"vocab_file": "PATH"\}: a WordPiece vocabulary'),
            ({"vocab_file": ""}, "needs"),
            ({"vocab_file": "nowhere.txt"}, "nowhere.txt cannot be read: No such file.* comes with the trained BERT"),
            ({"vocab_file": "x", "max_seq_len": 1}, "max_seq_len must be a number of at least 2, got 1"),
            ({"vocab_file": "x", "max_seq_len": "20"}, "got '20'"),
        ],
    )
    def test_wrong_arguments(self, args: Any, message: str) -> None:
        with pytest.raises(BadConfig, match=message):
            ChineseBertReader(args)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("[PAD]\n[CLS]\n[SEP]\n[MASK]\n", r"has no \[UNK\]"),
            ("a\nb\n", r"has no \[PAD\], \[CLS\]"),
            ("[PAD]\tzero\n", "line 1: 'zero' is no number"),
            ("a\t1\t2\n", "line 1, has 3 fields"),
        ],
    )
    def test_what_is_no_vocabulary(self, folder: Path, tmp_path: Path, content: str, message: str) -> None:
        changed(folder, tmp_path, vocab=content)
        with pytest.raises(BadConfig, match=message):
            ChineseBertReader({"vocab_file": tmp_path / "vocab.txt"})

    def test_a_line_that_is_no_text(self, folder: Path) -> None:
        with pytest.raises(BadInput, match="got list"):
            ChineseBertReader({"vocab_file": folder / "vocab.txt"}).process(["今"])  # type: ignore[arg-type]


class TestLac:
    def test_as_the_original(self, lac: LACReader) -> None:
        assert [lac.vocab_size, lac.num_labels] == RECORDED["lac_sizes"]
        for sentence, expected in RECORDED["lac"]:
            assert lac.process(sentence) == lac.process(sentence.encode()) == expected, sentence
        labels, expected = RECORDED["lac_labels"]
        assert lac.label_to_ids(labels) == expected

    def test_words_as_the_original(self, lac: LACReader) -> None:
        for text, tags, expected in RECORDED["lac_words"]:
            output = np.array(tags, np.int64).reshape(-1, 1)
            assert lac.parse_result(text, output) == expected, (text, tags)
            assert lac.parse_result(text, output[:, 0]) == lac.parse_result(text.encode(), output.tolist()) == expected

    def test_a_word_ends_where_the_tag_o_begins(self, lac: LACReader) -> None:
        assert lac.parse_result("今天气很", [[0], [5], [5], [0]]) == ["今", "天气", "很"]
        assert lac.parse_result("今天气", [[0], [1], [5]]) == ["今天", "气"]

    def test_white_space_around_a_sentence_has_no_tags(self, lac: LACReader) -> None:
        tags = [[0]] * len(lac.process("  今天 \n"))
        assert lac.parse_result("  今天 \n", tags) == ["今", "天"]

    @pytest.mark.parametrize(
        ("tags", "message"), [([[99], [0]], "tag 99, which tag.dic"), ([[0]] * 3, "3 tags for a sentence of 2")]
    )
    def test_an_answer_that_does_not_fit(self, lac: LACReader, tags: list[list[int]], message: str) -> None:
        with pytest.raises(BadInput, match=message):
            lac.parse_result("今天", tags)

    @pytest.mark.parametrize(
        ("contents", "message"),
        [
            ({"word": "0\t今\n"}, "word.dic has no OOV"),
            ({"word": "0\tOOV\n0\t今\n"}, "word.dic has '0' twice"),
            ({"word": "0\tOOV\n1\tOOV\n"}, "word.dic has 'OOV' twice"),
            ({"word": "x\tOOV\n"}, "'x' is no number"),
            ({"tag": "no tags\n"}, "tag.dic has no tags"),
            ({"q2b": ""}, "q2b.dic is empty; expected one of the three dictionaries"),
        ],
    )
    def test_what_is_no_dictionary(self, folder: Path, tmp_path: Path, contents: dict[str, str], message: str) -> None:
        with pytest.raises(BadConfig, match=message):
            LACReader(changed(folder, tmp_path, **contents))

    def test_the_folder_of_old_scripts(self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(
            BadConfig, match="lac_dict/word.dic cannot be read: No such file.*that come with the trained"
        ):
            LACReader()
        (tmp_path / "lac_dict").symlink_to(folder)
        assert LACReader().vocab_size == RECORDED["lac_sizes"][0]


class TestSenta:
    def test_as_the_original(self, senta: SentaReader) -> None:
        for words, expected in RECORDED["senta"]:
            assert senta.process(words) == expected, words

    def test_an_unknown_word_is_the_size_of_the_vocabulary(self, senta: SentaReader) -> None:
        assert senta.process(["no such word"]) == [len(senta.word_dict)]
        assert senta.word_dict["<unk>"] == len(senta.word_dict) - 1

    @pytest.mark.parametrize(("words", "kind"), [(3, "int"), (None, "NoneType"), ([3], "int"), (b"a", "int")])
    def test_what_is_no_list_of_words(self, senta: SentaReader, words: Any, kind: str) -> None:
        with pytest.raises(BadInput, match=f"list of text, got {kind}"):
            senta.process(words)

    def test_files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(
            BadConfig, match="senta_vocab.txt cannot be read: No such file.*comes with the trained Senta"
        ):
            SentaReader()
        (tmp_path / "senta_vocab.txt").write_text("a\t4\n\nb\t5\n")
        assert SentaReader().process("ab") == [4, 5]
        (tmp_path / "senta_vocab.txt").write_text("a\t4\nb\tfive\n")
        with pytest.raises(BadConfig, match="line 2: 'five' is no number"):
            SentaReader()


class TestImdb:
    def test_as_the_original(self, imdb: IMDBDataset) -> None:
        for review, expected in RECORDED["imdb"]:
            assert imdb.get_words_only(review) == imdb.get_words_only(review.encode()) == expected, review
        for line, words, label in RECORDED["imdb_labelled"]:
            assert imdb.get_words_and_label(line) == (words, label), line

    @pytest.mark.parametrize("line", ["the film", "the film |", "the | film", ""])
    def test_a_review_without_a_label(self, imdb: IMDBDataset, line: str) -> None:
        with pytest.raises(BadInput, match="TEXT . NUMBER, got"):
            imdb.get_words_and_label(line)

    def test_without_a_vocabulary(self, tmp_path: Path) -> None:
        dataset = IMDBDataset()
        for call in (dataset.get_words_only, dataset.get_words_and_label):
            with pytest.raises(BadConfig, match="no vocabulary is loaded"):
                call("the film | 1")
        with pytest.raises(BadConfig, match=r"imdb\.vocab cannot be read"):
            dataset.load_resource(tmp_path / "imdb.vocab")
