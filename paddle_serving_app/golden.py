"""A golden sample: inputs of a model and the outputs that they must give, whichever library runs it.

It is an .npz file, as `numpy.savez` writes it, with one array for each name:

    input.ALIAS        an input, by its alias or its real name
    output.ALIAS       what that output must be; outputs that are not in the file are not compared
    lod.ALIAS.LEVEL    sequence offsets of an input (int64), where it has any
    tolerance          optional: how far floats may be off, as a part of the largest value of the output

Nothing in it is run: arrays of Python objects are refused. The folder of a model may hold one as `golden.npz`.
"""

import math
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import numpy as np

from paddle_serving_app.backend import Outputs
from paddle_serving_app.choosing import agreement
from paddle_serving_app.signature import Arranged, Signature
from paddle_serving_client import byte_strings, dtype, manifest
from paddle_serving_client.errors import BackendFailed, BadInput, BadModel
from paddle_serving_client.message import Array, Lod, Tensors, describe

NAME = "golden.npz"
"""In a model folder."""

_INPUT, _OUTPUT, _LOD, _TOLERANCE = "input.", "output.", "lod.", "tolerance"
_MAX_BYTES = 256 << 20
"""Of all arrays together."""
_MAX_ARRAYS = 1024
_MAX_RANK = 32
_TOLERANCE_FP64 = 1e-9
"""Where the model is run as it is; a library that computes in float32 is off by more."""
_KINDS = "fiubcSU"


class GoldenDiffers(BadModel):
    """A library answers the golden sample otherwise than the file says."""


@dataclass(frozen=True, slots=True)
class Golden:
    """A golden sample, read."""

    file: Path
    inputs: Mapping[str, Array]
    """By alias or real name."""
    outputs: Mapping[str, Array]
    """Likewise; none in a file that only says what to ask."""
    lods: Mapping[str, Lod] = field(default_factory=dict)
    tolerance: float | None = None


def find(folder: Path, asked: str = "") -> Path | None:
    """The golden sample of a model: the file that was asked for, else the one in its folder, if there is one."""
    if asked:
        return Path(asked)
    return folder / NAME if (folder / NAME).exists() else None


def read(file: Path) -> Golden:
    """Read a golden sample.

    Raises:
        BadModel: the file is missing, damaged, too large, or holds what belongs in no golden sample.
    """
    arrays = _arrays(file)
    tolerance = arrays.pop(_TOLERANCE, None)
    inputs = {name.removeprefix(_INPUT): array for name, array in arrays.items() if name.startswith(_INPUT)}
    outputs = {name.removeprefix(_OUTPUT): array for name, array in arrays.items() if name.startswith(_OUTPUT)}
    others = [name for name in arrays if not name.startswith((_INPUT, _OUTPUT, _LOD))]
    if others:
        expected = "input.ALIAS, output.ALIAS, lod.ALIAS.LEVEL and tolerance"
        raise BadModel(f"{file}: {others[0][:64]!r} is no name of a golden sample; they are {expected}")
    if not inputs:
        raise BadModel(f"{file}: no array is named input.ALIAS; a golden sample begins with the inputs")
    return Golden(file, inputs, outputs, _lods(file, arrays), _checked(file, tolerance))


def write(golden: Golden) -> None:
    """Write a golden sample to its file.

    Raises:
        BadModel: a string in it ends with NUL, which such a file cannot say.
        OSError: it cannot be written.
    """
    named = {f"{_INPUT}{name}": _as_written(name, array) for name, array in golden.inputs.items()}
    named |= {f"{_OUTPUT}{name}": _as_written(name, array) for name, array in golden.outputs.items()}
    for name, lod in golden.lods.items():
        named |= {f"{_LOD}{name}.{level}": np.array(offsets, np.int64) for level, offsets in enumerate(lod)}
    if golden.tolerance is not None:
        named[_TOLERANCE] = np.array(golden.tolerance)
    with golden.file.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **named)


