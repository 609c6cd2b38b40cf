"""Unpacking a tar archive that somebody else made: plain files and folders inside one folder, within limits.

Nothing of the archive but names and contents is used: no owners, no modes, no times. Links, devices, absolute names,
and names that lead elsewhere are refused, and so is an archive that unpacks to more than the limits; the folder is
whole or it is not there.
"""

import bz2
import contextlib
import gzip
import lzma
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, cast

from paddle_serving_client.errors import BadModel
from paddle_serving_client.manifest import open_regular

MAX_BYTES = 64 << 30
MAX_FILES = 10_000
_MAX_READ = 1 << 20
"""Largest single read of a tar reader that is not misled: contents come in small pieces, headers are small."""
_MAX_NAME = 255
_MAX_DEPTH = 16
_ALWAYS_BYTES = 256 << 20
_FOREIGN = set("\\:\0")


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may unpack to."""

    total_bytes: int = MAX_BYTES
    files: int = MAX_FILES
    """Folders included."""
    ratio: int = 0
    """How many times as large as the archive its files may be, where they are larger than `_ALWAYS_BYTES`; 0: no rule.
    Weights hardly shrink; what grows a thousandfold is meant to fill a disk."""

    def beside(self, archive: Path) -> "Limits":
        """The same for one archive, by its size."""
        if not self.ratio:
            return self
        return replace(self, total_bytes=min(self.total_bytes, max(_ALWAYS_BYTES, self.ratio * archive.stat().st_size)))


_DEFAULT = Limits()


def unpack(archive: Path, into: Path, limits: Limits = _DEFAULT) -> None:
    """Unpack a tar archive: plain, or compressed by gzip, bzip2 or xz.

    Args:
        archive: the file.
        into: a folder that is not there yet; its parent is.
        limits: beyond them the archive is refused.

    Raises:
        BadModel: it is no such archive, damaged, over the limits, or holds what is no file or folder.
        OSError: the folder cannot be written.
    """
    limits = limits.beside(archive)
    with whole(into) as partial, open_regular(archive) as raw:
        try:
            _unpack(archive, _Bounded(archive, _decompressed(raw), limits), partial, limits)
        except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as exc:
            raise BadModel(f"{archive}: not a tar archive, or damaged: {exc}") from exc
        except OSError as exc:  # bzip2 says so; a disk that is full has a number
            if exc.errno is not None:
                raise
            raise BadModel(f"{archive}: not a tar archive, or damaged: {exc}") from exc


@contextlib.contextmanager
def whole(into: Path) -> Iterator[Path]:
    """A folder to fill, which gets its name when it is; it is gone where something is raised."""
    partial = Path(tempfile.mkdtemp(prefix=f".{into.name}.", suffix=".partial", dir=into.parent))
    try:
        yield partial
        partial.chmod(0o755)
        partial.rename(into)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


class _Bounded:
    """What a tar reader reads from: counted, and never much at once."""

    def __init__(self, archive: Path, stream: IO[bytes], limits: Limits) -> None:
        self._archive = archive
        self._stream = stream
        self._most = limits.total_bytes + limits.files * 4 * tarfile.BLOCKSIZE + tarfile.RECORDSIZE

    def read(self, size: int = -1) -> bytes:
        """As a file's."""
        if not 0 <= size <= _MAX_READ:
            raise BadModel(f"{self._archive}: a header of more than {_MAX_READ} bytes")
        return self._stream.read(size)

    def seek(self, offset: int) -> int:
        """To where the next header is expected."""
        if offset > self._most:
            raise BadModel(f"{self._archive}: unpacks to more than {self._most} bytes")
        return self._stream.seek(offset)

    def tell(self) -> int:
        """As a file's."""
        return self._stream.tell()


def _decompressed(raw: IO[bytes]) -> IO[bytes]:
    head = raw.read(6)
    raw.seek(0)
    if head.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw))
    if head.startswith(b"BZh"):
        return cast(IO[bytes], bz2.BZ2File(raw))
    if head.startswith(b"\xfd7zXZ"):
        return cast(IO[bytes], lzma.LZMAFile(raw))
    return raw


def _unpack(archive: Path, stream: _Bounded, into: Path, limits: Limits) -> None:
    count = total = 0
    with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r:") as tar:
        for member in tar:
            count += 1
            total += member.size
            if count > limits.files:
                raise BadModel(f"{archive}: more than {limits.files} files")
            if total > limits.total_bytes:
                raise BadModel(f"{archive}: unpacks to more than {limits.total_bytes} bytes")
            if not (member.isfile() or member.isdir()) or member.issparse():
                raise BadModel(not_a_file(archive, member.name))
            place = into.joinpath(*parts_of(archive, member.name, member.isfile()))
            try:
                (place if member.isdir() else place.parent).mkdir(parents=True, exist_ok=True)
                if not member.isdir():
                    content = tar.extractfile(member)
                    assert content is not None  # it is a file
                    with place.open("xb") as out:
                        shutil.copyfileobj(content, out)
            except (FileExistsError, IsADirectoryError, NotADirectoryError):
                raise BadModel(twice(archive, member.name)) from None
    if not count:
        raise BadModel(f"{archive}: an archive of nothing")


def not_a_file(archive: Path, name: str) -> str:
    """Words for a member that is not unpacked."""
    return f"{archive}: {name[:128]!r} is neither a file nor a folder; links and devices are not unpacked"


def twice(archive: Path, name: str) -> str:
    """Words for a name that is there already."""
    return f"{archive}: {name[:128]!r} is in it twice"


def parts_of(archive: Path, name: str, is_file: bool) -> list[str]:
    """The parts of a member's name, which can only be inside the folder.

    Raises:
        BadModel: it leads elsewhere, or no file could be called so.
    """
    shown = repr(name[:128])
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or _FOREIGN & set(name):
        raise BadModel(f"{archive}: {shown} leads out of the archive's folder")
    if len(parts) > _MAX_DEPTH or any(len(part.encode("utf-8", "surrogateescape")) > _MAX_NAME for part in parts):
        raise BadModel(f"{archive}: {shown} is a longer name than files have")
    if not parts and is_file:
        raise BadModel(f"{archive}: a file without a name")
    return parts
