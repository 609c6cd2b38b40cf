"""Between what people write and tensors: instances of a JSON feed, and what `preprocess` returns."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from paddle_serving_app import model_fields
from paddle_serving_app.signature import Input, Signature
from paddle_serving_client import byte_strings, dtype
from paddle_serving_client.errors import BackendFailed, BadInput
from paddle_serving_client.message import Array, Instance, Lod, Response, is_same_but_for_ones, misfit

_TRUTH: Final = frozenset((bool, np.bool_))
_LISTS: Final = frozenset((list, tuple))
_NO_NUMBERS: Final = {str: "text", bytes: "bytes", type(None): "null", dict: "an object"}
_MAX_AXES: Final = 64
_FEW = 256
"""Up to so many numbers a list is written as fast as an array."""


def as_tensors(
    signature: Signature, feed: Mapping[str, object], has_batch: bool
) -> tuple[dict[str, Array], dict[str, Lod]]:
    """What user code feeds, as tensors: cast to the inputs' types, with the batch axis, offsets apart.

    The rules are those of `Client.predict`: without `has_batch` an array gets a new axis 0; a list is shaped as the
    input is. Values are only cast where nothing is lost but precision.
    """
    known = {i.name: i for i in signature.inputs} | {i.alias: i for i in signature.inputs}
    tensors: dict[str, Array] = {}
    lods: dict[str, Lod] = {}
    for name, value in feed.items():
        if name.endswith(".lod") and name not in known:
            lods[name[:-4]] = (tuple(int(n) for n in np.asarray(value).ravel()),)
        elif name in known and isinstance(value, np.ndarray):
            tensors[name] = _cast(known[name], value if has_batch else value[None])
        elif name in known:
            tensors[name] = stacked(known[name], [{known[name].alias: value}])
        else:
            tensors[name] = np.asarray(value)  # the check names it, with all that are known
    return tensors, lods


def outputs_of(response: Response) -> dict[str, Array]:
    """Outputs by alias, as `Client.predict` gives them: offsets as `NAME.lod`."""
    outputs = dict(response.tensors)
    for name, lod in response.lods.items():
        outputs[f"{name}.lod"] = np.array(lod[0], np.int32)
    return outputs


def tensors_of(signature: Signature, feed: Sequence[Instance]) -> dict[str, Array]:
    """Instances of a JSON feed as the inputs of a model: by its fields where it has some, else by its inputs.

    Raises:
        BadInput: a name is unknown or missing, or a value does not fit; the text names the instance.
    """
    table = model_fields.table_of(signature)
    if table is not None and not (table.input and isinstance(feed, list) and _are_inputs(table.input, feed)):
        return table.tensors(feed)
    return {i.alias: stacked(i, feed) for i in named_inputs(signature, feed)}


def _are_inputs(name: str, feed: Sequence[Instance]) -> bool:
    """Whether the instances have the columns ready, under the name of the input."""
    return bool(feed) and all(isinstance(instance, Mapping) and instance.keys() == {name} for instance in feed)


def named_inputs(signature: Signature, feed: Sequence[Instance]) -> list[Input]:
    if not isinstance(feed, list) or not feed or not all([type(i) is dict or isinstance(i, Mapping) for i in feed]):
        raise BadInput('"feed" must be a list of at least one object, as in {"feed": [{"x": [...]}], "fetch": [...]}')
    valid = [i.alias for i in signature.inputs]
    names = set(valid)
    for k, instance in enumerate(feed):
        if instance.keys() == names:
            continue
        unknown = [name for name in instance if name not in valid]
        missing = [name for name in valid if name not in instance]
        if unknown or missing:
            problem = f"has no {missing[0]!r}" if missing else f"has an unknown key {unknown[0][:64]!r}"
            raise BadInput(f"feed[{k}] {problem}; this model takes {', '.join(map(repr, valid))}")
    return list(signature.inputs)


def stacked(spec: Input, feed: Sequence[Instance]) -> Array:
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
            whole = _numbers(spec, values)
            if -1 not in spec.shape[1:] and is_same_but_for_ones(whole.shape[1:], spec.shape[1:]):
                return _cast(spec, whole).reshape(-1, *spec.shape[1:])
    rows: list[Array] = []
    for k, value in enumerate(values):
        try:
            rows.append(_row(spec, _numbers(spec, value)))
        except BadInput as exc:
            raise BadInput(f"feed[{k}]: {exc}") from exc
        if rows[k].shape != rows[0].shape:
            shapes = f"{list(rows[0].shape)} in feed[0], {list(rows[k].shape)} in feed[{k}]"
            raise BadInput(f"input {spec.alias!r} differs in shape between the instances: {shapes}")
    return rows[0][None] if len(rows) == 1 else np.stack(rows)


def _row(spec: Input, values: Array) -> Array:
    """One instance's value, in the shape of the input where that is known."""
    row, shape = _cast(spec, values), spec.shape[1:]
    if row.shape == shape or -1 in shape:
        return row
    if is_same_but_for_ones(row.shape, shape):
        return row.reshape(shape)
    expected = f"input {spec.alias!r} must be {spec}, an instance of it {list(shape)}"
    raise BadInput(f"{expected}, got {list(row.shape)}: {misfit(shape, row.shape, first_axis=1)}")


