"""Why a library is not to be trusted with a model, as far as that can be seen without running it.

Samples show most of what a library computes wrongly, but not what only goes wrong beyond the values that were tried.
So what is known to be computed in fewer bits than the model says is looked for in the program, and so are the operators
that were found to be wrong when each was tried by itself.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from paddle_serving_app.choosing import known_faults
from paddle_serving_app.program import reader
from paddle_serving_app.program.operators import Operator, Program, Value
from paddle_serving_client import dtype
from paddle_serving_client.errors import BadModel

_FLOAT64 = dtype.code_of("float64")
_WIDE_INTEGERS = {dtype.code_of("int64")}
_SMALL = {dtype.code_of(kind) for kind in ("bool", "int8", "uint8", "int16", "float16")}
"""Numbers of these types, as integers, fit in 32 bits whatever they are."""
_GROWING = {
    "add",
    "sub",
    "mul",
    "pow",
    "square",
    "scale",
    "sum",
    "prod",
    "cumsum",
    "cumprod",
    "matmul",
    "dot",
    "bitshift",
}
"""Operators whose integers may be beyond 32 bits where those that they take are not."""
_COUNTING = {
    *("shape", "size", "numel", "arg_max", "argmax", "arg_min", "argmin", "argsort", "nonzero", "where_index"),
    "nonmaxsuppression",
    *("full_like", "fill_any_like", "ones_like", "zeros_like", "constantofshape", "range", "arange", "unique"),
}
"""Operators that give positions, sizes, or as many equal numbers: never large, whatever they take."""
_WITH_PLACES = {"TopK", "MaxPool", "Unique"}
"""Operators of ONNX that give positions beside values."""


def against(backend: str, folder: Path, *, onednn: bool = False) -> list[str]:
    """The reasons not to run a folder's model by a library, in words for people; none where nothing is known.

    Args:
        backend: its name.
        folder: of the model.
        onednn: whether it uses oneDNN; only Paddle has a choice.
    """
    if backend == "openvino" and (found := reader.find(folder)) is not None and (reasons := in_fewer_bits(found)):
        return reasons
    with contextlib.suppress(BadModel):  # whoever loads it says what is wrong with it
        return known_faults.found_in(folder, backend, onednn=onednn)
    return []


def in_fewer_bits(program: Program) -> list[str]:
    """What OpenVINO computes in 32 bits on a CPU though the model says 64."""
    floats, integers = "", ""
    data = {value.name for value in program.feeds.values()}
    """Values that depend on what callers send, and not only on its shape."""
    for operator in program.operators:
        kind = operator.common_kind
        taken = [value for value in operator.inputs if value.name in data]
        if not taken or kind in _COUNTING:
            continue
        data.update(value.name for value in _data_of(operator, taken))
        gives = {value.elem_type for value in operator.outputs if not value.is_list}
        if _FLOAT64 in gives:
            floats = floats or f"OpenVINO computes float64 in 32 bits, and {kind!r} gives such numbers"
        if kind in _GROWING and gives & _WIDE_INTEGERS:
            integers = integers or f"OpenVINO computes int64 in 32 bits, and {kind!r} may give larger numbers"
    if not floats and any(value.elem_type == _FLOAT64 for value in program.feeds.values()):
        floats = "OpenVINO computes float64 in 32 bits, and an input has such numbers"
    return [reason for reason in (floats, integers) if reason]


def _data_of(operator: Operator, taken: Sequence[Value]) -> Sequence[Value]:
    """Which results depend on data in a way that makes large integers possible."""
    if operator.common_kind == "cast" and all(value.elem_type in _SMALL for value in taken):
        return [value for value in operator.outputs if value.elem_type not in _WIDE_INTEGERS]
    return operator.outputs[:1] if operator.kind in _WITH_PLACES else operator.outputs
