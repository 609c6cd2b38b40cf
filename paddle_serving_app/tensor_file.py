"""Tensors in .npz files, on their way between the processes that measure."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from paddle_serving_app.signature import Arranged
from paddle_serving_client import byte_strings, dtype
from paddle_serving_client.message import Array, Lod

_TENSOR, _LOD = "tensor", "lod"
_SHAPE = "shape"
"""Beside a tensor that is a block of byte strings: the shape of their array."""
_BITS = "bits"
"""Beside a tensor of uint16 that is the bits of bfloat16, which files of numpy cannot say."""


def write(file: Path, arrays: Sequence[Array], lods: Mapping[int, Lod]) -> None:
    """Write arrays, and the sequence offsets of some of them."""
    named: dict[str, Array] = {}
    for k, array in enumerate(arrays):
        if array.dtype.hasobject:
            named[f"{_SHAPE}{k}"], array = np.array(array.shape, np.int64), byte_strings.pack(array)
        elif array.dtype == dtype.BFLOAT16:
            named[f"{_BITS}{k}"], array = np.empty(0), array.view(np.uint16)
        named[f"{_TENSOR}{k}"] = array
    for k, lod in lods.items():
        named |= {f"{_LOD}{k}.{level}": np.array(offsets, np.int64) for level, offsets in enumerate(lod)}
    np.savez(file, allow_pickle=False, **named)


def read(file: Path) -> Arranged:
    """What `write` wrote."""
    with np.load(file, allow_pickle=False) as found:
        named = {name: found[name] for name in found.files}
    count = sum(name.startswith(_TENSOR) for name in named)
    lods: dict[int, Lod] = {}
    for name in sorted(name for name in named if name.startswith(_LOD)):
        k = int(name[len(_LOD) :].partition(".")[0])
        lods[k] = (*lods.get(k, ()), tuple(named[name].tolist()))
    return Arranged(tuple(_tensor(named, k) for k in range(count)), lods)


def _tensor(named: Mapping[str, Array], k: int) -> Array:
    array = named[f"{_TENSOR}{k}"]
    if (shape := named.get(f"{_SHAPE}{k}")) is not None:
        return byte_strings.unpack(array.data, shape.tolist(), f"tensor {k}")
    return array.view(dtype.BFLOAT16) if f"{_BITS}{k}" in named else array