def _as_written(name: str, array: Array) -> Array:
    """In a type that .npz files have: strings of fixed width; float32 for bfloat16, of which it holds every value."""
    if array.dtype == dtype.BFLOAT16:
        return array.astype(np.float32)
    if not array.dtype.hasobject:
        return array
    if any(item.endswith(b"\0") for item in array.flat):
        raise BadModel(f"{name!r} has a string that ends with NUL, which a golden sample cannot say")
    return array.astype(np.bytes_)


def check(golden: Golden, signature: Signature, run: Callable[[Arranged], Outputs], precision: str) -> None:
    """Run a golden sample, and compare the outputs with what its file says.

    Args:
        golden: with its outputs.
        signature: of the model.
        run: runs the model.
        precision: what the model was asked to be computed in; it decides how far floats may be off, unless the file
            says so.

    Raises:
        GoldenDiffers: the first value that differs, with its output, its place, and both values; or the run failed.
        BadModel: the file's inputs or outputs are not those of the model.
    """
    if not golden.outputs:
        raise BadModel(f"{golden.file}: no array is named output.ALIAS, so there is nothing to compare")
    places = {name: k for k, output in enumerate(signature.outputs) for name in (output.name, output.alias)}
    unknown = [name for name in golden.outputs if name not in places]
    if unknown:
        known = ", ".join(repr(output.alias) for output in signature.outputs)
        raise BadModel(f"{golden.file}: the model has no output {unknown[0][:64]!r}; it has {known}")
    found = run_of(golden, signature, run)
    for name, expected in golden.outputs.items():
        words = _difference(found.arrays[places[name]], expected, golden.tolerance, precision)
        if words:
            raise GoldenDiffers(f"output {name!r} is not that of the golden sample {golden.file.name}: {words}")


def run_of(golden: Golden, signature: Signature, run: Callable[[Arranged], Outputs]) -> Outputs:
    """What a model answers to the inputs of a golden sample.

    Raises:
        GoldenDiffers: the run failed.
        BadModel: the inputs are not those of the model.
    """
    try:
        return run(signature.arrange(_as_fed(golden.inputs, signature), golden.lods))
    except BadInput as exc:
        raise BadModel(f"{golden.file}: {exc}") from exc
    except BackendFailed as exc:
        raise GoldenDiffers(f"the golden sample {golden.file.name} cannot be run: {exc}") from exc


def _as_fed(inputs: Tensors, signature: Signature) -> Tensors:
    """The inputs of a sample, those of bfloat16 in that type again."""
    code = dtype.code_of(dtype.BFLOAT16)
    names = {name for i in signature.inputs if i.elem_type == code for name in (i.name, i.alias)}
    return {name: array.astype(dtype.BFLOAT16) if name in names else array for name, array in inputs.items()}


def _difference(found: Array, expected: Array, tolerance: float | None, precision: str) -> str:
    """In words the first value that differs too much; empty where all agree."""
    if found.dtype == dtype.BFLOAT16:
        found, precision = found.astype(np.float32), "bf16"
    if found.dtype.hasobject and expected.dtype.kind in "SU":
        expected = byte_strings.of(expected, "an output of the golden sample")
    if found.shape != expected.shape or found.dtype.kind != expected.dtype.kind:
        return f"expected {describe(expected)}, got {describe(found)}"
    if not expected.size:
        return ""
    if expected.dtype.kind not in "fc":
        differs = np.asarray(found != expected)
        return _first(found, expected, differs) if differs.any() else ""
    if tolerance is None:
        is_wide = expected.dtype.itemsize == 8 and precision == "fp32"
        tolerance = _TOLERANCE_FP64 if is_wide else agreement.TOLERANCE[precision]
    wide = np.complex128 if expected.dtype.kind == "c" else np.float64
    a, b = found.astype(wide), expected.astype(wide)
    finite = np.isfinite(a) & np.isfinite(b)
    largest = float(np.max(np.abs(b), initial=0.0, where=finite))
    with np.errstate(invalid="ignore"):  # infinity less infinity; those are compared as they are
        is_far = np.abs(a - b) > tolerance * largest
    is_same = (a == b) | (np.isnan(a) & np.isnan(b))
    differs = np.where(finite, is_far, ~is_same)
    if not differs.any():
        return ""
    return f"{_first(found, expected, differs)}; {tolerance:g} of the largest value, {largest:.6g}, is allowed"


