"""An FTP server."""

import contextlib
import ftplib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from paddle_serving_client.errors import BadConfig, BadModel, ServingError, Unreachable
from paddle_serving_server.commands.monitor import source
from paddle_serving_server.commands.monitor.source import Remote

_NO_SUCH_FILE = "550"
_MAX_FILES = 10_000


def check(remote: Remote) -> None:
    """See `Source.check`."""
    if not remote.ftp_host:
        raise BadConfig("--type ftp needs --ftp_host")


def stamp(remote: Remote) -> str | None:
    """See `Source.stamp`."""
    with _connected(remote) as ftp:
        changed = _changed(ftp, remote.donefile)
        digest = hashlib.sha256()
        left = source.MAX_STAMP_BYTES

        def take(piece: bytes) -> None:
            nonlocal left
            digest.update(piece[:left])
            if (left := left - len(piece)) < 0:
                raise Unreachable(f"{remote.donefile}: more than {source.MAX_STAMP_BYTES} bytes for a done file")

        try:
            ftp.retrbinary(f"RETR {remote.donefile}", take)
        except ftplib.error_perm as exc:
            if str(exc).startswith(_NO_SUCH_FILE):
                return None
            raise
    return f"{changed} {digest.hexdigest()}"


def fetch(remote: Remote, into: Path) -> None:
    """See `Source.fetch`."""
    with _connected(remote) as ftp:
        if remote.is_archive:
            _get(ftp, remote.model, into, remote.max_bytes)
            return
        into.mkdir()
        ftp.cwd(remote.model)
        left = remote.max_bytes
        names = ftp.nlst()
        if len(names) > _MAX_FILES:
            raise BadModel(f"{remote.model}: more than {_MAX_FILES} files")
        for name in names:
            if name in ("", ".", "..") or set("/\\\0") & set(name):
                raise BadModel(f"{remote.model}: {name[:128]!r} is not the name of a file")
            left -= _get(ftp, name, into / name, left)


def _get(ftp: ftplib.FTP, name: str, into: Path, max_bytes: int) -> int:
    ftp.voidcmd("TYPE I")
    connection, size = ftp.ntransfercmd(f"RETR {name}")
    with connection, connection.makefile("rb") as stream:
        if size is not None and size > max_bytes:
            raise BadModel(f"{name}: {size} bytes, more than {max_bytes} (--max_bytes)")
        done = source.save(stream, into, max_bytes, size)
    ftp.voidresp()
    return done


def _changed(ftp: ftplib.FTP, name: str) -> str:
    """When a file was changed, where the server says it: not all do."""
    with contextlib.suppress(ftplib.error_perm):
        return ftp.voidcmd(f"MDTM {name}").rpartition(" ")[2]
    return ""


@contextlib.contextmanager
def _connected(remote: Remote) -> Iterator[ftplib.FTP]:
    where = f"ftp://{remote.ftp_host}:{remote.ftp_port}"
    try:
        with ftplib.FTP(timeout=source.TIMEOUT_S) as ftp:
            ftp.connect(remote.ftp_host, remote.ftp_port)
            ftp.login(remote.ftp_username, remote.ftp_password)
            yield ftp
    except ServingError:
        raise
    except ftplib.Error as exc:
        raise Unreachable(f"{where}: {exc}") from exc
    except (OSError, EOFError, ValueError) as exc:
        raise Unreachable(f"{where}: {exc or type(exc).__name__}") from exc
