"""Rows with names to the inputs of a model."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_app import safe_yaml
from paddle_serving_app.ops import tabular_file
from paddle_serving_app.ops.tabular import Table
from paddle_serving_client.errors import BadConfig, BadInput
from tests import data

GOLDEN = Path(data.__file__).parent / "weight_variation"
TEXT = (
    "fields: {age: {mean: 40, scale: 12, minimum: 0}, gender: {choices: [F, M]}, smoker: {kind: flag, default: false}}"
)


@dataclass(frozen=True)
class Input:
    alias: str
    shape: tuple[int, ...]


def table(text: str, width: int = 4, kind: str = "float32") -> Table:
    inputs = [Input("x", (-1, width))]
    return tabular_file.table(safe_yaml.load(text, "f.yml"), inputs, {"x": np.dtype(kind)}, "f.yml")


def several(text: str, **inputs: str) -> Table:
    kinds: Mapping[str, np.dtype[Any]] = {name: np.dtype(kind) for name, kind in inputs.items()}
    return tabular_file.table(safe_yaml.load(text, "f.yml"), [Input(n, (-1, 1)) for n in inputs], kinds, "f.yml")


def test_the_features_of_source_004_are_made() -> None:
    expected = json.loads((GOLDEN / "expected.json").read_text())
    made = table((GOLDEN / "fields.yml").read_text(), 18).tensors([expected["datapoint"]] * 2)
    assert made["x"].dtype == np.float32
    assert made["x"].tolist() == [expected["datapoint_features"]] * 2


def test_fields_are_scaled_and_set_out_in_order() -> None:
    rows = [{"age": 52, "gender": "M", "smoker": True}, {"age": 40.0, "gender": "F"}]
    assert table(TEXT).tensors(rows)["x"].tolist() == [[1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 0.0]]
    ordered = table(f"{TEXT[:-1]}}}\ncolumns: [smoker, gender, age]".replace("}}}", "}}"))
    assert ordered.tensors(rows)["x"].tolist() == [[1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 0.0]]
    assert ordered.tensors([{"age": 64, "gender": "F"}])["x"].tolist() == [[0.0, 1.0, 0.0, 2.0]]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"age": 1}, "feed[0] has no field 'gender'; the fields are 'age', 'gender', 'smoker'"),
        ({"age": 1, "gender": "F", "agee": 2}, "feed[0] has an unknown field 'agee'; the fields are"),
        ({"age": "1", "gender": "F"}, "feed[0]: field 'age' must be a number, got '1'"),
        ({"age": True, "gender": "F"}, "field 'age' must be a number, got true"),
        ({"age": None, "gender": "F"}, "field 'age' must be a number, got null"),
        ({"age": [1], "gender": "F"}, "field 'age' must be a number, got a value of type list"),
        ({"age": float("nan"), "gender": "F"}, "field 'age' must be a finite number, got nan"),
        ({"age": 10**400, "gender": "F"}, "field 'age' must be a finite number"),
        ({"age": -1, "gender": "F"}, "field 'age' must be at least 0, got -1"),
        ({"age": 1e300, "gender": "F"}, "feed[0]: its fields give a number that float32 cannot hold"),
        ({"age": 1, "gender": "f"}, "field 'gender' must be one of 'F', 'M', got 'f'"),
        ({"age": 1, "gender": {}}, "field 'gender' must be one of 'F', 'M', got a value of type dict"),
        ({"age": 1, "gender": "F", "smoker": 1}, "field 'smoker' must be true or false, got 1"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(row: Mapping[str, object], words: str) -> None:
    with pytest.raises(BadInput) as raised:
        table(TEXT).tensors([row])
    assert words in str(raised.value)


@pytest.mark.parametrize("rows", [[], {}, [1], "text"])
def test_no_rows_are_refused(rows: Any) -> None:
    with pytest.raises(BadInput, match='"feed" must be a list of at least one object with the fields'):
        table(TEXT).tensors(rows)


def test_columns_are_computed_of_two_fields() -> None:
    text = "{fields: {a: , b: }, columns: [{field: a, divided_by: b, mean: 1, scale: 2}, {field: a, minus: b}]}"
    made = table(text, 2)
    assert made.tensors([{"a": 6, "b": 2}])["x"].tolist() == [[1.0, 4.0]]
    with pytest.raises(BadInput, match=r"feed\[1\]: field 'b' is 0, by which 'a' is divided"):
        made.tensors([{"a": 6, "b": 2}, {"a": 1, "b": 0}])


def test_each_field_may_have_an_input_of_its_own() -> None:
    text = "city: {choices: [Oslo, Rome]}, size: {choices: [S, L]}, rooms: , old: {kind: flag}, zip: {choices: [7, 8]}"
    made = several(f"fields: {{{text}}}", city="object", size="int64", rooms="int32", old="bool", zip="float32")
    row = {"city": "Rome", "size": "L", "rooms": 3, "old": True, "zip": 8.0}
    tensors = made.tensors([row])
    assert {name: array.tolist() for name, array in tensors.items()} == {
        "city": [[b"Rome"]], "size": [[1]], "rooms": [[3]], "old": [[True]], "zip": [[8.0]],
    }  # fmt: skip
    assert [array.dtype.str[1:] for array in tensors.values()] == ["O", "i8", "i4", "b1", "f4"]
    with pytest.raises(BadInput, match="field 'rooms' must be a whole number"):
        made.tensors([{**row, "rooms": 2.5}])
    with pytest.raises(BadConfig, match="field 'a' is a number, but the input of its name takes texts"):
        several("fields: {a: }", a="object")
    with pytest.raises(BadInput, match="field 'rooms' is outside the range of int32"):
        made.tensors([{**row, "rooms": 3e9}])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "must be a mapping with columns, fields, input, title, got list"),
        ("{}", '"fields" must be a mapping of 1 to 1024 fields'),
        ("{fields: {a: }, other: 1}", "there is no 'other' here"),
        ("fields: {a: {means: 1}}", "field 'a': there is no 'means' here"),
        ("fields: {a: {kind: text}}", "field 'a': kind must be one of number, choice, flag, got 'text'"),
        ("fields: {a: {kind: choice}}", "field 'a': a choice has choices"),
        ("fields: {a: {kind: number, choices: [1]}}", "field 'a': a choice has choices, and nothing else has"),
        ("fields: {a: {choices: [x, x]}}", "a choice is there twice"),
        ("fields: {a: {choices: [[1]]}}", "a choice is a text, a number, true or false"),
        ("fields: {a: {choices: [x], mean: 1}}", "a choice has no mean"),
        ("fields: {a: {scale: 0}}", "scale must not be 0"),
        ("fields: {a: {mean: .nan}}", "mean must be a number"),
        ("fields: {a: {minimum: 1, default: 0}}", "the default of field 'a' must be at least 1, got 0"),
        ("{fields: {a: , b: }, columns: [a]}", "field 'b' is in no column"),
        ("{fields: {a: }, columns: [b]}", "column 0: there is no field 'b'; the fields are 'a'"),
        ("{fields: {a: , b: }, columns: [{field: a}, b]}", "column 0: needs one of divided_by, times, plus, minus"),
        ("{fields: {a: , b: {choices: [1]}}, columns: [{field: a, times: b}]}", "field 'b' is a choice"),
        ("{fields: {a: }, input: y}", "the model takes 'x'"),
        ("{fields: {a: , b: }}", "the fields make 2 columns, but input 'x' of the model has the shape [-1, 4]"),
        ("fields: {a: {choices: [x], encoding: value}}", "columns are numbers, but field 'a' has texts as values"),
    ],
)  # fmt: skip
def test_a_wrong_description_is_refused_by_its_place(text: str, words: str) -> None:
    with pytest.raises(BadConfig) as raised:
        table(text)
    assert words in str(raised.value) and str(raised.value).startswith("f.yml: ")


def test_pages_are_told_of_the_fields() -> None:
    made = table(TEXT)
    assert made.describe()[:2] == [
        {"name": "age", "kind": "number", "title": "age", "minimum": 0.0},
        {"name": "gender", "kind": "choice", "title": "gender", "choices": ["F", "M"]},
    ]
    schema = made.schema()
    assert schema["required"] == ["age", "gender"]
    assert schema["properties"]["gender"] == {"title": "gender", "enum": ["F", "M"], "examples": ["F"]}
    assert schema["properties"]["smoker"] == {
        "title": "smoker", "type": "boolean", "default": False, "examples": [False],
    }  # fmt: skip
    assert made.tensors([made.example])["x"].tolist() == [[0.0, 1.0, 0.0, 0.0]]


def test_a_unit_is_told_and_belongs_to_numbers() -> None:
    made = table("fields: {age: {unit: years, about: of a person}}", 1)
    assert (made.describe()[0]["unit"], made.describe()[0]["about"]) == ("years", "of a person")
    assert made.schema()["properties"]["age"]["x-unit"] == "years"
    with pytest.raises(BadConfig, match="a choice has no unit"):
        table("fields: {city: {choices: [Oslo], unit: km}}", 1)