def _first(found: Array, expected: Array, differs: Array) -> str:
    at = tuple(int(axis[0]) for axis in np.nonzero(differs)) if differs.ndim else ()
    return f"at {list(at)} expected {expected[at]!s}, got {found[at]!s}"


def _checked(file: Path, tolerance: Array | None) -> float | None:
    if tolerance is None:
        return None
    if tolerance.size != 1 or tolerance.dtype.kind not in "fiu":
        raise BadModel(f"{file}: tolerance must be one number, got {describe(tolerance)}")
    number = float(tolerance.reshape(())[()])
    if not 0 <= number < math.inf:
        raise BadModel(f"{file}: tolerance must be 0 or more, got {number}")
    return number


def _lods(file: Path, arrays: Mapping[str, Array]) -> dict[str, Lod]:
    levels: dict[str, dict[int, tuple[int, ...]]] = {}
    for full, array in arrays.items():
        if full.startswith(_LOD):
            name, _, level = full.removeprefix(_LOD).rpartition(".")
            if not name or not level.isdecimal() or array.ndim != 1 or array.dtype.kind not in "iu":
                raise BadModel(f"{file}: {full[:64]!r} must be lod.ALIAS.LEVEL with whole numbers in one axis")
            levels.setdefault(name, {})[int(level)] = tuple(int(offset) for offset in array)
    return {name: tuple(of_level[k] for k in sorted(of_level)) for name, of_level in levels.items()}


def _arrays(file: Path) -> dict[str, Array]:
    """All arrays of a file; what it says about its sizes is checked before there is memory for it."""
    with manifest.open_regular(file) as stream:
        try:
            with zipfile.ZipFile(cast(IO[bytes], stream)) as archive:
                entries = archive.infolist()
                size = sum(entry.file_size for entry in entries)
                if size > _MAX_BYTES or len(entries) > _MAX_ARRAYS:
                    limit = f"up to {_MAX_ARRAYS} arrays of {_MAX_BYTES >> 20} MiB together"
                    raise BadModel(f"{file}: {len(entries)} arrays of {size >> 20} MiB; a golden sample has {limit}")
                return {entry.filename.removesuffix(".npy"): _array(file, archive, entry) for entry in entries}
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, zlib.error) as exc:
            raise BadModel(f"{file}: not an .npz file, or damaged; numpy.savez writes such files") from exc


def _array(file: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Array:
    where = f"{file}: {entry.filename[:64]!r}"
    with archive.open(entry) as stream:
        try:
            version = np.lib.format.read_magic(stream)
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, is_fortran, kind = read_header(stream)
        except (ValueError, KeyError) as exc:
            raise BadModel(f"{where} is no array that numpy wrote") from exc
        if kind.kind not in _KINDS or len(shape) > _MAX_RANK:
            raise BadModel(f"{where} must hold numbers, truth values or strings, got {kind} with {len(shape)} axes")
        wanted = math.prod(shape) * kind.itemsize
        content = stream.read(wanted + 1) if wanted <= entry.file_size else b""
    if len(content) != wanted:
        raise BadModel(f"{where} says that it is {kind}{list(shape)}, which its {entry.file_size} bytes are not")
    array = np.frombuffer(content, kind).reshape(shape, order="F" if is_fortran else "C")
    return np.ascontiguousarray(array, kind.newbyteorder("=")).reshape(shape)
