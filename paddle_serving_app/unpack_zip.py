"""Unpacking a zip archive that somebody else made, under the rules of `unpack`."""

import stat
import zipfile
import zlib
from pathlib import Path

from paddle_serving_app.unpack import Limits, not_a_file, parts_of, twice, whole
from paddle_serving_client.errors import BadModel
from paddle_serving_client.manifest import open_regular

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1
_PIECE_BYTES = 1 << 20
_DEFAULT = Limits()


def is_zip(path: Path) -> bool:
    """Whether a file begins as a zip archive does.

    Raises:
        BadModel: it is no file that can be read.
    """
    with open_regular(path) as stream:
        return stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def unpack(archive: Path, into: Path, limits: Limits = _DEFAULT) -> None:
    """Unpack a zip archive; see `unpack.unpack`.

    Raises:
        BadModel: it is no zip archive, damaged, over the limits, or holds what is no file or folder.
        OSError: the folder cannot be written.
    """
    limits = limits.beside(archive)
    with whole(into) as partial, open_regular(archive) as stream:
        try:
            with zipfile.ZipFile(stream) as opened:
                _unpack(archive, opened, partial, limits)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as exc:
            if isinstance(exc, BadModel):
                raise
            raise BadModel(f"{archive}: not a zip archive, or damaged: {exc}") from exc


def _unpack(archive: Path, opened: zipfile.ZipFile, into: Path, limits: Limits) -> None:
    members = opened.infolist()
    if not members:
        raise BadModel(f"{archive}: an archive of nothing")
    if len(members) > limits.files:
        raise BadModel(f"{archive}: more than {limits.files} files")
    if sum(member.file_size for member in members) > limits.total_bytes:
        raise BadModel(f"{archive}: unpacks to more than {limits.total_bytes} bytes")
    room = limits.total_bytes
    for member in members:
        _refuse_odd(archive, member)
        place = into.joinpath(*parts_of(archive, member.filename, not member.is_dir()))
        try:
            (place if member.is_dir() else place.parent).mkdir(parents=True, exist_ok=True)
            if not member.is_dir():
                room -= _write(archive, opened, member, place, room)
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            raise BadModel(twice(archive, member.filename)) from None


def _refuse_odd(archive: Path, member: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind and kind not in (stat.S_IFREG, stat.S_IFDIR):
        raise BadModel(not_a_file(archive, member.filename))
    if member.flag_bits & _ENCRYPTED:
        raise BadModel(f"{archive}: {member.filename[:128]!r} is encrypted")
    if member.compress_type not in _METHODS:
        raise BadModel(f"{archive}: {member.filename[:128]!r} is compressed by method {member.compress_type}")


def _write(archive: Path, opened: zipfile.ZipFile, member: zipfile.ZipInfo, place: Path, room: int) -> int:
    """Write one file, in pieces; what comes out counts, whatever the archive says of its size."""
    done = 0
    with opened.open(member) as content, place.open("xb") as out:
        while piece := content.read(_PIECE_BYTES):
            done += len(piece)
            if done > room:
                raise BadModel(f"{archive}: unpacks to more than its limit")
            out.write(piece)
    return done
