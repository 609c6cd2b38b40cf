"""What a file is that is not a model; most cases are in test_source.py, where a user meets them."""

from pathlib import Path

import pytest

from paddle_serving_client.errors import BadModel
from paddle_serving_client.io import foreign


def test_no_file_is_taken_for_another_by_its_length(tmp_path: Path) -> None:
    path = tmp_path / "f"
    for length in range(1, 12):
        path.write_bytes(b"\x80" * length)
        assert "unknown kind" in foreign.describe_file(path)


def test_head_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 10_000)
    assert foreign.head_of(tmp_path / "f", tmp_path) == b"x" * foreign.HEAD_BYTES


def test_folders_are_marked(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    assert foreign.describe_folder(tmp_path) == "it holds sub/"


def test_head_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    with pytest.raises(BadModel, match="a folder, not a regular file"):
        foreign.head_of(tmp_path / "sub", tmp_path)
