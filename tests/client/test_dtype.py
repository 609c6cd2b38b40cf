import numpy as np
import pytest

from paddle_serving_client import dtype
from paddle_serving_client.dtype import ELEM_TYPES, STRING, UNKNOWN

PUBLISHED = {
    0: "int64", 1: "float32", 2: "int32", 3: "float64", 4: "int16", 5: "float16", 6: "bfloat16", 7: "uint8", 8: "int8",
    9: "bool", 10: "complex64", 11: "complex128", 20: "string",
}  # fmt: skip
"""The numbers of Paddle Serving: `feed_type` and `fetch_type` of a config, `elem_type` on the wire."""


def test_the_numbers_are_those_of_paddle_serving() -> None:
    assert {code: row.name for code, row in ELEM_TYPES.items()} == PUBLISHED
    assert all(row.code == code for code, row in ELEM_TYPES.items())


@pytest.mark.parametrize("code", sorted(PUBLISHED.keys() - {6, 20}))
def test_numpy_there_and_back(code: int) -> None:
    kind = dtype.numpy_of(code)
    assert kind is not None
    assert kind.name == dtype.name_of(code) == PUBLISHED[code]
    assert kind.isnative
    assert dtype.code_of(kind.newbyteorder("<")) == dtype.code_of(kind.newbyteorder(">")) == code
    assert dtype.code_of(kind.type) == code


def test_types_that_numpy_does_not_have() -> None:
    assert dtype.numpy_of(6) is None
    assert dtype.numpy_of(99) is None
    assert dtype.numpy_of(UNKNOWN) is None
    assert dtype.numpy_of(STRING) == np.uint8


@pytest.mark.parametrize("kind", ["uint16", "uint32", "uint64", "U3", "S3", "O", "M8[s]", "longdouble"])
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
        "int16": "int_data", "float16": "tensor_content", "bfloat16": "uint32_data", "uint8": "tensor_content",
        "int8": "tensor_content", "bool": "bool_data", "complex64": "complex64_data", "complex128": "complex128_data",
        "string": "data",
    }  # fmt: skip
