"""Paddle's numbers of element types against Paddle's own and numpy's."""

import numpy as np

from paddle_serving_client import dtype
from paddle_serving_client.io import var_type
from tests.models import quiet_paddle


def test_numbers_are_those_of_paddle() -> None:
    names = {
        1: "FP32",
        0: "INT64",
        2: "INT32",
        3: "FP64",
        4: "INT16",
        5: "FP16",
        6: "BF16",
        7: "UINT8",
        8: "INT8",
        9: "BOOL",
    }
    with quiet_paddle() as paddle:
        numbers = {code: int(getattr(paddle.base.core.VarDesc.VarType, name)) for code, name in names.items()}
    assert {code: var_type.code_of(number) for code, number in numbers.items()} == {code: code for code in names}


def test_sizes_are_those_of_numpy() -> None:
    for number in range(64):
        numpy = dtype.numpy_of(var_type.code_of(number))
        if numpy is not None:
            assert var_type.bytes_of(number) == np.dtype(numpy).itemsize


def test_unknown_numbers() -> None:
    assert var_type.code_of(99) == dtype.UNKNOWN and var_type.bytes_of(99) is None
    assert var_type.bytes_of(32) == 1  # float8 has a size, but no code
