"""Functions of Paddle that write operators of Paddle 3 only, as they were when they wrote those of Paddle 2.

Programs in the form of Paddle 2 are still served, though Paddle 3's functions refuse to write some of their operators.
"""

from collections.abc import Callable
from typing import Any

_SAME = (
    "abs acos acosh asin atanh ceil cos cosh exp expm1 floor log log10 log1p log2 round rsqrt sigmoid sign sin sinh "
    "sqrt tanh"
)
_TO_BOOL = {"isnan": "isnan_v2", "isinf": "isinf_v2", "isfinite": "isfinite_v2", "logical_not": "logical_not"}
_BINARY = {"maximum": "elementwise_max", "minimum": "elementwise_min", "multiply": "elementwise_mul"}
_COMPARING = ("greater_than", "logical_and", "logical_or", "logical_xor")
_REDUCING = {
    "sum": "reduce_sum",
    "amax": "reduce_amax",
    "amin": "reduce_amin",
    "all": "reduce_all",
    "any": "reduce_any",
}


def put_back(paddle: Any) -> None:
    """Replace those functions in the module, in a process that writes the form of Paddle 2."""
    made: dict[str, Any] = {name: _unary(paddle, name) for name in _SAME.split()}
    made |= {name: _unary(paddle, kind, "bool") for name, kind in _TO_BOOL.items()}
    made |= {name: _binary(paddle, kind) for name, kind in _BINARY.items()}
    made |= {name: _binary(paddle, name, "bool") for name in _COMPARING}
    made |= {name: _reduction(paddle, kind) for name, kind in _REDUCING.items()}
    made |= {"argmax": _argument(paddle, "arg_max"), "argmin": _argument(paddle, "arg_min")}
    made["logsumexp"] = _reduction(paddle, "logsumexp", "axis", "keepdim")
    made["matmul"] = lambda x, y, transpose_x=False, transpose_y=False: _one(
        paddle, "matmul_v2", {"X": x, "Y": y}, {"trans_x": transpose_x, "trans_y": transpose_y}
    )
    made["bmm"] = lambda x, y: _one(paddle, "bmm", {"X": x, "Y": y}, {})
    made["dot"] = lambda x, y: _one(paddle, "dot", {"X": x, "Y": y}, {})
    made["roll"] = lambda x, shifts, axis: _one(paddle, "roll", {"X": x}, {"shifts": [shifts], "axis": [axis]})
    made["tril"] = lambda x, diagonal=0: _one(paddle, "tril_triu", {"X": x}, {"diagonal": diagonal, "lower": True})
    made["triu"] = lambda x, diagonal=0: _one(paddle, "tril_triu", {"X": x}, {"diagonal": diagonal, "lower": False})
    made["diagonal"] = lambda x: _one(paddle, "diagonal", {"Input": x}, {"offset": 0, "axis1": 0, "axis2": 1})
    made["expand_as"] = lambda x, y: _one(
        paddle, "expand_as_v2", {"X": x, "Y": y}, {"target_shape": [int(dim) for dim in y.shape]}
    )
    for name, function in made.items():
        setattr(paddle, name, function)
    functional = paddle.nn.functional
    functional.sigmoid, functional.tanh = made["sigmoid"], made["tanh"]
    functional.gelu = lambda x, approximate=False: _one(paddle, "gelu", {"X": x}, {"approximate": approximate})
    functional.softplus = lambda x, beta=1.0, threshold=20.0: _one(
        paddle, "softplus", {"X": x}, {"beta": float(beta), "threshold": float(threshold)}
    )
    functional.grid_sample = lambda x, grid, mode="bilinear", padding_mode="zeros", align_corners=True: _one(
        paddle,
        "grid_sampler",
        {"X": x, "Grid": grid},
        {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners, "use_cudnn": False},
        "Output",
    )


def _one(
    paddle: Any, kind: str, inputs: dict[str, Any], attributes: dict[str, Any], slot: str = "Out", result: Any = None
) -> Any:
    helper = paddle.base.layer_helper.LayerHelper(kind)
    first = next(iter(inputs.values()))
    output = helper.create_variable_for_type_inference(result or first.dtype)
    helper.append_op(
        type=kind,
        inputs={name: [value] for name, value in inputs.items()},
        outputs={slot: [output]},
        attrs=attributes,
    )
    return output


def _unary(paddle: Any, kind: str, result: str | None = None) -> Callable[..., Any]:
    return lambda x: _one(paddle, kind, {"X": x}, {}, result=result)


def _binary(paddle: Any, kind: str, result: str | None = None) -> Callable[..., Any]:
    return lambda x, y: _one(paddle, kind, {"X": x, "Y": y}, {"axis": -1} if result is None else {}, result=result)


def _reduction(paddle: Any, kind: str, axes: str = "dim", kept: str = "keep_dim") -> Callable[..., Any]:
    def reduce(x: Any, axis: Any = None, keepdim: bool = False, name: Any = None) -> Any:
        listed = [] if axis is None else list(axis) if isinstance(axis, list | tuple) else [axis]
        attributes = {axes: listed or [0], kept: keepdim, "reduce_all": not listed}
        narrow = kind == "reduce_sum" and x.dtype in (paddle.bool, paddle.int32)
        if narrow:
            attributes |= {"in_dtype": x.dtype, "out_dtype": paddle.int64}
        return _one(paddle, kind, {"X": x}, attributes, result=paddle.int64 if narrow else None)

    return reduce


def _argument(paddle: Any, kind: str) -> Callable[..., Any]:
    def find(x: Any, axis: int | None = None, keepdim: bool = False, dtype: str = "int64") -> Any:
        code = {"int64": 3, "int32": 2}[dtype]
        attributes = {"axis": axis or 0, "keepdims": keepdim, "flatten": axis is None, "dtype": code}
        return _one(paddle, kind, {"X": x}, attributes, result=dtype)

    return find
