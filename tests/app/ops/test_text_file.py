from pathlib import Path

import pytest

from paddle_serving_app.ops import text_file
from paddle_serving_app.ops.text_file import read_lines, read_pairs
from paddle_serving_client.errors import BadConfig


def written(folder: Path, content: bytes) -> Path:
    file = folder / "words.txt"
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("content", ["\ufeff今 \na\n\nb\n", "今 \r\na\r\n\r\nb", "今 \ra\r\rb"])
def test_lines_of_every_kind(tmp_path: Path, content: str) -> None:
    assert read_lines(written(tmp_path, content.encode()), "words") == ["今 ", "a", "", "b"]


def test_pairs_are_lines_with_one_tab(tmp_path: Path) -> None:
    assert list(read_pairs(written(tmp_path, b"a\t1\nb\nc\t2\t3\n \t \n"), "pairs")) == [("a", "1"), (" ", " ")]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"a\xff", "is not UTF-8 text .byte 1."), (b"a\0b\n", "is no text"), (b"x" * 101, "has more")],
)
def test_what_is_no_such_file(tmp_path: Path, content: bytes, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_file, "MAX_BYTES", 100)
    with pytest.raises(BadConfig, match=rf"words\.txt {message}.*; expected a list of words"):
        read_lines(written(tmp_path, content), "a list of words")


def test_too_many_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_file, "MAX_LINES", 3)
    assert len(read_lines(written(tmp_path, b"\n\n\n"), "words")) == 3
    with pytest.raises(BadConfig, match="3 lines"):
        read_lines(written(tmp_path, b"\n\n\n\n"), "words")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"no\.txt cannot be read: No such file or directory; expected a list"):
        read_lines(tmp_path / "no.txt", "a list")
