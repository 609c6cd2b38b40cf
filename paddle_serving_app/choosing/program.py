"""A model as the choice of a library looks at it: its operators, with the element types that they work on.

Nothing is computed here and no library is asked: `operators.read` makes a `Program` of a model's file. What is known of
whole numbers without their values, `Program.small` and `Program.within_32_bits` tell: a program works out shapes in
int64 all over, and a library that computes int64 in fewer bits is not wrong there.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from paddle_serving_client import dtype

_SMALL = 1 << 24
"""A constant up to this is like a length of an axis: sums and products of a few of them stay within 32 bits."""
_INT32 = range(-(1 << 31), 1 << 31)
_NARROW = {dtype.code_of(kind) for kind in ("bool", "int8", "uint8", "int16")}
_WITHIN_32 = _NARROW | {dtype.code_of("int32")}
_WHOLE = _WITHIN_32 | {dtype.code_of("int64")}


@dataclass(frozen=True, slots=True)
class Value:
    """What an operator takes or gives."""

    name: str
    elem_type: int
    """A code of `dtype.ELEM_TYPES`, or `dtype.UNKNOWN`."""
    shape: tuple[int, ...] | None = None
    """-1: may vary; None: the file does not say."""
    is_parameter: bool = False
    """Its values are in the model's files, not in its program."""
    constant: tuple[int, int] | None = None
    """Of whole numbers that the file itself holds: the least and the largest."""

    @property
    def is_whole(self) -> bool:
        """Whether it holds whole numbers or truth values."""
        return self.elem_type in _WHOLE


@dataclass(frozen=True, slots=True)
class Operator:
    """One step of a model."""

    kind: str
    """As the model's form calls it: `elementwise_mul` (Paddle 1 and 2), `multiply` (Paddle 3), `Mul` (ONNX)."""
    inputs: tuple[Value, ...]
    """In the order of the file; what is left out is not there."""
    outputs: tuple[Value, ...]
    attributes: Mapping[str, object]
    """Numbers, truth values, texts and tuples of them; what is none of these is left out."""

    @property
    def types(self) -> frozenset[int]:
        """The element types that it works on."""
        return frozenset(value.elem_type for value in (*self.inputs, *self.outputs))


@dataclass(frozen=True)
class Program:
    """All operators of a model, those of its loops and branches among them."""

    form: str
    """`paddle2` (Paddle 1 as well), `paddle3` or `onnx`."""
    feeds: tuple[str, ...]
    """The names of the inputs."""
    operators: tuple[Operator, ...]

    def small(self) -> frozenset[str]:
        """The names of whole numbers that are made of lengths, places and small constants only."""

        def gives(operator: Operator, known: frozenset[str]) -> bool:
            if operator.kind in SIZES or _gives_places(operator, known):
                return True
            return operator.kind not in _MAKES_LARGE and not _has_large_factor(operator) and _all_in(operator, known)

        return self._spread(gives, _SMALL, _NARROW)

    def within_32_bits(self, *, feeds: bool) -> frozenset[str]:
        """The names of whole numbers that are certain to fit in 32 bits.

        Args:
            feeds: whether int64 inputs are: whoever runs the model refuses larger ones.
        """
        small = self.small()
        given = self._whole & frozenset(self.feeds) if feeds else frozenset()

        def gives(operator: Operator, known: frozenset[str]) -> bool:
            return operator.kind in KEEPING and _all_in(operator, known | small | given)

        return self._spread(gives, _INT32.stop, _WITHIN_32) | small | given

    @cached_property
    def _makers(self) -> dict[str, list[Operator]]:
        """By name; a loop gives a value of one name more than once."""
        found: dict[str, list[Operator]] = {}
        for operator in self.operators:
            for value in operator.outputs:
                found.setdefault(value.name, []).append(operator)
        return found

    def _spread(
        self, gives: Callable[[Operator, frozenset[str]], bool], limit: int, narrow: set[int]
    ) -> frozenset[str]:
        """All names for which it holds, found by going round until nothing new is: every maker has to give it."""
        known = {value.name for value in self._values() if value.elem_type in narrow or _is_below(value, limit)}
        whole = self._whole
        is_new = True
        while is_new:
            so_far = frozenset(known)
            found = {
                name
                for name, makers in self._makers.items()
                if name in whole and name not in so_far and all(gives(maker, so_far) for maker in makers)
            }
            known |= found
            is_new = bool(found)
        return frozenset(known)

    @cached_property
    def _whole(self) -> frozenset[str]:
        return frozenset(value.name for value in self._values() if value.is_whole)

    def _values(self) -> Iterator[Value]:
        for operator in self.operators:
            yield from operator.inputs
            yield from operator.outputs


def _all_in(operator: Operator, known: frozenset[str]) -> bool:
    return bool(operator.inputs) and all(value.name in known for value in operator.inputs)


def _gives_places(operator: Operator, known: frozenset[str]) -> bool:
    """Whether its whole numbers are places only: they are where what was sorted are none, or small."""
    return operator.kind in _SORTS and all(not v.is_whole or v.name in known for v in operator.inputs)


def _has_large_factor(operator: Operator) -> bool:
    numbers = (operator.attributes.get(name, 0) for name in ("scale", "bias", "step"))
    return any(isinstance(number, int | float) and abs(number) >= _SMALL for number in numbers)


def _is_below(value: Value, limit: int) -> bool:
    return value.constant is not None and -limit <= value.constant[0] and value.constant[1] < limit


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


SIZES = _names(
    "shape shape64 size numel rank where_index nonzero arg_max argmax arg_min argmin is_empty sequence_mask "
    "Shape Size NonZero ArgMax ArgMin lod_array_length array_length"
)
"""What gives lengths or places, whatever it is given."""

_SORTS = _names(
    "top_k top_k_v2 topk TopK argsort kthvalue mode unique unique_consecutive Unique MaxPool max_pool2d_with_index"
)
"""What gives numbers and, beside them, their places."""

_MAKES_LARGE = _names(
    "pow elementwise_pow Pow exp Exp left_shift bitwise_left_shift BitShift randint RandomUniform uniform_random "
    "gaussian_random hash while While Loop Scan if If conditional_block yield fill_constant full fill_any_like "
    "full_like assign_value assign_value_ Constant ConstantOfShape"
)
"""What may give large numbers for small ones; constants among them, which are known by their own values."""

KEEPING = _names(
    # Paddle
    "reshape reshape2 transpose transpose2 squeeze squeeze2 unsqueeze unsqueeze2 flatten flatten2 "
    "flatten_contiguous_range concat stack unstack unbind split split_with_num slice strided_slice gather gather_nd "
    "index_select index_sample take_along_axis expand expand_v2 expand_as expand_as_v2 tile flip reverse roll where "
    "assign assign_ share_data share_data_ cast tril_triu tril triu maximum minimum elementwise_max elementwise_min "
    "reduce_max reduce_min max min amax amin relu relu6 sort memcpy feed fetch data combine builtin.split "
    "elementwise_mod remainder sign broadcast_tensors meshgrid masked_select unique fetch_v2 shadow_output "
    # ONNX
    "Reshape Transpose Squeeze Unsqueeze Flatten Concat Split Slice Gather GatherND GatherElements Expand Tile Where "
    "Identity Cast Max Min ReduceMax ReduceMin Relu Mod Sign Trilu Unique Compress ReverseSequence"
)
"""What gives back some of the numbers that it was given, or smaller ones."""
