"""Values of the inputs of a model as people write them -> tensors: numbers stay numbers, nothing else becomes one.

Servers read the instances of a feed by these rules, and so do clients that know what a model takes.
"""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import numpy as np

from paddle_serving_client import byte_strings, dtype
from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Array, Instance, is_same_but_for_ones, misfit

_TRUTH: Final = frozenset((bool, np.bool_))
_LISTS: Final = frozenset((list, tuple))
_NO_NUMBERS: Final = {str: "text", bytes: "bytes", type(None): "null", dict: "an object"}
_MAX_AXES: Final = 64


class TensorSpec(Protocol):
    """What is known of an input. Its text is type and shape: float32[-1, 13]."""

    @property
    def alias(self) -> str:
        """What callers call it."""

    @property
    def elem_type(self) -> int:
        """See `dtype`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """With the batch axis; -1 is a dimension that may vary."""


def check_names(inputs: Sequence[TensorSpec], feed: Sequence[Instance]) -> None:
    """Refuse a feed where an instance lacks an input or has another key.

    Raises:
        BadInput: the text names the instance and the key.
    """
    if not isinstance(feed, list) or not feed or not all([type(i) is dict or isinstance(i, Mapping) for i in feed]):
        raise BadInput('"feed" must be a list of at least one object, as in {"feed": [{"x": [...]}], "fetch": [...]}')
    valid = [i.alias for i in inputs]
    names = set(valid)
    for k, instance in enumerate(feed):
        if instance.keys() == names:
            continue
        unknown = [name for name in instance if name not in valid]
        missing = [name for name in valid if name not in instance]
        if unknown or missing:
            problem = f"has no {missing[0]!r}" if missing else f"has an unknown key {unknown[0][:64]!r}"
            raise BadInput(f"feed[{k}] {problem}; this model takes {', '.join(map(repr, valid))}")


def stacked(spec: TensorSpec, feed: Sequence[Instance]) -> Array:
    """One input of several instances, on a new axis 0.

    An instance's value has the shape of the input without the batch axis, but for axes of length 1 more or less: a
    number for an input of one, a row with a batch axis of its own. Values in any other layout are refused, also where
    there are as many: they would be those of another picture.

    Raises:
        BadInput: a value that does not fit; the text names the instance, the input, and the axis.
    """
    values = [instance[spec.alias] for instance in feed]
    if len(values) > 1 and not any(isinstance(value, np.ndarray) for value in values):
        with contextlib.suppress(BadInput):  # told below, where it is known whose it is
            whole = numbers(spec, values)
            if -1 not in spec.shape[1:] and is_same_but_for_ones(whole.shape[1:], spec.shape[1:]):
                return cast(spec, whole).reshape(-1, *spec.shape[1:])
    rows: list[Array] = []
    for k, value in enumerate(values):
        try:
            rows.append(row_of(spec, numbers(spec, value)))
        except BadInput as exc:
            raise BadInput(f"feed[{k}]: {exc}") from exc
        if rows[k].shape != rows[0].shape:
            shapes = f"{list(rows[0].shape)} in feed[0], {list(rows[k].shape)} in feed[{k}]"
            raise BadInput(f"input {spec.alias!r} differs in shape between the instances: {shapes}")
    return rows[0][None] if len(rows) == 1 else np.stack(rows)


def row_of(spec: TensorSpec, values: Array) -> Array:
    """One instance's value, in the shape of the input where that is known. Raises BadInput."""
    row, shape = cast(spec, values), spec.shape[1:]
    if row.shape == shape or -1 in shape:
        return row
    if is_same_but_for_ones(row.shape, shape):
        return row.reshape(shape)
    expected = f"input {spec.alias!r} must be {spec}, an instance of it {list(shape)}"
    raise BadInput(f"{expected}, got {list(row.shape)}: {misfit(shape, row.shape, first_axis=1)}")


