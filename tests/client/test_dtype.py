import numpy as np
import pytest

from paddle_serving_client import dtype
from paddle_serving_client.dtype import ELEM_TYPES, STRING, UNKNOWN

PUBLISHED = {
    0: "int64", 1: "float32", 2: "int32", 3: "float64", 4: "int16", 5: "float16", 6: "bfloat16", 7: "uint8", 8: "int8",
    9: "bool", 10: "complex64", 11: "complex128", 20: "string",
}  # fmt: skip
"""The numbers of Paddle Serving: `feed_type` and `fetch_type` of a config, `elem_type` on the wire."""
OURS = {21: "uint16", 22: "uint32", 23: "uint64"}
ALL = PUBLISHED | OURS


def test_the_numbers_are_those_of_paddle_serving() -> None:
    assert {code: row.name for code, row in ELEM_TYPES.items()} == ALL
    assert all(row.code == code for code, row in ELEM_TYPES.items())


@pytest.mark.parametrize("code", sorted(ALL.keys() - {20}))
def test_numpy_there_and_back(code: int) -> None:
    kind = dtype.numpy_of(code)
    assert kind is not None
    assert kind.name == dtype.name_of(code) == ALL[code]
    assert dtype.ELEM_TYPES[code].size == kind.itemsize
    assert kind.isnative
    assert dtype.code_of(kind.newbyteorder("<")) == dtype.code_of(kind.newbyteorder(">")) == code
    assert dtype.code_of(kind.type) == code


def test_types_that_numpy_does_not_have() -> None:
    assert dtype.numpy_of(99) is None
    assert dtype.numpy_of(UNKNOWN) is None


def test_strings_are_objects_of_no_size_of_their_own() -> None:
    assert dtype.numpy_of(STRING) == np.object_ and dtype.code_of(np.object_) == STRING
    assert ELEM_TYPES[STRING].size == 0


def test_names_of_kserve() -> None:
    names = {row.kserve: row.name for row in ELEM_TYPES.values() if row.kserve}
    assert sorted(names) == [
        "BF16", "BOOL", "BYTES", "FP16", "FP32", "FP64", "INT16", "INT32", "INT64", "INT8", "UINT16", "UINT32",
        "UINT64", "UINT8",
    ]  # fmt: skip
    assert all(dtype.name_of(dtype.code_of_kserve(kserve)) == name for kserve, name in names.items())
    assert dtype.code_of_kserve("FP8") == dtype.code_of_kserve("") == UNKNOWN


def test_which_values_are_exact() -> None:
    rounded = {row.name for row in ELEM_TYPES.values() if row.numpy is None or dtype.is_inexact(row.numpy)}
    assert rounded == {"float16", "bfloat16", "float32", "float64", "complex64", "complex128"}


@pytest.mark.parametrize("kind", ["U3", "S3", "V2", "M8[s]", "longdouble"])
def test_types_that_have_no_code(kind: str) -> None:
    assert dtype.code_of(kind) == UNKNOWN


def test_uint8_is_never_taken_for_a_string() -> None:
    assert dtype.code_of(np.uint8) == 7


def test_names_for_messages() -> None:
    assert [dtype.name_of(code) for code in (1, 6, 20, 99, -1)] == [
        "float32",
        "bfloat16",
        "string",
        "type 99",
        "type -1",
    ]


def test_where_values_travel() -> None:
    assert {row.name: row.carrier for row in ELEM_TYPES.values()} == {
        "int64": "int64_data", "float32": "float_data", "int32": "int_data", "float64": "float64_data",
        "int16": "int_data", "float16": "tensor_content", "bfloat16": "tensor_content", "uint8": "tensor_content",
        "int8": "tensor_content", "bool": "bool_data", "complex64": "complex64_data", "complex128": "complex128_data",
        "string": "data", "uint16": "tensor_content", "uint32": "tensor_content", "uint64": "tensor_content",
    }  # fmt: skip
