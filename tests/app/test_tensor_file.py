"""Tensors go through a file unchanged."""

from pathlib import Path

import numpy as np
import pytest

from paddle_serving_app import tensor_file


def test_there_and_back(tmp_path: Path) -> None:
    arrays = [np.array(k, kind) for k, kind in enumerate(("f4", "i8", "u1", "f2", "?"))] * 3
    lods = {2: ((0, 1, 3), (0, 2)), 11: ((0, 1),)}
    tensor_file.write(tmp_path / "x.npz", arrays, lods)
    found = tensor_file.read(tmp_path / "x.npz")
    assert found.lods == lods
    assert [a.dtype for a in found.arrays] == [a.dtype for a in arrays]
    assert [a.tolist() for a in found.arrays] == [a.tolist() for a in arrays]


def test_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        tensor_file.write(tmp_path / "x.npz", [np.array([{}])], {})
