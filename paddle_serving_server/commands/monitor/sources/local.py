"""A folder of this machine: a disk, or a file system of the network that is mounted."""

from pathlib import Path

from paddle_serving_client.errors import BadConfig, BadModel, Unreachable
from paddle_serving_client.manifest import open_regular
from paddle_serving_server.commands.monitor import source
from paddle_serving_server.commands.monitor.source import Remote

_MAX_FILES = 10_000


def check(remote: Remote) -> None:
    """See `Source.check`."""
    if not Path(remote.path).is_dir():
        raise BadConfig(f"--remote_path {remote.path}: there is no such folder")


def stamp(remote: Remote) -> str | None:
    """See `Source.stamp`."""
    try:
        seen = Path(remote.donefile).stat()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise Unreachable(f"{remote.donefile}: {exc.strerror}") from exc
    return f"{seen.st_mtime_ns} {seen.st_size} {seen.st_ino}"


def fetch(remote: Remote, into: Path) -> None:
    """See `Source.fetch`."""
    model = Path(remote.model)
    if not model.exists():
        raise Unreachable(f"{model}: there is no such file or folder")
    if remote.is_archive:
        with open_regular(model) as stream:
            source.save(stream, into, remote.max_bytes)
        return
    if not model.is_dir():
        raise Unreachable(f"{model}: a file; for an archive say --unpacked_filename")
    into.mkdir()
    left = remote.max_bytes
    for number, path in enumerate(sorted(model.rglob("*"))):
        if number >= _MAX_FILES:
            raise BadModel(f"{model}: more than {_MAX_FILES} files")
        place = into / path.relative_to(model)
        if path.is_symlink():
            raise BadModel(f"{path}: a link; a model folder has files")
        if path.is_dir():
            place.mkdir()
            continue
        with open_regular(path) as stream:
            left -= source.save(stream, place, left)
