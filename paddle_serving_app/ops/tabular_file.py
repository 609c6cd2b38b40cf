"""The description of a table's fields, as people write it, to a `Table`.

    title: Change of weight
    fields:
      age: {mean: 40, scale: 12, minimum: 0}
      gender: {choices: [F, M]}
      smoker: {kind: flag}
    columns: [age, gender, smoker]

docs/tabular.md has all keys.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, get_args

import numpy as np

from paddle_serving_app.ops import tabular
from paddle_serving_app.ops.tabular import Column, Encoding, Field, Kind, Operation, Table, Value
from paddle_serving_client.errors import BadConfig, BadInput

_KEYS: Final = frozenset(("title", "input", "fields", "columns"))
_FIELD_KEYS: Final = frozenset(
    (
        "kind",
        "title",
        "about",
        "unit",
        "choices",
        "encoding",
        "minimum",
        "maximum",
        "mean",
        "scale",
        "default",
        "example",
    )
)
_OPERATIONS: Final = get_args(Operation)
_COLUMN_KEYS: Final = frozenset(("field", "mean", "scale", *_OPERATIONS))
_MAX_FIELDS: Final = 1024
_MAX_TEXT: Final = 1024


class ModelInput(Protocol):
    """An input of a model, as far as it matters here."""

    @property
    def alias(self) -> str:
        """What callers call it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """With the batch axis; -1 for a dimension that may vary."""


def table(described: object, inputs: Sequence[ModelInput], dtypes: Mapping[str, "np.dtype[Any]"], where: str) -> Table:
    """The table that a description stands for.

    Args:
        described: what YAML or JSON gave.
        inputs: of the model.
        dtypes: of the inputs, by alias.
        where: the file, for messages.

    Raises:
        BadConfig: a key is unknown, a value is of another kind, or the fields are not those of the model.
    """
    said = _mapping(described, _KEYS, where)
    fields = tuple(_field(name, value, where) for name, value in _fields_of(said, where).items())
    names = {field.name for field in fields}
    aliases = [i.alias for i in inputs]
    wanted = _text(said, "input", where)
    if not wanted and names == set(aliases) and "columns" not in said:
        made = Table(
            fields=tuple(_by_itself(field, dtypes[field.name], where) for field in fields),
            columns=(),
            title=_text(said, "title", where),
            dtypes=dtypes,
            shapes={i.alias: _row_shape(i, 1, where) for i in inputs},
        )
    else:
        made = _side_by_side(said, fields, inputs, dtypes, where)
    return made


def _side_by_side(
    said: Mapping[str, Any],
    fields: tuple[Field, ...],
    inputs: Sequence[ModelInput],
    dtypes: Mapping[str, "np.dtype[Any]"],
    where: str,
) -> Table:
    """The table of a model with one input for all columns."""
    aliases = [i.alias for i in inputs]
    wanted = _text(said, "input", where) or aliases[0]
    if wanted not in aliases or len(inputs) > 1:
        raise BadConfig(
            f"{where}: the model takes {', '.join(map(repr, aliases))}: all columns go to one input, or each field to "
            f"the input of its name; the fields are {', '.join(repr(field.name) for field in fields)}"
        )
    by_name = {field.name: field for field in fields}
    columns = _columns(said, by_name, where)
    used = {name for column in columns for name in (column.field, column.other)}
    if unused := [name for name in by_name if name not in used]:
        raise BadConfig(f"{where}: field {unused[0]!r} is in no column")
    texts = [field.name for field in fields if field.encoding == "value" and any(map(_is_text, field.choices))]
    target = dtypes[wanted]
    if target.kind not in "fiu" or texts:
        what = f"field {texts[0]!r} has texts as values" if texts else f"input {wanted!r} is {target.name}"
        raise BadConfig(f"{where}: columns are numbers, but {what}")
    width = sum(by_name[column.field].width if column.operation is None else 1 for column in columns)
    shapes = {wanted: _row_shape(inputs[0], width, where)}
    return Table(
        fields=fields,
        columns=columns,
        title=_text(said, "title", where),
        input=wanted,
        dtypes=dtypes,
        shapes=shapes,
    )


