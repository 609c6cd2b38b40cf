"""Paddle's numbers of element types (`VarType.Type` of its program and parameter files)."""

from paddle_serving_client import dtype

_BYTES_AND_CODE = {
    0: (1, 9),  # bool
    1: (2, 4),  # int16
    2: (4, 2),  # int32
    3: (8, 0),  # int64
    4: (2, 5),  # float16
    5: (4, 1),  # float32
    6: (8, 3),  # float64
    19: (8, dtype.UNKNOWN),  # size_t
    20: (1, 7),  # uint8
    21: (1, 8),  # int8
    22: (2, 6),  # bfloat16
    23: (8, 10),  # complex64
    24: (16, 11),  # complex128
    32: (1, dtype.UNKNOWN),  # float8_e4m3fn
    33: (1, dtype.UNKNOWN),  # float8_e5m2
}


def code_of(var_type: int) -> int:
    """The code in `dtype.ELEM_TYPES`, or `dtype.UNKNOWN`."""
    return _BYTES_AND_CODE.get(var_type, (0, dtype.UNKNOWN))[1]


def bytes_of(var_type: int) -> int | None:
    """The size of one element, or None where the number is none that we know."""
    row = _BYTES_AND_CODE.get(var_type)
    return row[0] if row else None
