"""Rows of a table to the inputs of a model: fields by name, checked, scaled, and set out in columns.

A model has either one input, which takes all columns side by side, or an input for each field. `tabular_file` reads
what a file says of both.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Array

Kind: TypeAlias = Literal["number", "choice", "flag"]
Encoding: TypeAlias = Literal["one_hot", "index", "value"]
Operation: TypeAlias = Literal["divided_by", "times", "plus", "minus"]
Value: TypeAlias = str | float | bool
Row: TypeAlias = Mapping[str, Any]
Numbers: TypeAlias = npt.NDArray[np.float64]
"""(rows,), or (rows, columns)."""

MAX_CHOICES: Final = 4096
_MAX_SHOWN: Final = 20
_MAX_TEXT: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One value of a row, as callers give it."""

    name: str
    kind: Kind = "number"
    title: str = ""
    """What people call it."""
    about: str = ""
    unit: str = ""
    """Of a number, for people: years, m²."""
    choices: tuple[Value, ...] = ()
    encoding: Encoding = "one_hot"
    """Of a choice: a column for each, the number of its place, or the value itself."""
    minimum: float | None = None
    maximum: float | None = None
    mean: float = 0.0
    scale: float = 1.0
    """A column has (value - mean) / scale."""
    default: Value | None = None
    """For rows without it; None: they are refused."""
    example: Value | None = None
    _places: Mapping[object, int] = dataclasses.field(init=False, repr=False, compare=False)
    """The number of each choice."""

    def __post_init__(self) -> None:
        """Prepare what every value is looked up in."""
        object.__setattr__(self, "_places", {key_of(choice): k for k, choice in enumerate(self.choices)})

    @property
    def width(self) -> int:
        """How many columns it makes."""
        return len(self.choices) if self.kind == "choice" and self.encoding == "one_hot" else 1

    def checked(self, value: object, where: str) -> Value:
        """A value that this field can have.

        Args:
            value: what a caller sent.
            where: in front of the message: "feed[0]: ".

        Raises:
            BadInput: it is another; the message says what is expected.
        """
        problem = self._problem(value)
        if problem:
            raise BadInput(f"{where}field {self.name!r} {problem}, got {_shown(value)}")
        if self.kind == "choice":
            return self.choices[self._places[key_of(value)]]
        return bool(value) if self.kind == "flag" else _float(value)

    def _problem(self, value: object) -> str:
        if self.kind == "choice":
            return "" if key_of(value) in self._places else f"must be {self._listed()}"
        if self.kind == "flag":
            return "" if isinstance(value, bool | np.bool_) else "must be true or false"
        if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
            return "must be a number"
        number = _float(value)
        if not math.isfinite(number):
            return "must be a finite number"
        if self.minimum is not None and number < self.minimum:
            return f"must be at least {self.minimum:g}"
        if self.maximum is not None and number > self.maximum:
            return f"must be at most {self.maximum:g}"
        return ""

    def _listed(self) -> str:
        more = f" or one of {len(self.choices) - _MAX_SHOWN} more" if len(self.choices) > _MAX_SHOWN else ""
        return f"one of {', '.join(map(_shown, self.choices[:_MAX_SHOWN]))}{more}"

    def coded(self, values: Sequence[Value]) -> Numbers:
        """Checked values as numbers: (rows, columns)."""
        if self.kind != "choice" or self.encoding == "value":
            return (np.array([float(value) for value in values], np.float64)[:, None] - self.mean) / self.scale
        places = np.array([self._places[key_of(value)] for value in values], np.intp)
        if self.encoding == "index":
            return places.astype(np.float64)[:, None]
        return np.eye(len(self.choices))[places]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What is handed to the model: a field, or what two of them give."""

    field: str
    operation: Operation | None = None
    other: str = ""
    mean: float = 0.0
    scale: float = 1.0
    """Of what the operation gives; a field has its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The fields of a model, and how they become its inputs."""

    fields: tuple[Field, ...]
    columns: tuple[Column, ...]
    title: str = ""
    input: str = ""
    """The alias of the input that takes all columns; empty: each field goes to the input of its name."""
    dtypes: Mapping[str, "np.dtype[Any]"]
    """The type of each input, by alias; of objects where it takes strings."""
    shapes: Mapping[str, tuple[int, ...]]
    """Of a row, by alias."""

    def tensors(self, rows: Sequence[Row]) -> dict[str, Array]:
        """The inputs of the model, by alias, for some rows.

        Raises:
            BadInput: no rows; a field is unknown, missing, or has a value that it cannot have. Names row and field.
        """
        values = self._values(rows)
        if not self.input:
            return {field.name: self._own_input(field, values[field.name]) for field in self.fields}
        by_name = {field.name: field for field in self.fields}
        with np.errstate(all="ignore"):
            parts = [self._column(column, by_name, values) for column in self.columns]
        return {self.input: _fitted(np.hstack(parts), self.dtypes[self.input], self.shapes[self.input], self.columns)}

    def _values(self, rows: Sequence[Row]) -> dict[str, list[Value]]:
        if not isinstance(rows, list | tuple) or not rows or not all(isinstance(row, Mapping) for row in rows):
            raise BadInput(f'"feed" must be a list of at least one object with the fields {self._names()}')
        values: dict[str, list[Value]] = {field.name: [] for field in self.fields}
        for k, row in enumerate(rows):
            unknown = [name for name in row if name not in values]
            if unknown:
                raise BadInput(f"feed[{k}] has an unknown field {_shown(unknown[0])}; the fields are {self._names()}")
            for field in self.fields:
                if field.name in row:
                    values[field.name].append(field.checked(row[field.name], f"feed[{k}]: "))
                elif field.default is not None:
                    values[field.name].append(field.default)
                else:
                    raise BadInput(f"feed[{k}] has no field {field.name!r}; the fields are {self._names()}")
        return values

    def _column(self, column: Column, fields: Mapping[str, Field], values: Mapping[str, list[Value]]) -> Numbers:
        if column.operation is None:
            return fields[column.field].coded(values[column.field])
        left, right = (np.array(values[name], np.float64) for name in (column.field, column.other))
        if column.operation == "divided_by" and not right.all():
            k = int(np.flatnonzero(right == 0)[0])
            raise BadInput(f"feed[{k}]: field {column.other!r} is 0, by which {column.field!r} is divided")
        made = {
            "divided_by": np.divide,
            "times": np.multiply,
            "plus": np.add,
            "minus": np.subtract,
        }[column.operation](left, right)
        return np.asarray((made - column.mean) / column.scale, np.float64)[:, None]

    def _own_input(self, field: Field, values: Sequence[Value]) -> Array:
        target, shape = self.dtypes[field.name], self.shapes[field.name]
        if target.hasobject:
            texts = np.empty(len(values), object)
            texts[:] = [str(value).encode() for value in values]
            return texts.reshape(-1, *shape)
        return _fitted(field.coded(values), target, shape, [Column(field=field.name)])

    def _names(self) -> str:
        return ", ".join(repr(field.name) for field in self.fields)

    @property
    def example(self) -> dict[str, Value]:
        """A row that is taken."""
        return {field.name: _example(field) for field in self.fields}

    def describe(self) -> list[dict[str, object]]:
        """The fields, for people and pages: name, kind, title, choices, limits, default."""
        return [
            {
                "name": field.name,
                "kind": field.kind,
                "title": field.title or field.name,
                **({"about": field.about} if field.about else {}),
                **({"unit": field.unit} if field.unit else {}),
                **({"choices": list(field.choices)} if field.choices else {}),
                **{name: limit for name in ("minimum", "maximum") if (limit := getattr(field, name)) is not None},
                **({} if field.default is None else {"default": field.default}),
            }
            for field in self.fields
        ]

    def schema(self) -> dict[str, Any]:
        """A row, as a JSON schema."""
        required = [field.name for field in self.fields if field.default is None]
        properties = {field.name: _schema(field) for field in self.fields}
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def key_of(value: object) -> object:
    """What a choice is looked up by: 1 is 1.0, and neither true nor "1"; what can be no choice gives None."""
    if isinstance(value, bool):
        return "truth", value
    return value if isinstance(value, str | int | float) else None


def _fitted(numbers: Numbers, target: "np.dtype[Any]", shape: tuple[int, ...], columns: Sequence[Column]) -> Array:
    """In the type and shape of the input.

    Raises:
        BadInput: a number is beyond that type, or is no whole one where the input takes these.
    """
    if target.kind in "iu" and not np.array_equal(numbers, np.rint(numbers)):
        raise BadInput(f"field {columns[0].field!r} must be a whole number, for the model takes {target.name}")
    if target.kind in "iu" and numbers.size:
        limits = np.iinfo(target)
        if numbers.min() < limits.min or numbers.max() > limits.max:
            raise BadInput(f"field {columns[0].field!r} is outside the range of {target.name}")
    with np.errstate(over="ignore", invalid="ignore"):
        made = numbers.astype(target)
    if target.kind == "f" and not np.isfinite(made).all():
        row = int(np.flatnonzero(~np.isfinite(made).all(axis=1))[0])
        raise BadInput(f"feed[{row}]: its fields give a number that {target.name} cannot hold")
    return np.ascontiguousarray(made.reshape(len(numbers), *shape))


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # an int of many digits
        return math.inf


def _example(field: Field) -> Value:
    if field.example is not None:
        return field.example
    if field.default is not None:
        return field.default
    if field.kind == "choice":
        return field.choices[0]
    if field.kind == "flag":
        return True
    low = -math.inf if field.minimum is None else field.minimum
    high = math.inf if field.maximum is None else field.maximum
    return min(max(field.mean, low), high)


def _schema(field: Field) -> dict[str, Any]:
    made: dict[str, Any] = {"title": field.title or field.name}
    if field.about:
        made["description"] = field.about
    if field.unit:
        made["x-unit"] = field.unit
    if field.kind == "choice":
        made["enum"] = list(field.choices)
    else:
        made["type"] = "boolean" if field.kind == "flag" else "number"
    made |= {name: limit for name in ("minimum", "maximum") if (limit := getattr(field, name)) is not None}
    if field.default is not None:
        made["default"] = field.default
    made["examples"] = [_example(field)]
    return made


def _shown(value: object) -> str:
    """A value, short enough for a message."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, str):
        return repr(value[:_MAX_TEXT])
    if isinstance(value, int | float):
        return f"{value!r}"[:_MAX_TEXT]
    return f"a value of type {type(value).__name__}"
