"""TensorFlow Serving's terms, which its REST API and its gRPC services share: element types, models asked for, tensors.

Source: tensorflow/serving, `apis/model.proto`; tensorflow/tensorflow, `core/framework/types.proto`.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from paddle_serving_client import dtype
from paddle_serving_client.dtype import ElemType
from paddle_serving_client.errors import BadDType

SIGNATURE: Final = "serving_default"
"""The name of the one signature that a model has here, and of the one that is meant where none is named."""
PREDICT_METHOD: Final = "tensorflow/serving/predict"


class DataType(IntEnum):
    """Element types by their numbers in protobuf."""

    DT_FLOAT = 1
    DT_DOUBLE = 2
    DT_INT32 = 3
    DT_UINT8 = 4
    DT_INT16 = 5
    DT_INT8 = 6
    DT_STRING = 7
    DT_COMPLEX64 = 8
    DT_INT64 = 9
    DT_BOOL = 10
    DT_BFLOAT16 = 14
    DT_UINT16 = 17
    DT_COMPLEX128 = 18
    DT_HALF = 19
    DT_UINT32 = 22
    DT_UINT64 = 23

    @property
    def word(self) -> str:
        """As TensorFlow's messages call it: float, int32."""
        return self.name.removeprefix("DT_").lower()


DATA_TYPES: Final = {
    "float32": DataType.DT_FLOAT,
    "float64": DataType.DT_DOUBLE,
    "int32": DataType.DT_INT32,
    "uint8": DataType.DT_UINT8,
    "int16": DataType.DT_INT16,
    "int8": DataType.DT_INT8,
    "string": DataType.DT_STRING,
    "complex64": DataType.DT_COMPLEX64,
    "int64": DataType.DT_INT64,
    "bool": DataType.DT_BOOL,
    "bfloat16": DataType.DT_BFLOAT16,
    "uint16": DataType.DT_UINT16,
    "complex128": DataType.DT_COMPLEX128,
    "float16": DataType.DT_HALF,
    "uint32": DataType.DT_UINT32,
    "uint64": DataType.DT_UINT64,
}
"""By the names of `dtype.ELEM_TYPES`. A DT_STRING is an array of byte strings, so one that is an array of uint8, all
strings in a row, is none: see `_data_type`."""


class State(IntEnum):
    """What a version of a model is doing."""

    UNKNOWN = 0
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True, slots=True)
class VersionState:
    """The message `ModelVersionStatus`."""

    version: int
    state: State
    reason: str = ""
    """Why it could not be loaded; empty: nothing is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The message `ModelSpec`: which model is meant."""

    name: str
    version: int | None = None
    """None: the one that answers now."""
    label: str = ""
    signature: str = ""
    """Empty: `SIGNATURE`."""

    def __str__(self) -> str:
        name = self.name[:64]
        if self.version is not None:
            return f"Specific({name}, {self.version})"
        return f"Latest({name})"


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """An input or output of a model."""

    alias: str
    """What callers call it."""
    name: str
    elem_type: int
    """Of `dtype.ELEM_TYPES`."""
    shape: tuple[int, ...]
    """With the batch axis; -1 is a dimension that may vary."""

    @property
    def data_type(self) -> DataType | None:
        """None where TensorFlow has no such type."""
        row = dtype.ELEM_TYPES.get(self.elem_type)
        return None if row is None else _data_type(row)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is told of a model that is served."""

    name: str
    version: int
    inputs: Sequence[TensorInfo]
    outputs: Sequence[TensorInfo]


def row_of(kind: DataType | int, label: str) -> ElemType:
    """The row of the type table for one of TensorFlow's types.

    Raises:
        BadDType: there is none, or it is not served.
    """
    rows = _rows()
    row = rows.get(kind)
    if row is None:
        said = DataType(kind).name if kind in tuple(DataType) else f"DataType {kind}"
        served = ", ".join(DataType(known).name for known in rows)
        raise BadDType(f"{label} is {said}, which is not served here; these are: {served}")
    return row


@functools.cache
def _rows() -> Mapping[int, ElemType]:
    """Those that are served."""
    found = ((_data_type(row), row) for row in dtype.ELEM_TYPES.values() if row.numpy is not None)
    return {kind: row for kind, row in found if kind is not None}


def _data_type(row: ElemType) -> DataType | None:
    kind = DATA_TYPES.get(row.name)
    has_strings = row.numpy is not None and row.numpy.hasobject
    return None if kind is DataType.DT_STRING and not has_strings else kind


def data_type_of(kind: "np.dtype[np.generic]", label: str) -> DataType:
    """TensorFlow's type of an array.

    Raises:
        BadDType: there is none.
    """
    found = next((known for known, row in _rows().items() if row.numpy == kind.newbyteorder("=")), None)
    if found is None:
        raise BadDType(f"{label} is {kind}, which TensorFlow has no type for")
    return DataType(found)