def _numbers(spec: Input, value: object) -> Array:
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
    return kinds


class OneRow:
    """Reads feeds of one instance for a model whose inputs have no open axis but the batch: most small requests."""

    def __init__(self, signature: Signature) -> None:
        self._aliases = {i.alias for i in signature.inputs}
        self._inputs = [(i, i.shape[1:]) for i in signature.inputs]
        self.is_possible = all(
            i.shape[:1] == (-1,) and -1 not in i.shape[1:] and i.elem_type != dtype.STRING for i in signature.inputs
        )
        self.is_possible &= not signature.fields

    def read(self, feed: Sequence[Instance]) -> list[Array] | None:
        """The inputs without the batch axis, in order; None for what `stacked` and `arrange` must look at.

        Raises:
            BadInput: values that do not fit the input's type. ValueError: lists of different lengths.
        """
        if not self.is_possible or len(feed) != 1 or feed[0].keys() != self._aliases:
            return None
        values = []
        for spec, shape in self._inputs:
            array = np.asarray(feed[0][spec.alias])
            if array.shape != shape or not array.size:
                return None
            values.append(_cast(spec, array))
        return values


def as_json(outputs: Mapping[str, Array]) -> dict[str, object]:
    """Outputs as the JSON writer takes them: numbers with the digits of a double, large arrays without lists."""
    return {
        name: _long(array) if array.size > _FEW or array.dtype.hasobject else array.tolist()
        for name, array in outputs.items()
    }


def _long(array: Array) -> object:
    if array.dtype.hasobject:
        return byte_strings.as_json(array)
    is_float = array.dtype.kind == "f" or array.dtype == dtype.BFLOAT16
    return np.ascontiguousarray(array, np.float64 if is_float else None)


def _cast(spec: Input, values: Array) -> Array:
    """To the input's type, where numbers stay numbers: no text, no truth values, no fractions for integers."""
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


def unpacked(prepared: object) -> tuple[Mapping[str, object], list[str], bool]:
    """The two forms that `preprocess` may return; until Paddle Serving 0.3 it had two values."""
    if isinstance(prepared, tuple) and len(prepared) in (2, 3):
        feed, fetch, *rest = prepared
        has_batch = bool(rest[0]) if rest else False
        if isinstance(feed, list) and feed and all(isinstance(item, Mapping) for item in feed):
            # A list of instances: each without the batch axis, as the oldest services return them.
            stacked = {name: np.stack([np.asarray(item[name]) for item in feed]) for name in feed[0]}
            feed, has_batch = (feed[0], has_batch) if len(feed) == 1 and rest else (stacked, True)
        if isinstance(feed, Mapping):
            return feed, [fetch] if isinstance(fetch, str) else list(fetch or []), has_batch
    got = type(prepared).__name__
    if isinstance(prepared, tuple):
        got = f"a tuple of {', '.join(type(part).__name__ for part in prepared) or 'nothing'}"
    raise BackendFailed(f"preprocess must return (feed: dict, fetch: list, is_batch: bool), got {got}")