def _row_shape(spec: ModelInput, width: int, where: str) -> tuple[int, ...]:
    """The shape of a row of an input that takes so many numbers."""
    shape = tuple(width if length == -1 else length for length in spec.shape[1:])
    if spec.shape[:1] != (-1,) or math.prod(shape) != width or len(shape) > 1 or width > 1 and not shape:
        columns = "1 column" if width == 1 else f"{width} columns"
        shape_is = f"input {spec.alias!r} of the model has the shape {list(spec.shape)}"
        raise BadConfig(f"{where}: the fields make {columns}, but {shape_is}")
    return shape


def _fields_of(said: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    fields = said.get("fields")
    if not isinstance(fields, dict) or not fields or len(fields) > _MAX_FIELDS:
        raise BadConfig(f'{where}: "fields" must be a mapping of 1 to {_MAX_FIELDS} fields by name')
    if wrong := [name for name in fields if not isinstance(name, str) or not 0 < len(name) <= _MAX_TEXT]:
        raise BadConfig(f"{where}: the name of a field must be a text, got {str(wrong[0])[:64]!r}")
    return fields


def _field(name: str, described: object, where: str) -> Field:
    at = f"{where}: field {name[:64]!r}"
    said = _mapping(described if described is not None else {}, _FIELD_KEYS, at)
    choices = _choices(said, at)
    kind = said.get("kind", "choice" if choices else "number")
    if kind not in get_args(Kind):
        raise BadConfig(f"{at}: kind must be one of {', '.join(get_args(Kind))}, got {str(kind)[:64]!r}")
    encoding = said.get("encoding", "one_hot")
    if encoding not in get_args(Encoding):
        raise BadConfig(f"{at}: encoding must be one of {', '.join(get_args(Encoding))}, got {str(encoding)[:64]!r}")
    if (kind == "choice") != bool(choices):
        raise BadConfig(f"{at}: a choice has choices, and nothing else has")
    meaningless = {"number": ("encoding",), "choice": ("unit", "minimum", "maximum", "mean", "scale")}
    meaningless["flag"] = (*meaningless["number"], *meaningless["choice"])
    if wrong := [key for key in meaningless[kind] if key in said]:
        raise BadConfig(f"{at}: a {kind} has no {wrong[0]}")
    scale = _number(said, "scale", at, 1.0)
    if not scale:
        raise BadConfig(f"{at}: scale must not be 0")
    field = Field(
        name=name,
        kind=kind,
        title=_text(said, "title", at),
        about=_text(said, "about", at),
        unit=_text(said, "unit", at),
        choices=choices,
        encoding=encoding,
        minimum=_number(said, "minimum", at),
        maximum=_number(said, "maximum", at),
        mean=_number(said, "mean", at, 0.0) or 0.0,
        scale=scale,
        default=_value(said, "default", at),
        example=_value(said, "example", at),
    )
    _refuse_wrong_values(field, where)
    return field


def _by_itself(field: Field, target: "np.dtype[Any]", where: str) -> Field:
    """A field whose input it has alone: of texts and numbers, the values; of texts for a number, their places."""
    if target.hasobject and field.kind != "choice":
        raise BadConfig(f"{where}: field {field.name!r} is a {field.kind}, but the input of its name takes texts")
    if field.kind != "choice" or field.encoding != "one_hot":
        return field
    is_value = target.hasobject or not any(map(_is_text, field.choices))
    return Field(
        name=field.name,
        kind=field.kind,
        title=field.title,
        about=field.about,
        choices=field.choices,
        encoding="value" if is_value else "index",
        default=field.default,
        example=field.example,
    )


def _refuse_wrong_values(field: Field, where: str) -> None:
    """Defaults and examples are values that callers could send."""
    for key, value in (("default", field.default), ("example", field.example)):
        if value is not None:
            try:
                field.checked(value, "")
            except BadInput as exc:
                raise BadConfig(f"{where}: the {key} of {exc}") from exc


def _choices(said: Mapping[str, Any], at: str) -> tuple[Value, ...]:
    choices = said.get("choices", ())
    if not isinstance(choices, list | tuple) or len(choices) > tabular.MAX_CHOICES:
        raise BadConfig(f"{at}: choices must be a list of at most {tabular.MAX_CHOICES} texts or numbers")
    for choice in choices:
        if tabular.key_of(choice) is None:
            shown = str(choice)[:64]
            raise BadConfig(f"{at}: a choice is a text, a number, true or false, got {shown!r}; put texts into quotes")
    if len({tabular.key_of(choice) for choice in choices}) < len(choices):
        raise BadConfig(f"{at}: a choice is there twice")
    return tuple(choices)


def _columns(said: Mapping[str, Any], fields: Mapping[str, Field], where: str) -> tuple[Column, ...]:
    columns = said.get("columns", list(fields))
    if not isinstance(columns, list) or not 0 < len(columns) <= _MAX_FIELDS:
        raise BadConfig(f'{where}: "columns" must be a list of 1 to {_MAX_FIELDS} fields')
    return tuple(_column(k, column, fields, where) for k, column in enumerate(columns))


def _column(k: int, described: object, fields: Mapping[str, Field], where: str) -> Column:
    at = f"{where}: column {k}"
    if isinstance(described, str):
        _known(described, fields, at)
        return Column(field=described)
    said = _mapping(described, _COLUMN_KEYS, at)
    name = _text(said, "field", at)
    _known(name, fields, at)
    operations = [key for key in _OPERATIONS if key in said]
    if len(operations) != 1:
        raise BadConfig(f"{at}: needs one of {', '.join(_OPERATIONS)}; a field as it is stands there by its name alone")
    other = _text(said, operations[0], at)
    _known(other, fields, at)
    for operand in (name, other):
        if fields[operand].kind != "number":
            raise BadConfig(f"{at}: field {operand!r} is a {fields[operand].kind}, which is not computed with")
    scale = _number(said, "scale", at, 1.0)
    if not scale:
        raise BadConfig(f"{at}: scale must not be 0")
    mean = _number(said, "mean", at, 0.0) or 0.0
    return Column(field=name, operation=operations[0], other=other, mean=mean, scale=scale)


def _known(name: str, fields: Mapping[str, Field], at: str) -> None:
    if name not in fields:
        raise BadConfig(f"{at}: there is no field {name[:64]!r}; the fields are {', '.join(map(repr, fields))}")


def _mapping(value: object, keys: frozenset[str], at: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadConfig(f"{at}: must be a mapping with {', '.join(sorted(keys))}, got {type(value).__name__}")
    if unknown := [key for key in value if key not in keys]:
        raise BadConfig(f"{at}: there is no {str(unknown[0])[:64]!r} here; there are {', '.join(sorted(keys))}")
    return value


def _text(said: Mapping[str, Any], key: str, at: str) -> str:
    value = said.get(key, "")
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise BadConfig(f"{at}: {key} must be a text of at most {_MAX_TEXT} characters, got {str(value)[:64]!r}")
    return value


def _number(said: Mapping[str, Any], key: str, at: str, default: float | None = None) -> float | None:
    value = said.get(key, default)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadConfig(f"{at}: {key} must be a number, got {str(value)[:64]!r}")
    return float(value)


def _value(said: Mapping[str, Any], key: str, at: str) -> Value | None:
    value: Value | None = said.get(key)
    if value is not None and tabular.key_of(value) is None:
        raise BadConfig(f"{at}: {key} must be a text, a number, true or false, got {str(value)[:64]!r}")
    return value


def _is_text(value: Value) -> bool:
    return isinstance(value, str)
