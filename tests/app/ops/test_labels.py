from pathlib import Path

import numpy as np
import pytest

from paddle_serving_app.ops.labels import MAX_LABELS, color_map, read_labels
from paddle_serving_client.errors import BadConfig
from tests.app.ops.recorded import recorded


def test_lines_are_labels(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_bytes("\ufeff背景\r\n person \n\nlast".encode())
    assert read_labels(file) == ["背景", "person", "", "last"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"good\n" + b"x" * 201 + b"\n", "line 2 has more than 200"),
        (b"x" * 5_000_000, "line 1 has more than 200"),
        (b"a\nb\0c\n", "line 2 is no text"),
        (b"\xff\xfe\n", "not UTF-8"),
        (b"a\n" * (MAX_LABELS + 1), "more than 100,000 lines"),
    ],
)
def test_what_is_no_label_file(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "labels.txt"
    file.write_bytes(content)
    with pytest.raises(BadConfig, match=message):
        read_labels(file)


def test_a_label_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="No such file"):
        read_labels(tmp_path / "labels.txt")
    with pytest.raises(BadConfig, match="directory"):
        read_labels(tmp_path)


def test_colors_as_the_original() -> None:
    assert np.array_equal(color_map(256), recorded("masks")["colors.out"])
    assert color_map(21)[15].tolist() == [192, 128, 128]  # a person, in the palette of Pascal VOC
    for count in (0, MAX_LABELS + 1):
        with pytest.raises(BadConfig):
            color_map(count)
