"""Reads the program of a model folder: Paddle 1, 2 and 3, and ONNX.

The files come from outside: what does not have the form that Paddle or ONNX give them is a `BadModel`, never a guess.
"""

import functools
from pathlib import Path

from google.protobuf.message import DecodeError

from paddle_serving_app import model_files
from paddle_serving_app.program import onnx, paddle2, paddle3
from paddle_serving_app.program.operators import Program
from paddle_serving_client.errors import BadModel


def read(folder: Path) -> Program:
    """The program of the model that lies in a folder, as the library that loads it would find it.

    It is kept until another one is read, or `forget` is called: while a model is loaded, many ask.

    Raises:
        BadModel: there is no model, or it is not of the form of its kind.
    """
    path = model_files.paddle_program(folder) or model_files.onnx_model(folder)
    if path is None:
        raise BadModel(model_files.no_model(folder, "model"))
    return read_file(path)


def find(folder: Path) -> Program | None:
    """The same; None where it cannot be read. Whoever loads the model says what is wrong with it."""
    try:
        return read(folder)
    except (BadModel, OSError):
        return None


def read_file(path: Path) -> Program:
    """The operators of a Paddle program or an ONNX model.

    Raises:
        BadModel: it is missing, damaged, or of another kind.
    """
    try:
        found = path.stat()
        return _read_once(path, (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns))
    except OSError as exc:
        raise BadModel(f"{path}: {exc.strerror}") from exc
    except (DecodeError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as exc:
        raise BadModel(f"{path}: its operators cannot be read ({type(exc).__name__})") from exc


def forget() -> None:
    """Give back the memory of what was read last."""
    _read_once.cache_clear()


@functools.lru_cache(maxsize=1)
def _read_once(path: Path, identity: tuple[int, ...]) -> Program:
    """`identity` is another one when the file is."""
    content = path.read_bytes()
    if path.suffix == ".onnx":
        return onnx.read(content)
    return paddle3.read(content) if path.suffix == ".json" else paddle2.read(content)
