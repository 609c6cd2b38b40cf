"""Tensors go through a file unchanged."""

from pathlib import Path

import numpy as np
import pytest

from paddle_serving_app import tensor_file
from paddle_serving_client import dtype
from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Array


def test_there_and_back(tmp_path: Path) -> None:
    kinds = [*map(np.dtype, ("f4", "i8", "u8", "f2", "?")), dtype.BFLOAT16]
    arrays: list[Array] = [np.array(k).astype(kind) for k, kind in enumerate(kinds)] * 2
    arrays += [np.array([[b"a", b"\xff\0"]], object), np.empty((0, 2), object)]
    lods = {2: ((0, 1, 3), (0, 2)), 11: ((0, 1),)}
    tensor_file.write(tmp_path / "x.npz", arrays, lods)
    found = tensor_file.read(tmp_path / "x.npz")
    assert found.lods == lods
    assert [a.dtype for a in found.arrays] == [a.dtype for a in arrays]
    assert [a.tolist() for a in found.arrays] == [a.tolist() for a in arrays]


def test_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds a dict"):
        tensor_file.write(tmp_path / "x.npz", [np.array([{}])], {})
