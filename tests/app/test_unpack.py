"""Archives that somebody else made: what is fine comes out whole, anything else leaves nothing."""

import gzip
import io
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from paddle_serving_app.unpack import Limits, unpack
from paddle_serving_client.errors import BadModel

Change = Callable[[tarfile.TarInfo], None]


def archive(path: Path, *members: tuple[str, bytes | None], mode: str = "w:gz", change: Change | None = None) -> Path:
    """A tar of files, and of folders where there is no content; `change` is done to the last one's header."""
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for number, (name, content) in enumerate(members):
            info = tarfile.TarInfo(name)
            info.size = len(content or b"")
            info.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            if change is not None and number == len(members) - 1:
                change(info)
            tar.addfile(info, io.BytesIO(content) if content is not None else None)
    return path


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_files_and_folders(tmp_path: Path, mode: str) -> None:
    big = bytes(range(256)) * 9000
    made = archive(tmp_path / "a", ("m", None), ("m/x", b"1"), ("./m/sub/y", big), ("m/empty", b""), mode=mode)
    unpack(made, tmp_path / "out")
    assert (tmp_path / "out/m/x").read_bytes() == b"1"
    assert (tmp_path / "out/m/sub/y").read_bytes() == big
    assert (tmp_path / "out/m/empty").read_bytes() == b""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "out"]


def _typed(kind: bytes, target: str = "") -> Change:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname, info.size = kind, target, 0

    return change


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("/etc/x", None, "'/etc/x' leads out"),
        ("../x", None, "'../x' leads out"),
        ("m/../../x", None, "leads out"),
        ("m\\x", None, "leads out"),
        ("C:x", None, "leads out"),
        ("x" * 300, None, "a longer name than files have"),
        ("/".join("x" * 20), None, "a longer name than files have"),
        (".", None, "without a name"),
        ("link", _typed(tarfile.SYMTYPE, "/etc/passwd"), "'link' is neither a file nor a folder"),
        ("link", _typed(tarfile.LNKTYPE, "first"), "neither"),
        ("pipe", _typed(tarfile.FIFOTYPE), "neither"),
        ("device", _typed(tarfile.CHRTYPE), "neither"),
        ("first", None, "'first' is in it twice"),
        ("first/below", None, "'first/below' is in it twice"),
    ],
)
def test_what_is_refused_leaves_nothing(tmp_path: Path, name: str, change: Change | None, words: str) -> None:
    made = archive(tmp_path / "a", ("first", b"1"), (name, b"2"), change=change)
    with pytest.raises(BadModel, match=words):
        unpack(made, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_owners_and_modes_are_not_taken_over(tmp_path: Path) -> None:
    def change(info: tarfile.TarInfo) -> None:
        info.mode, info.mtime, info.uid = 0o6777, 0, 0

    unpack(archive(tmp_path / "a", ("x", b"1"), change=change), tmp_path / "out")
    seen = (tmp_path / "out/x").stat()
    assert seen.st_mode & 0o6111 == 0
    assert seen.st_mtime > 0


def test_limits(tmp_path: Path) -> None:
    made = archive(tmp_path / "a", *((f"f{k}", b"12345") for k in range(5)))
    unpack(made, tmp_path / "fits", Limits(total_bytes=25, files=5))
    with pytest.raises(BadModel, match="unpacks to more than 24 bytes"):
        unpack(made, tmp_path / "out", Limits(total_bytes=24))
    with pytest.raises(BadModel, match="more than 4 files"):
        unpack(made, tmp_path / "out", Limits(files=4))


def test_bombs(tmp_path: Path) -> None:
    made = archive(tmp_path / "a", ("zeros", bytes(50 << 20)))
    assert made.stat().st_size < 1 << 20
    with pytest.raises(BadModel, match="unpacks to more than 1048576 bytes"):
        unpack(made, tmp_path / "out", Limits(total_bytes=1 << 20))
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 30 << 20
    (tmp_path / "b").write_bytes(gzip.compress(header.tobuf() + bytes(30 << 20)))
    with pytest.raises(BadModel, match="a header of more than 1048576 bytes"):
        unpack(tmp_path / "b", tmp_path / "out")


@pytest.mark.parametrize("keeps", [0, 1, 100, 600, 4000])
@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_what_was_cut_short_or_is_no_archive(tmp_path: Path, mode: str, keeps: int) -> None:
    content = random.Random(1).randbytes(20_000)
    made = archive(tmp_path / "a", ("x", content), mode=mode)
    made.write_bytes(made.read_bytes()[:keeps])
    with pytest.raises(BadModel, match="a: (not a tar archive, or damaged|an archive of nothing)"):
        unpack(made, tmp_path / "out")
    (tmp_path / "b").write_bytes(content)
    with pytest.raises(BadModel, match="b: not a tar archive"):
        unpack(tmp_path / "b", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
