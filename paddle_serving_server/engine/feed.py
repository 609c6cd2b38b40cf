"""Between what people write and tensors: instances of a JSON feed, and what `preprocess` returns."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from paddle_serving_app import model_fields
from paddle_serving_app.signature import Input, Signature
from paddle_serving_client import byte_strings, dtype, instances
from paddle_serving_client.errors import BackendFailed, BadInput
from paddle_serving_client.instances import cast, stacked
from paddle_serving_client.message import Array, Instance, Lod, Response

__all__ = [
    "OneRow",
    "as_json",
    "as_tensors",
    "named_inputs",
    "outputs_of",
    "stacked",
    "tensors_and_lods",
    "tensors_of",
    "unpacked",
]

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
            tensors[name] = cast(known[name], value if has_batch else value[None])
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
    """As `tensors_and_lods`, for who has checked that no input is a sequence."""
    return tensors_and_lods(signature, feed)[0]


def tensors_and_lods(signature: Signature, feed: Sequence[Instance]) -> tuple[dict[str, Array], dict[str, Lod]]:
    """Instances of a JSON feed as the inputs of a model: by its fields where it has some, else by its inputs.

    An input with LoD takes a sequence of each instance: they come one behind the other, with their offsets.

    Raises:
        BadInput: a name is unknown or missing, or a value does not fit; the text names the instance.
    """
    table = model_fields.table_of(signature)
    if table is not None and not (table.input and isinstance(feed, list) and _are_inputs(table.input, feed)):
        return table.tensors(feed), {}
    tensors: dict[str, Array] = {}
    lods: dict[str, Lod] = {}
    for spec in named_inputs(signature, feed):
        if spec.is_lod:
            tensors[spec.alias], lods[spec.alias] = _sequences(spec, feed)
        else:
            tensors[spec.alias] = stacked(spec, feed)
    return tensors, lods


def _sequences(spec: Input, feed: Sequence[Instance]) -> tuple[Array, Lod]:
    """A sequence of each instance: rows of the input, or where one is one value, a list of these."""
    sequences, offsets = [], [0]
    for k, instance in enumerate(feed):
        try:
            found = _sequence(spec, cast(spec, instances.numbers(spec, instance[spec.alias])))
        except BadInput as exc:
            raise BadInput(f"feed[{k}]: {exc}") from exc
        sequences.append(found)
        offsets.append(offsets[-1] + len(found))
    if len({found.shape[1:] for found in sequences}) > 1:
        shapes = ", ".join(str(list(found.shape[1:])) for found in sequences)
        raise BadInput(f"input {spec.alias!r}: the rows of its sequences have different shapes: {shapes}")
    return np.concatenate(sequences), (tuple(offsets),)


def _sequence(spec: Input, values: Array) -> Array:
    row = spec.shape[1:]
    if math.prod(row) == 1 and values.ndim <= 1:
        return values.reshape(-1, *row)
    if values.shape == row:
        return values[None]
    if values.ndim != len(spec.shape) or any(
        want not in (-1, got) for want, got in zip(row, values.shape[1:], strict=True)
    ):
        raise BadInput(f"input {spec.alias!r} is a sequence of rows of {list(row)}, got {list(values.shape)}")
    return values


def _are_inputs(name: str, feed: Sequence[Instance]) -> bool:
    """Whether the instances have the columns ready, under the name of the input."""
    return bool(feed) and all(isinstance(instance, Mapping) and instance.keys() == {name} for instance in feed)


def named_inputs(signature: Signature, feed: Sequence[Instance]) -> list[Input]:
    """The inputs, when every instance has a value for each and nothing else. Raises BadInput."""
    instances.check_names(signature.inputs, feed)
    return list(signature.inputs)


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
            values.append(cast(spec, array))
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