def numbers(spec: TensorSpec, value: object) -> Array:
    """What a caller wrote, as an array; nothing that is no number becomes one, nor a text of the length of the longest.

    Raises:
        BadInput: no array of numbers, or of truth values.
    """
    if spec.elem_type == dtype.STRING:
        return byte_strings.of(value, f"input {spec.alias!r}")
    if isinstance(value, np.ndarray):
        return value
    kinds = _kinds(value)
    wrong = next((name for kind, name in _NO_NUMBERS.items() if kind in kinds), None)
    if wrong is None and not kinds.isdisjoint(_TRUTH) and kinds - _TRUTH - _LISTS:
        wrong = "true or false among other values"
    try:
        array = _as_array(value, kinds) if wrong is None else None
    except (ValueError, TypeError) as exc:
        raise BadInput(f"input {spec.alias!r} must be {spec}, got lists of different lengths in one list") from exc
    if array is None or array.dtype.kind not in "biufc":
        raise BadInput(f"input {spec.alias!r} must be {spec}, got {wrong or 'what is no number'}")
    return array


def _as_array(value: object, kinds: set[type]) -> Array:
    """As `numpy.asarray`, which makes floats of whole numbers below and beyond 63 bits in one list."""
    array = np.asarray(value)
    if array.dtype.kind == "f" and int in kinds and float not in kinds:
        with contextlib.suppress(OverflowError, ValueError, TypeError):
            return np.asarray(value, np.uint64)
    return array


def _kinds(value: object, depth: int = 0) -> set[type]:
    """The types in a list and the lists in it, as far down as an array can have axes."""
    if not isinstance(value, list | tuple):
        return {type(value)}
    kinds = set(map(type, value))
    if not kinds.isdisjoint(_LISTS) and depth < _MAX_AXES:
        kinds.update(*[_kinds(item, depth + 1) for item in value if isinstance(item, list | tuple)])
    if np.ndarray in kinds:  # numpy would make numbers of the truth values in one of them
        kinds.remove(np.ndarray)
        kinds.update({item.dtype.type for item in value if isinstance(item, np.ndarray)})
    return kinds


def cast(spec: TensorSpec, values: Array) -> Array:
    """To the input's type, where numbers stay numbers: no text, no truth values, no fractions for integers.

    Raises:
        BadInput: the input takes other values.
    """
    target = dtype.numpy_of(spec.elem_type)
    if target is None:
        raise BadInput(f"input {spec.alias!r} is {dtype.name_of(spec.elem_type)}, which cannot be served")
    if values.dtype == target:
        return byte_strings.of(values, f"input {spec.alias!r}") if target.hasobject else values
    if target.hasobject:
        return byte_strings.of(values, f"input {spec.alias!r}")
    if values.dtype == dtype.BFLOAT16:
        values = values.astype(np.float32)
    allowed = {"f": "fiu", "V": "fiu", "i": "iu", "u": "iu", "b": "b", "c": "fiuc"}[target.kind]
    if values.dtype.kind not in allowed:
        raise BadInput(f"input {spec.alias!r} must be {spec}, got {_kind_of(values)}")
    if target.kind in "iu" and values.size:
        limits = np.iinfo(target.name)
        if int(values.min()) < limits.min or int(values.max()) > limits.max:
            raise BadInput(f"input {spec.alias!r} has values outside the range of {target.name}")
    try:
        with np.errstate(over="raise"):
            return values.astype(target)
    except FloatingPointError as exc:
        largest = np.abs(values[np.isfinite(values)]).max()
        raise BadInput(f"input {spec.alias!r} has {largest:g}, which {target.name} cannot hold") from exc


def _kind_of(values: Array) -> str:
    """What came, in the terms of who wrote it."""
    if values.dtype.kind == "f":
        return f"fractions, or whole numbers beyond 64 bits ({values.dtype.name})"
    return f"values of type {values.dtype.name}"
