"""An encrypted model folder as inference libraries can read it: decrypted into memory, never onto a disk.

Libraries want files with names. So the program and its parameters are decrypted into memory files (`memfd_create`),
which have no place in any file system, and a folder of links gives them their names. The links lead through
`/proc/PID/fd`, where only this user's processes (and root) may follow them, and to nothing once this process has ended.
"""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from paddle_serving_app import model_files
from paddle_serving_client import encryption, model_config
from paddle_serving_client.encryption import Role
from paddle_serving_client.errors import BadModel, MissingLibrary
from paddle_serving_client.io import foreign
from paddle_serving_client.io.formats import onnx, pir, program
from paddle_serving_client.io.source import FIELDS

_WRONG_KEY = "the key does not open it, or it is damaged"
_PARAMS = "model.pdiparams"


def is_encrypted(folder: Path) -> bool:
    """Whether the folder's model is encrypted: an encrypted one is there, and no other."""
    return (
        (folder / encryption.MODEL).is_file()
        and model_files.paddle_program(folder) is None
        and model_files.onnx_model(folder) is None
    )


def check_key(folder: Path, key: bytes) -> None:
    """See whether a key opens a folder's model; one that is not encrypted is opened by any.

    Raises:
        BadModel: it does not, or the model is damaged.
        MissingLibrary: `cryptography` is not installed.
    """
    if not is_encrypted(folder):
        return
    if encryption.is_old(folder / encryption.MODEL):
        with opened(folder, key):  # nothing but its content says whether it is right
            return
    encryption.read_head(folder / encryption.MODEL, key, Role.PROGRAM)


@contextlib.contextmanager
def opened(folder: Path, key: bytes | None) -> Iterator[Path]:
    """A folder with the model's files, readable until the end of the `with`: of a model that is not encrypted, its own.

    Raises:
        BadModel: the model is encrypted, and there is no key, or not the right one, or it is damaged.
        MissingLibrary: `cryptography` is not installed, or this system has no memory files.
    """
    if not is_encrypted(folder):
        yield folder
        return
    if key is None:
        raise BadModel(model_files.no_model(folder, "model"))
    if sys.platform != "linux":
        raise MissingLibrary("encrypted models are decrypted into memory files, which only Linux has")
    with contextlib.ExitStack() as undo:
        made = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="paddle_serving_decrypted_")))
        readable = made / folder.resolve().name
        readable.mkdir()
        _decrypt_into(readable, folder, key, undo)
        for name in (model_config.SERVER_CONFIG, FIELDS):
            if (folder / name).exists():
                shutil.copyfile(folder / name, readable / name)
        if encryption.is_old(folder / encryption.MODEL):
            _check_old(readable, folder)
        yield readable


def _decrypt_into(readable: Path, folder: Path, key: bytes, undo: contextlib.ExitStack) -> None:
    path, params = folder / encryption.MODEL, folder / encryption.PARAMS
    model = None if encryption.is_old(path) else encryption.read_head(path, key, Role.PROGRAM).model
    fd = _in_memory(path, key, Role.PROGRAM, None, undo)
    _link(fd, readable / _name_for(path, os.pread(fd, foreign.HEAD_BYTES, 0)))
    if not params.exists():
        return
    if encryption.is_old(params) is not (model is None):
        raise BadModel(f"{folder}: {path.name} and {params.name} were not encrypted together")
    _link(_in_memory(params, key, Role.PARAMS, model, undo), readable / _PARAMS)


def _in_memory(path: Path, key: bytes, role: Role, model: bytes | None, undo: contextlib.ExitStack) -> int:
    """Decrypt a file; the descriptor of what came out."""
    fd = os.memfd_create(path.name, os.MFD_CLOEXEC)
    undo.callback(os.close, fd)
    for piece in encryption.decrypted(path, key, role, model):
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(fd, rest) :]
    return fd


def _link(fd: int, name: Path) -> None:
    name.symlink_to(f"{model_files.IN_MEMORY}{os.getpid()}/fd/{fd}")


def _name_for(path: Path, head: bytes) -> str:
    """The name that libraries expect of such a model: encrypted, all are called the same."""
    if pir.claims(head):
        return "model.json"
    if program.claims(head):
        return "model.pdmodel"
    if onnx.claims(head):
        return "model.onnx"
    raise BadModel(f"{path}: {_WRONG_KEY}: what came out is no model")


def _check_old(readable: Path, folder: Path) -> None:
    """What Paddle Serving 0.9 encrypted tells a wrong key by its content alone."""
    try:
        if (path := model_files.onnx_model(readable)) is not None:
            model_files.check_onnx(path)
        else:
            model_files.read_paddle(readable)
    except BadModel as exc:
        raise BadModel(f"{folder / encryption.MODEL}: {_WRONG_KEY}: {exc}") from exc
