"""What a loaded model takes and gives, and the complete check that every feed passes before a backend sees it.

Inference libraries do not protect their callers: with a wrong shape or a missing input, some silently run on what
an earlier caller left behind. So nothing reaches `Backend.run` that did not come through `Signature.arrange`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from paddle_serving_client import byte_strings, dtype
from paddle_serving_client.errors import BadDType, BadInput
from paddle_serving_client.message import Array, Lod, Tensors, describe, is_same_but_for_ones

_TAKE_STRINGS = (dtype.STRING, dtype.code_of(np.uint8))


@dataclass(frozen=True, slots=True)
class Sample:
    """A tensor whose elements are all one value: with those of its other inputs, something that the model answered."""

    shape: tuple[int, ...]
    """With the batch axis."""
    value: bool | int | float | str


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a loaded model."""

    name: str
    alias: str
    elem_type: int
    shape: tuple[int, ...]
    """With the batch axis; -1 is a dimension that may vary."""
    is_lod: bool = False
    may_be_empty: bool = False
    """Whether an open axis behind the first may have length 0, as that of a past that is not there yet."""
    is_optional: bool = False
    """Whether it may be left out; then the feed is arranged by what is `given`."""
    sample: Sample | None = field(default=None, compare=False)
    """None where none was found; two inputs with other samples are one and the same."""

    def __str__(self) -> str:
        return f"{dtype.name_of(self.elem_type)}{list(self.shape)}"


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a loaded model."""

    name: str
    alias: str
    elem_type: int
    shape: tuple[int, ...] = ()
    """As the config says, for people to read; what the backend returns counts."""
    is_lod: bool = False


@dataclass(frozen=True, slots=True)
class Arranged:
    """A feed that passed the check: arrays in the order of `Signature.inputs`, native byte order, C-contiguous."""

    arrays: tuple[Array, ...]
    lods: Mapping[int, Lod]
    """By index of the input; only those that have one."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The inputs and outputs of a loaded model, in the order of its config."""

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    fields: str = ""
    """What callers name in the place of the inputs, as JSON (`model_fields`); empty: nothing else."""
    _input_of: Mapping[str, int] = field(init=False, repr=False, compare=False)
    """Index of an input by either of its names."""
    _output_of: Mapping[str, int] = field(init=False, repr=False, compare=False)
    _types: tuple["np.dtype[np.generic] | None", ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Prepare what every feed is checked against."""
        put = object.__setattr__
        put(self, "_input_of", _by_names(self.inputs))
        put(self, "_output_of", _by_names(self.outputs))
        # Of strings every one is looked at, so that no array of objects is right at first sight.
        kinds = (np.dtype(np.void) if i.elem_type == dtype.STRING else dtype.numpy_of(i.elem_type) for i in self.inputs)
        put(self, "_types", tuple(kinds))

    @property
    def can_join(self) -> bool:
        """Whether two feeds may be joined on axis 0: every input has a batch axis that may vary, and none has LoD."""
        return all(i.shape and i.shape[0] == -1 and not i.is_lod for i in self.inputs)

    def given(self, feed: Tensors) -> "Signature":
        """The same without the optional inputs that are not in a feed."""
        left_out = [i for i in self.inputs if i.is_optional and i.alias not in feed and i.name not in feed]
        return replace(self, inputs=tuple(i for i in self.inputs if i not in left_out)) if left_out else self

    def arrange(self, feed: Tensors, lods: Mapping[str, Lod] | None = None) -> Arranged:
        """Check a feed in full and put it in order.

        Args:
            feed: every input of the model once, by alias or by real name, with the batch axis. Not modified.
            lods: sequence offsets by the same names, for inputs that are LoD.

        Raises:
            BadInput: a name is unknown, missing or there twice; a shape does not fit; offsets are wrong.
            BadDType: an array has another element type than the input.
        """
        index_of = self._match_names(feed)
        in_order = index_of.items() if len(index_of) == 1 else sorted(index_of.items(), key=lambda nk: nk[1])
        arrays = tuple([self._fitted(k, feed[name]) for name, k in in_order])
        checked: dict[int, Lod] = {}
        for name, lod in (lods or {}).items():
            if name not in index_of:
                raise BadInput(f"offsets {name}.lod came without input {name!r}")
            k = index_of[name]
            if not self.inputs[k].is_lod:
                raise BadInput(f"input {name!r} takes no sequence offsets (LoD), but {name}.lod came")
            checked[k] = _checked_lod(name, lod, len(arrays[k]))
        return Arranged(arrays, checked)

    def uneven_rows(self, arrays: Sequence[Array]) -> str:
        """In words how many rows each input has, where they differ; empty where all have as many.

        Args:
            arrays: of a feed that passed `arrange`. Inputs with LoD or a fixed first axis have no rows to compare.
        """
        pairs = zip(self.inputs, arrays, strict=True)
        rows = {i.alias: len(array) for i, array in pairs if i.shape[:1] == (-1,) and not i.is_lod}
        if len(set(rows.values())) < 2:
            return ""
        return "inputs with different numbers of rows: " + ", ".join(f"{name!r} has {n}" for name, n in rows.items())

    def select(self, fetch: Sequence[str]) -> tuple[int, ...]:
        """Which outputs a caller wants, as indices.

        Names are aliases or real names. Unknown ones are dropped, and if none is left, or none was given, all are
        meant: so did the old clients, and scripts rely on it.
        """
        known = self._output_of
        wanted = dict.fromkeys([known[name] for name in fetch if name in known])
        return tuple(wanted) or tuple(range(len(self.outputs)))

    def _match_names(self, feed: Tensors) -> dict[str, int]:
        known = self._input_of
        index_of: dict[str, int] = {}
        for name in feed:
            if name not in known:
                valid = ", ".join(repr(i.alias) for i in self.inputs)
                raise BadInput(f"unknown input {_quoted(name)}; this model takes {valid}")
            if known[name] in index_of.values():
                raise BadInput(f"input {self.inputs[known[name]].alias!r} came twice")
            index_of[name] = known[name]
        if len(index_of) < len(self.inputs):
            missing = [i for k, i in enumerate(self.inputs) if k not in index_of.values()]
            came = ", ".join(map(_quoted, feed)) or "nothing"
            raise BadInput(f"missing input {', '.join(f'{i.alias!r} ({i})' for i in missing)}; {came} came")
        return index_of

    def _fitted(self, k: int, array: Array) -> Array:
        """One input, checked; what is exactly right already, as nearly always, passes through."""
        spec = self.inputs[k]
        shape, kind = array.shape, array.dtype
        same_type = kind == self._types[k] and kind.isnative
        if same_type and len(shape) == len(spec.shape) and array.flags.c_contiguous:
            for want, got in zip(spec.shape, shape, strict=True):
                if got != want and (want != -1 or got == 0):
                    break
            else:
                return array
        return _fit(spec, array)


def _by_names(variables: "Sequence[Input | Output]") -> dict[str, int]:
    return {v.name: k for k, v in enumerate(variables)} | {v.alias: k for k, v in enumerate(variables)}


def _fit(spec: Input, array: Array) -> Array:
    expected = dtype.numpy_of(spec.elem_type)
    if expected is None:
        raise BadDType(f"input {spec.alias!r} is {dtype.name_of(spec.elem_type)}, which cannot be served")
    if array.dtype.kind in "OSU" and spec.elem_type in _TAKE_STRINGS:
        array = _of_strings(spec, array)
    if array.dtype.newbyteorder("=") != expected:
        raise BadDType(f"input {spec.alias!r} must be {spec}, got {describe(array)}")
    fitted = _reshaped(spec, array)
    if fitted.ndim != len(spec.shape):
        raise BadInput(f"input {spec.alias!r} must be {spec}, got {describe(array)}: the number of axes differs")
    for axis, (want, got) in enumerate(zip(spec.shape, fitted.shape, strict=True)):
        if want not in (-1, got):
            raise BadInput(f"input {spec.alias!r} must be {spec}, got {describe(array)}: axis {axis} is not {want}")
        if got == 0 and not (spec.may_be_empty and axis and want == -1):
            raise BadInput(f"input {spec.alias!r} must be {spec}, got {describe(array)}: axis {axis} is empty")
    # One call makes both certain: native byte order and C order; it copies nothing that is right already.
    return np.require(fitted, dtype=expected, requirements="C")


def _of_strings(spec: Input, array: Array) -> Array:
    """Strings for an input of strings; for one of uint8, as the old engine gave them to a model, joined with NUL."""
    strings = byte_strings.of(array, f"input {spec.alias!r}")
    if spec.elem_type == dtype.STRING:
        return strings
    return np.frombuffer(b"\0".join(strings.flat), np.uint8)


def _reshaped(spec: Input, array: Array) -> Array:
    """Accept the harmless spelling that the old engine accepted: axes of length 1 more or less.

    Values are never put in another order or cut into other rows: whoever sends 96x32 for 3x32x32, or channels last,
    would get an answer to another picture than his. Old clients send 8-bit and half-precision values in the configured
    shape, without a batch axis: one row.
    """
    inner = spec.shape[1:]
    if array.shape == inner and spec.shape[:1] == (-1,) and spec.elem_type in dtype.SENT_WITHOUT_BATCH:
        return array[None]
    if array.shape[1:] == inner or array.ndim < 2 or -1 in inner:
        return array
    return array.reshape(array.shape[0], *inner) if is_same_but_for_ones(array.shape[1:], inner) else array


def _checked_lod(name: str, lod: Lod, rows: int) -> Lod:
    for level, offsets in enumerate(lod):
        last = len(lod[level + 1]) - 1 if level + 1 < len(lod) else rows
        rising = all(a <= b for a, b in zip(offsets, offsets[1:], strict=False))
        if len(offsets) < 2 or offsets[0] != 0 or not rising or offsets[-1] != last:
            raise BadInput(
                f"{name}.lod level {level} must rise from 0 to {last}, got {list(offsets[:8])}"
                f"{'...' if len(offsets) > 8 else ''}"
            )
    return lod


def _quoted(name: str) -> str:
    return repr(name if len(name) <= 64 else name[:61] + "...")
