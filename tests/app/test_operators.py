"""A program's operators are found with their element types, and which of its whole numbers are lengths only."""

import json
from pathlib import Path

import pytest

from paddle_serving_app.choosing import operators
from paddle_serving_app.choosing.program import Operator, Program, Value
from paddle_serving_client import dtype
from paddle_serving_client.errors import BadModel
from tests import models
from tests.app.conftest import Folder
from tests.app.programs import Form, paddle_model

I64, I32, F32, BOOL = (dtype.code_of(name) for name in ("int64", "int32", "float32", "bool"))


@pytest.mark.parametrize(
    ("form", "product", "joined", "difference"),
    [
        ("pdmodel", "matmul_v2", "concat", "elementwise_sub"),
        ("json", "matmul", "concat", "subtract"),
        ("onnx", "MatMul", "Concat", "Sub"),
    ],
)
def test_every_form_is_read(model_folder: Folder, form: str, product: str, joined: str, difference: str) -> None:
    graph = operators.read(model_folder("multi", form))
    types = {operator.kind: operator.types for operator in graph.operators}
    assert len(graph.feeds) == 3
    assert types[product] == {F32}
    assert I64 in types[joined] <= {I64, I32}
    assert types[difference] == {I32}


@pytest.mark.parametrize("form", ["pdmodel", "json", "onnx"])
@pytest.mark.parametrize("name", ["uci", "conv", "f16", "lod", "text_detector"])
def test_every_model_of_the_tests_is_read(model_folder: Folder, name: str, form: str) -> None:
    graph = operators.read(model_folder(name, form))
    assert graph.operators
    assert all(operator.kind and operator.outputs for operator in graph.operators)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.pdmodel", b"\x0a\x05nonsense"),
        ("m.json", b"[]"),
        ("m.json", b'{"program": {"regions": []}}'),
        ("m.json", json.dumps({"program": {"regions": [{"blocks": [{"ops": [{"#": "1.add"}]}]}]}}).encode()),
        ("m.onnx", b"\x08\x07\x3a\xff"),
    ],
)
def test_what_is_no_program_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadModel, match="its operators cannot be read"):
        operators.read_file(tmp_path / name)
    with pytest.raises(BadModel):
        operators.read_file(tmp_path / f"none-{name}")


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
    graph = Program("paddle2", ("ids", "x"), (operator,))
    assert ("y" in graph.small()) is is_small
    assert ("y" in graph.within_32_bits(feeds=True)) is is_within
    assert not graph.within_32_bits(feeds=False) & {"ids"}


def test_what_a_loop_counts_up_is_not_small() -> None:
    counter = value("i")
    start, step = op("assign", counter, TWO), op("increment", counter, counter)
    assert "i" in Program("paddle2", (), (start,)).small()
    assert "i" not in Program("paddle2", (), (start, step)).small()


def test_shapes_are_small_in_programs_as_they_are(tmp_path: Path) -> None:
    for form in ("pdmodel", "json"):
        folder = models.conv(tmp_path / form, form)
        graph = operators.read(folder)
        whole = {v.name for o in graph.operators for v in o.outputs if v.is_whole}
        assert whole <= graph.small(), form


@pytest.mark.parametrize("form", ["pdmodel", "json"])
def test_a_constant_may_be_infinite(tmp_path: Path, form: Form) -> None:
    folder = paddle_model(
        tmp_path / "m", {"x": ((-1, 2), "float32")}, lambda p, x: p.full_like(x, float("inf")) - x, form
    )
    assert operators.read(folder).operators
