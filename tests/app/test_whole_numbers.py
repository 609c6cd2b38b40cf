"""Which of a program's whole numbers are lengths only, and which fit in 32 bits, is seen without their values."""

from pathlib import Path

import pytest

from paddle_serving_app.choosing import whole_numbers
from paddle_serving_app.program import reader
from paddle_serving_app.program.operators import Operator, Program, Value
from paddle_serving_client import dtype
from tests import models

I64, I32, F32, BOOL = (dtype.code_of(name) for name in ("int64", "int32", "float32", "bool"))


def value(name: str, code: int = I64, constant: int | None = None) -> Value:
    return Value(name, code, constant=None if constant is None else (constant, constant))


def op(kind: str, gives: Value, *takes: Value, **attributes: object) -> Operator:
    return Operator(kind, takes, (gives,), attributes)


IDS, X, TWO, HUGE = value("ids"), value("x", F32), value("two", constant=2), value("huge", constant=1 << 40)


@pytest.mark.parametrize(
    ("operator", "is_small", "is_within"),
    [
        (op("shape", value("y", I32), X), True, True),
        (op("elementwise_mul", value("y"), TWO, TWO), True, True),
        (op("elementwise_mul", value("y"), IDS, TWO), False, False),
        (op("gather", value("y"), IDS, TWO), False, True),
        (op("elementwise_add", value("y"), TWO, HUGE), False, False),
        (op("concat", value("y"), TWO, HUGE), False, False),
        (op("cast", value("y"), X), False, False),
        (op("cast", value("y"), value("flags", BOOL)), True, True),
        (op("pow", value("y"), TWO), False, False),
        (op("scale", value("y"), TWO, scale=3.0), True, True),
        (op("scale", value("y"), TWO, scale=3e9), False, False),
        (op("arg_max", value("y"), X), True, True),
        (op("top_k_v2", value("y"), X), True, True),
        (op("top_k_v2", value("y"), IDS), False, False),
        (op("fill_any_like", value("y", constant=1 << 40), TWO), False, False),
    ],
)
def test_which_whole_numbers_are_small(operator: Operator, is_small: bool, is_within: bool) -> None:
    program = Program("paddle2", {"ids": IDS, "x": X}, (operator,))
    assert ("y" in whole_numbers.small(program)) is is_small
    assert ("y" in whole_numbers.within_32_bits(program, feeds=True)) is is_within
    assert not whole_numbers.within_32_bits(program, feeds=False) & {"ids"}


def test_what_a_loop_counts_up_is_not_small() -> None:
    counter = value("i")
    start, step = op("assign", counter, TWO), op("increment", counter, counter)
    assert "i" in whole_numbers.small(Program("paddle2", {}, (start,)))
    assert "i" not in whole_numbers.small(Program("paddle2", {}, (start, step)))


def test_shapes_are_small_in_programs_as_they_are(tmp_path: Path) -> None:
    for form in ("pdmodel", "json"):
        folder = models.conv(tmp_path / form, form)
        program = reader.read(folder)
        whole = {v.name for o in program.operators for v in o.outputs if v.is_whole}
        assert whole <= whole_numbers.small(program), form
