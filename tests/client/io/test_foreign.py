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


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (
            ("config.json", "model.safetensors", "tokenizer.json"),
            "a model of Hugging Face; export it to ONNX",
        ),
        (("saved_model.pb", "variables"), "a TensorFlow SavedModel, whose saved_model.pb is empty or damaged"),
        (("config.pbtxt", "1"), "a model of a Triton repository"),
        (("serving_client_conf.prototxt",), "the folder for clients; give the server's"),
        (("adapter.safetensors",), "weights without the program"),
    ],
)
def test_what_people_often_have_is_known(tmp_path: Path, names: tuple[str, ...], hint: str) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert f"({hint}" in foreign.describe_folder(tmp_path)


def test_files_without_a_mark_are_known_by_their_endings(tmp_path: Path) -> None:
    for name, words in (
        ("frozen.pb", "TensorFlow graph"),
        ("net.engine", "TensorRT"),
        ("w.pdiparams", "parameters"),
    ):
        (tmp_path / name).write_bytes(b"\x00\x01\x02")
        assert words in foreign.describe_file(tmp_path / name)
