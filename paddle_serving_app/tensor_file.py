"""Tensors in .npz files, on their way between the processes that measure."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from paddle_serving_app.signature import Arranged
from paddle_serving_client.message import Array, Lod

_TENSOR, _LOD = "tensor", "lod"


def write(file: Path, arrays: Sequence[Array], lods: Mapping[int, Lod]) -> None:
    """Write arrays, and the sequence offsets of some of them."""
    named = {f"{_TENSOR}{k}": array for k, array in enumerate(arrays)}
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
    return Arranged(tuple(named[f"{_TENSOR}{k}"] for k in range(count)), lods)
