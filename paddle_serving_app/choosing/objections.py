"""Why a library is not to be trusted with a model, as far as that can be seen without running it.

Samples show most of what a library computes wrongly, but not what only goes wrong beyond the values that were tried.
So what is known to be computed in fewer bits than the model says is looked for in the graph, and so are the operators
that were found to be wrong when each was tried by itself.
"""

import contextlib
from pathlib import Path

from paddle_serving_app import graph
from paddle_serving_app.choosing import known_faults
from paddle_serving_app.graph import Graph
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
    *("full_like", "fill_any_like", "ones_like", "zeros_like", "constantofshape", "range", "arange", "unique"),
}
"""Operators that give positions, sizes, or as many equal numbers: never large, whatever they take."""


def against(backend: str, folder: Path, *, onednn: bool = False) -> list[str]:
    """The reasons not to run a folder's model by a library, in words for people; none where nothing is known.

    Args:
        backend: its name.
        folder: of the model.
        onednn: whether it uses oneDNN; only Paddle has a choice.
    """
    if backend == "openvino" and (found := graph.read(folder)) is not None and (reasons := in_fewer_bits(found)):
        return reasons
    with contextlib.suppress(BadModel):  # whoever loads it says what is wrong with it
        return known_faults.found_in(folder, backend, onednn=onednn)
    return []


def in_fewer_bits(model: Graph) -> list[str]:
    """What OpenVINO computes in 32 bits on a CPU though the model says 64."""
    floats, integers = "", ""
    data = set(model.inputs.values())
    """Tensors whose values depend on what callers send, and not only on its shape."""
    for operator in model.operators:
        taken = [name for name in operator.inputs if name in data]
        if not taken or operator.kind in _COUNTING:
            continue
        data.update(_data_of(operator, taken, model))
        gives = {model.types.get(name, dtype.UNKNOWN) for name in operator.outputs}
        if _FLOAT64 in gives:
            floats = floats or f"OpenVINO computes float64 in 32 bits, and {operator.kind!r} gives such numbers"
        if operator.kind in _GROWING and gives & _WIDE_INTEGERS:
            integers = integers or f"OpenVINO computes int64 in 32 bits, and {operator.kind!r} may give larger numbers"
    if not floats and any(model.types.get(name) == _FLOAT64 for name in model.inputs.values()):
        floats = "OpenVINO computes float64 in 32 bits, and an input has such numbers"
    return [reason for reason in (floats, integers) if reason]


def _data_of(operator: graph.Operator, taken: list[str], model: Graph) -> list[str]:
    """Which results depend on data in a way that makes large integers possible."""
    if operator.kind == "cast" and all(model.types.get(name, dtype.UNKNOWN) in _SMALL for name in taken):
        wide = [name for name in operator.outputs if model.types.get(name) in _WIDE_INTEGERS]
        return [name for name in operator.outputs if name not in wide]
    return list(operator.outputs)
