"""Putting a new model in the place of an old one: checked first, then in one step."""

import contextlib
import ctypes
import errno
import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

from paddle_serving_app import decrypted, model_files
from paddle_serving_client import manifest, model_config
from paddle_serving_client.errors import BadModel

logger = logging.getLogger(__name__)

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_CANNOT_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EXDEV, errno.EBUSY)


def check(folder: Path) -> None:
    """See whether a folder holds a whole model; it is not loaded.

    Raises:
        BadModel: it does not.
        BadConfig: its config cannot be read.
    """
    logger.info("%s", manifest.verify(folder))
    try:
        model_config.read(folder)
    except FileNotFoundError as exc:
        raise BadModel(f"{folder.name} has no {model_config.SERVER_CONFIG}; it is no Serving model folder") from exc
    if decrypted.is_encrypted(folder):
        return  # who serves it has the key
    if (onnx := model_files.onnx_model(folder)) is not None:
        model_files.check_onnx(onnx)
    else:
        model_files.read_paddle(folder)


def install(new: Path, live: Path, time_file: str) -> None:
    """Put a folder in the place of another, and change the time of its time file, all in one step.

    Whoever looks finds the old model or the new one, whole. What servers keep in the old folder moves along. Where
    folders cannot be exchanged (a mount point, a folder of a container's image, another system than Linux) the files
    are replaced one after the other, the manifest and the time file last: until then nobody takes it for whole.

    Args:
        new: the new folder, on the same file system; it is gone afterwards.
        live: the folder that servers read; it may not be there yet. Where it is a link, what it leads to is replaced.
        time_file: name of the file whose time says that there is a new model.

    Raises:
        OSError: it cannot be done; the old folder is there as it was.
    """
    live = Path(os.path.realpath(live))
    (new / time_file).touch()
    os.utime(new / time_file)
    with _undisturbed():
        if not live.exists():
            live.parent.mkdir(parents=True, exist_ok=True)
            new.rename(live)
            return
        try:
            _exchange(new, live)
        except OSError as exc:
            if exc.errno not in _CANNOT_EXCHANGE:
                raise
            _replace_files(new, live, time_file)
            return
        for kept in new.iterdir():  # what is hidden belongs to servers: plans, converted models
            if kept.name.startswith(".") and not os.path.lexists(live / kept.name):
                with contextlib.suppress(OSError):
                    kept.rename(live / kept.name)
        shutil.rmtree(new, ignore_errors=True)


def is_same(new: Path, live: Path) -> bool:
    """Whether two folders hold the same model, as far as their manifests and configs say."""
    names = (manifest.NAME, model_config.SERVER_CONFIG)
    try:
        return all((new / name).read_bytes() == (live / name).read_bytes() for name in names)
    except OSError:
        return False


def _exchange(one: Path, other: Path) -> None:
    """Let two folders change places in one step.

    Raises:
        OSError: the system cannot, or not these two.
    """
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(other)) from None
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(other))


def _replace_files(new: Path, live: Path, time_file: str) -> None:
    last = [manifest.NAME, time_file]
    names = [str(path.relative_to(new)) for path in sorted(new.rglob("*")) if path.is_file()]
    stale = set(manifest.listed(live)) - set(names)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=live) as partial:  # in the folder: it may be a disk of its own
        for name in names:
            (Path(partial) / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(new / name, Path(partial) / name)
        for name in sorted(names, key=lambda name: (name in last, last.index(name) if name in last else 0)):
            if name == manifest.NAME:
                for old in stale:
                    (live / old).unlink(missing_ok=True)
            (live / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(Path(partial) / name, live / name)
    shutil.rmtree(new, ignore_errors=True)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """A signal that asks to stop waits for the end of the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
