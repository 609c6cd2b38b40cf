"""The one table of element types: prototxt `feed_type`, wire `elem_type`, numpy type, and the field with the values.

bfloat16 is that of `ml_dtypes`, which has arithmetic, casts and a name, where a uint16 with a marker beside it would be
lost by the first function that knows no marker. Every server has that package; a client without it has all other types.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

try:
    import ml_dtypes
except ImportError:
    _has_bfloat16 = False
else:
    _has_bfloat16 = True

STRING = 20
"""Code of byte strings: arrays of objects, each `bytes`. See `byte_strings`."""
UNKNOWN = -1
"""What converters write for a type that has no code."""
BFLOAT16: "np.dtype[np.generic]" = np.dtype(ml_dtypes.bfloat16 if _has_bfloat16 else [("bfloat16", "u2")])
"""Where `ml_dtypes` is not installed a type that no array has."""


@dataclass(frozen=True, slots=True)
class ElemType:
    """One row of the table."""

    code: int
    """`feed_type` / `fetch_type` in the prototxt, `elem_type` on the wire. Paddle Serving has none of 21 to 23."""
    name: str
    kserve: str
    """Its name in KServe v2; empty where that has none."""
    carrier: str
    """The field of a GeneralModelService `Tensor` that holds the values."""
    numpy: np.dtype[np.generic] | None
    """Native byte order; None where there is no such type here: bfloat16 without `ml_dtypes`."""

    @property
    def size(self) -> int:
        """Bytes of an element; 0 where that differs from one to the next."""
        return 0 if self.numpy is None or self.numpy.hasobject else self.numpy.itemsize


def is_inexact(kind: "np.dtype[np.generic]") -> bool:
    """Whether values of a numpy type are rounded: floats, of which numpy does not count bfloat16, and complex ones."""
    return kind.kind in "fc" or kind == BFLOAT16


def _row(code: int, name: str, kserve: str, carrier: str, numpy: npt.DTypeLike | None) -> ElemType:
    return ElemType(code, name, kserve, carrier, None if numpy is None else np.dtype(numpy))


ELEM_TYPES: dict[int, ElemType] = {
    row.code: row
    for row in (
        _row(0, "int64", "INT64", "int64_data", np.int64),
        _row(1, "float32", "FP32", "float_data", np.float32),
        _row(2, "int32", "INT32", "int_data", np.int32),
        _row(3, "float64", "FP64", "float64_data", np.float64),
        _row(4, "int16", "INT16", "int_data", np.int16),
        _row(5, "float16", "FP16", "tensor_content", np.float16),
        _row(6, "bfloat16", "BF16", "tensor_content", BFLOAT16 if _has_bfloat16 else None),
        _row(7, "uint8", "UINT8", "tensor_content", np.uint8),
        _row(8, "int8", "INT8", "tensor_content", np.int8),
        _row(9, "bool", "BOOL", "bool_data", np.bool_),
        _row(10, "complex64", "", "complex64_data", np.complex64),
        _row(11, "complex128", "", "complex128_data", np.complex128),
        _row(STRING, "string", "BYTES", "data", np.object_),
        _row(21, "uint16", "UINT16", "tensor_content", np.uint16),
        _row(22, "uint32", "UINT32", "tensor_content", np.uint32),
        _row(23, "uint64", "UINT64", "tensor_content", np.uint64),
    )
}

SENT_WITHOUT_BATCH = frozenset({5, 7, 8})
"""Codes of float16, uint8 and int8: old clients send them in the configured shape, without a batch axis."""

_CODES = {row.numpy: row.code for row in ELEM_TYPES.values() if row.numpy is not None}
_KSERVE = {row.kserve: row.code for row in ELEM_TYPES.values() if row.kserve}


def name_of(code: int) -> str:
    """The type's name for a message: `float32`, or `type 99` for a number that is none."""
    row = ELEM_TYPES.get(code)
    return row.name if row else f"type {code}"


def remedy_of(code: int) -> str:
    """What to do where a code has no numpy type here, to end a message with; empty where nothing helps."""
    return ": pip install ml-dtypes" if code in ELEM_TYPES and numpy_of(code) is None else ""


def numpy_of(code: int) -> np.dtype[np.generic] | None:
    """The numpy type of a code, or None where there is none."""
    row = ELEM_TYPES.get(code)
    return row.numpy if row else None


def code_of(dtype: npt.DTypeLike) -> int:
    """The code of a numpy type in any byte order; `UNKNOWN` where there is none."""
    return _CODES.get(np.dtype(dtype).newbyteorder("="), UNKNOWN)


def code_of_kserve(name: str) -> int:
    """The code of a KServe v2 `datatype`, as `FP32`; `UNKNOWN` where there is none."""
    return _KSERVE.get(name, UNKNOWN)
