"""What is known of a program's whole numbers without their values: which are small, which fit in 32 bits.

A program works out shapes in int64 all over, and a library that computes int64 in fewer bits is not wrong there.
"""

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet

from paddle_serving_app.program.operators import Operator, Program, Value
from paddle_serving_client import dtype

_SMALL = 1 << 24
"""A constant up to this is like a length of an axis: sums and products of a few of them stay within 32 bits."""
_INT32 = range(-(1 << 31), 1 << 31)
_NARROW = {dtype.code_of(kind) for kind in ("bool", "int8", "uint8", "int16")}
_WITHIN_32 = _NARROW | {dtype.code_of("int32")}


def small(program: Program) -> frozenset[str]:
    """The names of whole numbers that are made of lengths, places and small constants only."""

    def gives(operator: Operator, known: AbstractSet[str]) -> bool:
        if operator.kind in _SIZES or _gives_places(operator, known):
            return True
        return operator.kind not in _MAKES_LARGE and not _has_large_factor(operator) and _all_in(operator, known)

    return _spread(program, gives, _SMALL, _NARROW)


def within_32_bits(program: Program, *, feeds: bool) -> frozenset[str]:
    """The names of whole numbers that are certain to fit in 32 bits.

    Args:
        program: a model's.
        feeds: whether int64 inputs are: whoever runs the model refuses larger ones.
    """
    given = {value.name for value in program.feeds.values() if feeds and value.is_whole}

    def gives(operator: Operator, known: AbstractSet[str]) -> bool:
        return operator.kind in _KEEPING and _all_in(operator, known)

    return _spread(program, gives, _INT32.stop, _WITHIN_32, small(program) | given)


def _spread(
    program: Program,
    gives: Callable[[Operator, AbstractSet[str]], bool],
    limit: int,
    narrow: set[int],
    given: AbstractSet[str] = frozenset(),
) -> frozenset[str]:
    """All names for which it holds, found by going round until nothing new is: every maker has to give it.

    What is found counts at once, so that a program without loops takes two rounds, however long it is.
    """
    known = {value.name for value in _values(program) if value.elem_type in narrow or _is_below(value, limit)} | given
    whole = {value.name for value in _values(program) if value.is_whole}
    makers: dict[str, list[Operator]] = {}
    """By name; a loop gives a value of one name more than once."""
    for operator in program.operators:
        for value in operator.outputs:
            if value.name in whole:
                makers.setdefault(value.name, []).append(operator)
    is_new = True
    while is_new:
        is_new = False
        for name, all_makers in makers.items():
            if name not in known and all(gives(maker, known) for maker in all_makers):
                known.add(name)
                is_new = True
    return frozenset(known)


def _values(program: Program) -> Iterator[Value]:
    for operator in program.operators:
        yield from operator.inputs
        yield from operator.outputs


def _all_in(operator: Operator, known: AbstractSet[str]) -> bool:
    return bool(operator.inputs) and all(value.name in known for value in operator.inputs)


def _gives_places(operator: Operator, known: AbstractSet[str]) -> bool:
    """Whether its whole numbers are places only: they are where what was sorted are none, or small."""
    return operator.kind in _SORTS and all(not v.is_whole or v.name in known for v in operator.inputs)


def _has_large_factor(operator: Operator) -> bool:
    numbers = (operator.attributes.get(name, 0) for name in ("scale", "bias", "step"))
    return any(isinstance(number, int | float) and abs(number) >= _SMALL for number in numbers)


def _is_below(value: Value, limit: int) -> bool:
    return value.constant is not None and -limit <= value.constant[0] and value.constant[1] < limit


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SIZES = _names(
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

_KEEPING = _names(
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
