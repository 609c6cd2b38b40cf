"""The one table of element types: prototxt `feed_type`, wire `elem_type`, numpy type, and the field with the values."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

STRING = 20
"""Code of a string input: bytes in `data`, given to the model as uint8."""
UNKNOWN = -1
"""What converters write for a type that has no code."""


@dataclass(frozen=True, slots=True)
class ElemType:
    """One row of the table."""

    code: int
    """`feed_type` / `fetch_type` in the prototxt, `elem_type` on the wire."""
    name: str
    carrier: str
    """The field of a GeneralModelService `Tensor` that holds the values."""
    numpy: np.dtype[np.generic] | None
    """Native byte order; None where numpy has no such type."""


def _row(code: int, name: str, carrier: str, numpy: npt.DTypeLike | None) -> ElemType:
    return ElemType(code, name, carrier, None if numpy is None else np.dtype(numpy))


ELEM_TYPES: dict[int, ElemType] = {
    row.code: row
    for row in (
        _row(0, "int64", "int64_data", np.int64),
        _row(1, "float32", "float_data", np.float32),
        _row(2, "int32", "int_data", np.int32),
        _row(3, "float64", "float64_data", np.float64),
        _row(4, "int16", "int_data", np.int16),
        _row(5, "float16", "tensor_content", np.float16),
        _row(6, "bfloat16", "uint32_data", None),
        _row(7, "uint8", "tensor_content", np.uint8),
        _row(8, "int8", "tensor_content", np.int8),
        _row(9, "bool", "bool_data", np.bool_),
        _row(10, "complex64", "complex64_data", np.complex64),
        _row(11, "complex128", "complex128_data", np.complex128),
        _row(STRING, "string", "data", np.uint8),
    )
}

_CODES = {row.numpy: row.code for row in ELEM_TYPES.values() if row.numpy is not None and row.code != STRING}


def name_of(code: int) -> str:
    """The type's name for a message: `float32`, or `type 99` for a number that is none."""
    row = ELEM_TYPES.get(code)
    return row.name if row else f"type {code}"


def numpy_of(code: int) -> np.dtype[np.generic] | None:
    """The numpy type of a code, or None where there is none."""
    row = ELEM_TYPES.get(code)
    return row.numpy if row else None


def code_of(dtype: npt.DTypeLike) -> int:
    """The code of a numpy type in any byte order; `UNKNOWN` where there is none."""
    return _CODES.get(np.dtype(dtype).newbyteorder("="), UNKNOWN)
