"""Zip archives that somebody else made: what is fine comes out whole, anything else leaves nothing."""

import stat
import zipfile
from pathlib import Path

import pytest

from paddle_serving_app import unpack_zip
from paddle_serving_app.unpack import Limits
from paddle_serving_client.errors import BadModel


def archive(path: Path, *members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED, mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", method) as made:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type, info.external_attr = method, mode << 16
            made.writestr(info, content)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_files_and_folders(tmp_path: Path, method: int) -> None:
    big = bytes(range(256)) * 9000
    made = archive(tmp_path / "a", ("x", b"1"), ("sub/", b""), ("./sub/y", big), method=method)
    assert unpack_zip.is_zip(made)
    unpack_zip.unpack(made, tmp_path / "out")
    assert (tmp_path / "out/x").read_bytes() == b"1"
    assert (tmp_path / "out/sub/y").read_bytes() == big
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "out"]


@pytest.mark.parametrize(
    ("name", "mode", "method", "words"),
    [
        ("/etc/x", 0, zipfile.ZIP_STORED, "leads out"),
        ("../x", 0, zipfile.ZIP_STORED, "leads out"),
        ("m/../../x", 0, zipfile.ZIP_STORED, "leads out"),
        ("C:x", 0, zipfile.ZIP_STORED, "leads out"),
        ("x" * 300, 0, zipfile.ZIP_STORED, "a longer name than files have"),
        ("link", stat.S_IFLNK | 0o777, zipfile.ZIP_STORED, "'link' is neither a file nor a folder"),
        ("pipe", stat.S_IFIFO, zipfile.ZIP_STORED, "is neither a file nor a folder"),
        ("first", 0, zipfile.ZIP_STORED, "'first' is in it twice"),
        ("first/x", 0, zipfile.ZIP_STORED, "is in it twice"),
        ("x", 0, zipfile.ZIP_LZMA, "compressed by method 14"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_is_no_plain_file_is_refused(tmp_path: Path, name: str, mode: int, method: int, words: str) -> None:
    made = archive(tmp_path / "a", ("first", b"1"))
    with zipfile.ZipFile(made, "a") as opened:
        info = zipfile.ZipInfo(name)
        info.external_attr, info.compress_type = mode << 16, method
        opened.writestr(info, b"/etc/passwd")
    with pytest.raises(BadModel, match=words):
        unpack_zip.unpack(made, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_is_too_much_is_refused(tmp_path: Path) -> None:
    made = archive(tmp_path / "a", *((f"f{k}", bytes(1000)) for k in range(5)))
    for limits, words in ((Limits(files=4), "more than 4 files"), (Limits(total_bytes=4000), "more than 4000 bytes")):
        with pytest.raises(BadModel, match=words):
            unpack_zip.unpack(made, tmp_path / "out", limits)
    bomb = archive(tmp_path / "b", ("zeros", bytes(300 << 20)))
    with pytest.raises(BadModel, match="unpacks to more than 268435456 bytes"):
        unpack_zip.unpack(bomb, tmp_path / "out", Limits(ratio=200))
    assert not (tmp_path / "out").exists()


def test_an_archive_that_lies_about_its_sizes_is_refused(tmp_path: Path) -> None:
    made = archive(tmp_path / "a", ("f", bytes(100_000)))
    content = bytearray(made.read_bytes())
    for start, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):  # the size that a file has, in both places
        at = content.index(start) + offset
        content[at : at + 4] = (10).to_bytes(4, "little")
    made.write_bytes(content)
    with pytest.raises(BadModel, match="not a zip archive, or damaged"):
        unpack_zip.unpack(made, tmp_path / "out", Limits(total_bytes=1000))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"PK\x03\x04" + bytes(100)])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(BadModel, match="not a zip archive, or damaged"):
        unpack_zip.unpack(tmp_path / "a", tmp_path / "out")
