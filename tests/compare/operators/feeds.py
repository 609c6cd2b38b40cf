"""Values that show differences: negative, large, special, equal ones, each as a feed of its own.

`ordinary` is what every library has to get right. `wide` holds int64 that fit in 32 bits but whose sums and products
do not, int32 that float32 cannot hold, and such floats; `beyond` holds int64 beyond 32 bits. In `overflow`, narrow
integers go beyond their type, where each library may do as it likes; in `special` are NaN, infinities, the negative
zero and denormals; `ties` are equal values.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.compare.operators.case import In

Feed = list[npt.NDArray[Any]]
_EXACT = 2**53


def feeds_for(inputs: Sequence[In], element_type: str) -> dict[str, Feed]:
    """By the name of the feed, one array for each input."""
    found: dict[str, Feed] = {}
    for name in ("ordinary", "ties", "wide", "beyond", "overflow", "special"):
        random = np.random.default_rng(len(name))
        types = [element_type if i.type == "T" else i.type for i in inputs]
        arrays = [_values(random, i, t, name) for i, t in zip(inputs, types, strict=True)]
        if name == "ordinary" or any(is_other for _, is_other in arrays):
            found[name] = [array for array, _ in arrays]
    return found


def carrier(element_type: str) -> str:
    """The type that is fed: numpy has no bfloat16, so such a program begins and ends with a cast."""
    return "float32" if element_type == "bfloat16" else element_type


def _values(random: np.random.Generator, spec: In, element_type: str, name: str) -> tuple[npt.NDArray[Any], bool]:
    """The values, and whether they are of the kind that the name says rather than ordinary ones."""
    kind = np.dtype(carrier(element_type))
    role, _, limit = spec.role.partition(":")
    if limit:
        return random.integers(0, int(limit), spec.shape).astype(kind), False
    if kind == np.bool_:
        return random.random(spec.shape) < 0.5, False
    made = _by_name(random, spec.shape, kind, name, element_type, role) if role in _TAKES.get(name, ()) else None
    values = _ordinary(random, spec.shape, kind) if made is None else made
    return np.ascontiguousarray(ROLES[role](values).astype(kind)), made is not None


def _ordinary(random: np.random.Generator, shape: tuple[int, ...], kind: np.dtype[Any]) -> npt.NDArray[Any]:
    if kind.kind == "f":
        values = random.normal(0, 2, shape).astype(kind)
    else:
        values = random.integers(0 if kind.kind == "u" else -9, 10, shape).astype(kind)
    if values.size > 4:
        values.flat[2] = 0
    return values


def _by_name(
    random: np.random.Generator,
    shape: tuple[int, ...],
    kind: np.dtype[Any],
    name: str,
    element_type: str,
    role: str,
) -> npt.NDArray[Any] | None:
    """None where the type has no such values."""
    is_float = kind.kind == "f"
    match name:
        case "ties":
            return random.integers(0, 3, shape).astype(kind)
        case "wide" if kind == np.int64:
            return random.integers(-(2**31) + 1, 2**31 - 1, shape) // 1000 * 1000 + 7
        case "wide" if kind == np.int32:
            limit = 20_000 if role == "factor" else 100_000_000
            return np.asarray(random.integers(-limit, limit, shape) | 1)
        case "wide" if kind == np.float64:
            return np.asarray(1.7e9 * np.sign(random.normal(size=shape)) + 100 * random.random(shape))
        case "wide" if element_type == "float32":
            return (1e5 * random.normal(size=shape)).astype(kind)
        case "beyond" if kind == np.int64:
            odd = random.integers(-_EXACT, _EXACT, shape) | 1
            return np.asarray(odd + np.where(random.random(shape) < 0.5, 2**54, -(2**54)))
        case "beyond" if kind == np.float64:
            return np.asarray(np.sign(random.normal(size=shape)) * 10.0 ** random.integers(39, 60, shape))
        case "overflow" if kind.itemsize < 8 and not is_float:
            limits = np.iinfo(kind)
            return random.integers(limits.min, limits.max, shape, endpoint=True).astype(kind)
        case "special" if is_float:
            values = random.normal(0, 2, shape).astype(kind)
            marks = [np.nan, np.inf, -np.inf, -0.0, np.finfo(kind).smallest_subnormal]
            places = random.permutation(values.size)[: len(marks)]
            values.flat[places] = marks[: len(places)]
            return values
    return None


def _nonzero(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.where(values == 0, values.dtype.type(3), values)


def _magnitude(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.where(values < 0, -(values + 1), values) + 1 if values.dtype.kind == "i" else np.abs(values) + 0.5


ROLES: dict[str, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    "any": lambda values: values,
    "factor": lambda values: values,
    "nonzero": _nonzero,
    "positive": lambda values: np.maximum(_magnitude(values), 1) if values.dtype.kind in "iu" else _magnitude(values),
    "unit": lambda values: np.tanh(values.astype(np.float64) / 3) * 0.98,
    "prob": lambda values: 1 / (1 + np.exp(-values.astype(np.float64))) * 0.98 + 0.01,
    "small": lambda values: np.abs(values.astype(np.float64)) % 4,
    "base": lambda values: values.astype(np.float64) % 1400 + 1,
    "sorted": lambda values: np.sort(values, axis=-1),
    "index": lambda values: values,
    "bool": lambda values: values > 0,
}
_TAKES = {
    "ties": ("any", "factor", "nonzero", "positive", "sorted"),
    "wide": ("any", "factor", "nonzero", "positive", "base", "sorted"),
    "beyond": ("any", "factor", "nonzero", "positive", "sorted"),
    "overflow": ("any", "factor", "nonzero"),
    "special": ("any", "factor"),
}
"""Which roles take other values than ordinary ones."""
