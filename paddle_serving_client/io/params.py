"""Paddle's parameter files, checked against the program they belong to without reading the values.

One record per parameter, little-endian: u32 version 0; u64 number of LoD levels, each a u64 length and its bytes; u32
tensor version 0; i32 length of a TensorDesc (element type, dims); the TensorDesc; the values. Paddle 1 wrote one file
per parameter, named after it; later ones hold all records one after the other, sorted by name, without the names.
"""

import math
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from paddle_serving_client import dtype
from paddle_serving_client.errors import BadModel
from paddle_serving_client.io.foreign import describe_folder
from paddle_serving_client.io.var_type import bytes_of, code_of
from paddle_serving_client.manifest import open_inside, open_regular
from paddle_serving_client.wire.proto import framework_pb2 as pb

COMBINED_ENDINGS = (".pdiparams", "__params__", "params")
DEFAULT_NAME = "params.pdiparams"

_MAX_DESC_BYTES = 1 << 12
_MAX_RANK = 32
_U32_U64 = struct.Struct("<IQ")
_U64 = struct.Struct("<Q")
_U32_I32 = struct.Struct("<Ii")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter as the program declares it."""

    name: str
    dims: tuple[int, ...]
    """-1: not fixed."""


def locate(folder: Path, model: str, params: str | None, parameters: Sequence[Parameter]) -> tuple[Path, ...]:
    """Find the file or files of a program's parameters, and check that they are whole and its own.

    Args:
        folder: where the model is.
        model: name of its program; the parameter file usually has the same stem.
        params: name of the parameter file; None: find it, or one file per parameter.
        parameters: what the program declares, in any order.

    Returns:
        The files that, one after the other, make the combined parameter file; none where the program has no parameters.

    Raises:
        BadModel: a file is missing, cut short, too long, or holds other parameters.
    """
    parameters = sorted(parameters, key=lambda parameter: parameter.name)
    if params is None:
        params = _find_combined(folder, model)
    if params is not None:
        if not (folder / params).exists():
            raise BadModel(f"{folder} has no file {params!r}: {describe_folder(folder)}")
        with open_regular(folder / params) as stream:
            _check(stream, folder / params, parameters)
        return (folder / params,)
    missing = [parameter.name for parameter in parameters if not os.path.lexists(folder / parameter.name)]
    if missing:
        usual = f"{PurePath(model).stem}.pdiparams or __params__"
        raise BadModel(
            f"{folder / model} has {_listed([p.name for p in parameters])}, but there is no {usual}, and no file for "
            f"{_listed(missing)}: {describe_folder(folder)}"
        )
    for parameter in parameters:
        with open_inside(folder, parameter.name) as stream:
            _check(stream, folder / parameter.name, [parameter])
    return tuple(folder / parameter.name for parameter in parameters)


def combined_name(model: str, source: tuple[Path, ...], wanted: str | None) -> str:
    """The name of the combined file in the server folder, one that libraries look for."""
    name = PurePath(wanted).name if wanted else None
    if name is None and len(source) == 1 and source[0].suffix == ".pdiparams":
        name = source[0].name
    if name is None:
        name = "__params__" if model == "__model__" else DEFAULT_NAME
    return name if name.endswith(COMBINED_ENDINGS) else f"{name}.pdiparams"


def record(dims: Sequence[int], var_type: int, values: bytes) -> bytes:
    """One record of a parameter file."""
    desc = pb.VarType.TensorDesc(data_type=var_type, dims=dims).SerializeToString()
    return _U32_U64.pack(0, 0) + _U32_I32.pack(0, len(desc)) + desc + values


def _find_combined(folder: Path, model: str) -> str | None:
    usual = [f"{PurePath(model).stem}.pdiparams", "__params__", "params"]
    others = sorted(path.name for path in folder.glob("*.pdiparams"))
    names = usual + (others if len(others) == 1 else [])
    return next((name for name in names if (folder / name).is_file()), None)


def _check(stream: BufferedReader, path: Path, parameters: Sequence[Parameter]) -> None:
    size = os.fstat(stream.fileno()).st_size
    for done, parameter in enumerate(parameters):
        where = f"{path}: at parameter {parameter.name!r} ({done + 1} of {len(parameters)})"
        if stream.tell() == size:
            raise BadModel(f"{where}: the file ends; it is cut short or belongs to another model")
        dims, _, length = _header(stream, size, where)
        _skip(stream, length, size, where)
        fixed = -1 not in parameter.dims
        if fixed and math.prod(dims) != math.prod(parameter.dims):
            raise BadModel(
                f"{where}: shape {list(dims)}, but the program says {list(parameter.dims)}; these are another model's"
            )
    if left := size - stream.tell():
        raise BadModel(
            f"{path}: {left} bytes are left after all {len(parameters)} parameters of the program; these are another "
            f"model's, or the file is damaged"
        )


def floats(path: Path) -> Iterator[npt.NDArray[np.floating[Any]]]:
    """The values of each parameter of a file, in order; those of types that numpy has no float for are left out.

    Raises:
        BadModel: the file cannot be read.
    """
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        while stream.tell() < size:
            where = f"{path}: at byte {stream.tell()}"
            _, var_type, length = _header(stream, size, where)
            kind = dtype.numpy_of(code_of(var_type))
            if kind is not None and kind.kind == "f":
                yield np.frombuffer(_exactly(stream, length, where), kind)
            else:
                _skip(stream, length, size, where)


def _header(stream: BufferedReader, size: int, where: str) -> tuple[tuple[int, ...], int, int]:
    """Of one record: dims, type, and bytes of the values, which come next.

    Every length is checked against the file's size before it is used.
    """
    version, lod_levels = _U32_U64.unpack(_exactly(stream, _U32_U64.size, where))
    if version != 0 or lod_levels > size:
        raise BadModel(f"{where}: not a Paddle parameter: version {version}, {lod_levels} LoD levels")
    for _ in range(lod_levels):
        (length,) = _U64.unpack(_exactly(stream, _U64.size, where))
        _skip(stream, length, size, where)
    version, length = _U32_I32.unpack(_exactly(stream, _U32_I32.size, where))
    if version != 0 or not 0 < length <= _MAX_DESC_BYTES:
        raise BadModel(f"{where}: not a Paddle parameter: tensor version {version}, description of {length} bytes")
    try:
        desc = pb.VarType.TensorDesc.FromString(_exactly(stream, length, where))
    except DecodeError as exc:
        raise BadModel(f"{where}: not a Paddle parameter: its description cannot be read") from exc
    item = bytes_of(desc.data_type)
    if (
        not desc.HasField("data_type")
        or item is None
        or len(desc.dims) > _MAX_RANK
        or any(dim < 0 for dim in desc.dims)
    ):
        raise BadModel(f"{where}: not a Paddle parameter: element type {desc.data_type}, shape {list(desc.dims)[:8]}")
    return tuple(desc.dims), desc.data_type, math.prod(desc.dims) * item


def _exactly(stream: BufferedReader, length: int, where: str) -> bytes:
    read = stream.read(length)
    if len(read) != length:
        raise BadModel(f"{where}: the file ends {length - len(read)} bytes too early")
    return read


def _skip(stream: BufferedReader, length: int, size: int, where: str) -> None:
    if length > (left := size - stream.tell()):
        raise BadModel(f"{where}: the file ends {length - left} bytes too early; it is cut short or another model's")
    stream.seek(length, os.SEEK_CUR)


def _listed(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > 4 else ""
    return f"{len(names)} parameter{'s' * (len(names) != 1)} ({', '.join(names[:4])}{more})"
