"""The cases that are written in Paddle: one operator each, found by its public name."""

from collections.abc import Callable, Iterator
from typing import Any

from tests.compare.operators.case import ALL, FLOATS, INTS, Case, In

NUMBERS = (*FLOATS, *INTS)
_WHOLE = (*INTS, "bool")
_PRODUCTS = (
    "multiply",
    "square",
    "matmul",
    "bmm",
    "mm",
    "mv",
    "dot",
    "outer",
    "inner",
    "addmm",
    "einsum",
    "kron",
    "cross",
)
_VECTOR = In((3, 8))
_PICTURE = In((2, 4, 8, 8))
_FIXED = In((3, 4), is_fixed=True)


def cases() -> list[Case]:
    """All of them; names are unique."""
    found = [
        *_unary(),
        *_activations(),
        *_binary(),
        *_reductions(),
        *_places(),
        *_shapes(),
        *_pictures(),
        *_products(),
        *_norms(),
        *_others(),
    ]
    names = [case.name for case in found]
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
    return [case.multiplying() if case.name.startswith(_PRODUCTS) else case for case in found]


def _call(path: str, *args: Any, **kwargs: Any) -> Callable[..., Any]:
    """A builder that calls a function of Paddle by its dotted name with the inputs and what is given here."""

    def build(paddle: Any, *inputs: Any) -> Any:
        function = paddle
        for part in path.split("."):
            function = getattr(function, part)
        return function(*inputs, *args, **kwargs)

    return build


def _unary() -> Iterator[Case]:
    anywhere = (
        "abs neg sign ceil floor round trunc frac square exp expm1 sin cos tan sinh cosh tanh atan asinh erf "
        "sigmoid isnan isinf isfinite reciprocal rad2deg deg2rad nan_to_num angle conj i0 i0e i1 i1e sinc "
        "logit_ digamma_ lgamma_"
    )
    for name in anywhere.split():
        if not name.endswith("_"):
            role = "nonzero" if name == "reciprocal" else "any"
            yield Case(name, _call(name), (In(role=role),), ALL)
    for name in ("log", "log2", "log10", "log1p", "sqrt", "rsqrt", "digamma", "lgamma", "acosh", "gammaln"):
        yield Case(name, _call(name), (In(role="positive"),), NUMBERS)
    for name in ("asin", "acos", "atanh", "erfinv"):
        yield Case(name, _call(name), (In(role="unit"),), NUMBERS)
    yield Case("logit", _call("logit"), (In(role="prob"),), FLOATS)
    yield Case("logical_not", _call("logical_not"), types=ALL)
    yield Case("bitwise_not", _call("bitwise_not"), types=_WHOLE)
    for value in (2.0, 0.5, -1.0, 3.0):
        role = "positive" if value in (0.5, -1.0) else "base"
        yield Case(f"pow_{value:g}", _call("pow", value), (In(role=role),), FLOATS if value < 0 else NUMBERS)
    yield Case("pow_int", _call("pow", 2), (In(role="base"),), NUMBERS)
    yield Case("scale_after", _call("scale", 3.0, 1.0), types=NUMBERS)
    yield Case("scale_before", _call("scale", 2.0, 5.0, False), types=NUMBERS)
    yield Case("scale_half", _call("scale", 0.5, 0.25), types=NUMBERS)
    yield Case("scale_large", _call("scale", 1.0, 16777217.0), types=("int64", "int32", "float64"))
    yield Case("increment", lambda paddle, x: paddle.increment(paddle.sum(x).reshape([1]), 2), types=NUMBERS)
    yield Case("clip", _call("clip", -1.5, 2.0), types=NUMBERS)
    yield Case("clip_int", _call("clip", 1, 3), types=NUMBERS)
    yield Case("clip_low", _call("clip", 0.0, None), types=NUMBERS)
    yield Case("stanh", _call("stanh"), types=FLOATS)
    for target in ALL:
        yield Case(f"cast_{target}", _call("cast", target), types=ALL)
    yield Case("add_scalar", lambda paddle, x: x + 3, types=NUMBERS)
    yield Case("add_large_scalar", lambda paddle, x: x + 50.5, types=FLOATS)
    yield Case("subtract_from_scalar", lambda paddle, x: 7 - x, types=NUMBERS)
    yield Case("multiply_by_scalar", lambda paddle, x: x * 5, types=NUMBERS)
    yield Case("divide_by_scalar", lambda paddle, x: x / 4, types=NUMBERS)
    yield Case("floor_divide_by_scalar", lambda paddle, x: x // 3, types=NUMBERS)
    yield Case("mod_scalar", lambda paddle, x: x % 3, types=NUMBERS)
    yield Case("power_of_scalar", lambda paddle, x: x**2, (In(role="base"),), NUMBERS)
    yield Case("compare_scalar", lambda paddle, x: x > 1, types=NUMBERS)
    yield Case("equal_scalar", lambda paddle, x: x == 1, types=NUMBERS)


def _activations() -> Iterator[Case]:
    names = (
        "relu relu6 elu selu celu gelu silu mish softplus softsign hardsigmoid hardswish hardtanh hardshrink "
        "softshrink tanhshrink thresholded_relu log_sigmoid swish leaky_relu softmax log_softmax tanh sigmoid"
    )
    for name in names.split():
        yield Case(f"act_{name}", _call(f"nn.functional.{name}"), types=NUMBERS)
    for alpha in (0.1, 0.3, 0.0, 1.5):
        yield Case(f"leaky_relu_{alpha:g}", _call("nn.functional.leaky_relu", alpha), types=FLOATS)
    yield Case("elu_half", _call("nn.functional.elu", 0.5), types=FLOATS)
    yield Case("celu_two", _call("nn.functional.celu", 2.0), types=FLOATS)
    yield Case("gelu_tanh", _call("nn.functional.gelu", approximate=True), types=FLOATS)
    yield Case("softplus_beta", _call("nn.functional.softplus", 2.0, 3.0), types=FLOATS)
    yield Case("hardsigmoid_slope", _call("nn.functional.hardsigmoid", 0.2, 0.4), types=FLOATS)
    yield Case("hardtanh_wide", _call("nn.functional.hardtanh", -2.0, 3.0), types=FLOATS)
    yield Case("hardshrink_one", _call("nn.functional.hardshrink", 1.0), types=FLOATS)
    yield Case("softshrink_one", _call("nn.functional.softshrink", 1.0), types=FLOATS)
    yield Case("thresholded_relu_value", _call("nn.functional.thresholded_relu", 0.5, 0.25), types=FLOATS)
    for axis in (0, 1):
        yield Case(f"softmax_{axis}", _call("nn.functional.softmax", axis), types=FLOATS)
        yield Case(f"log_softmax_{axis}", _call("nn.functional.log_softmax", axis), types=FLOATS)
    yield Case("prelu", lambda p, x: p.nn.functional.prelu(x, p.full([1], 0.3, x.dtype)), (_PICTURE,), FLOATS)
    yield Case(
        "prelu_channels",
        lambda p, x, w: p.nn.functional.prelu(x, w),
        (_PICTURE, In((4,), is_weight=True)),
        FLOATS,
    )
    yield Case("glu", _call("nn.functional.glu"), types=FLOATS)
    yield Case("maxout", _call("nn.functional.maxout", 2), (_PICTURE,), FLOATS)
    yield Case("dropout", _call("nn.functional.dropout", 0.3, training=False), types=FLOATS)
    yield Case(
        "dropout_in_infer",
        _call("nn.functional.dropout", 0.3, training=False, mode="downscale_in_infer"),
        types=FLOATS,
    )


def _binary() -> Iterator[Case]:
    for name in ("add", "subtract", "multiply", "maximum", "minimum", "fmax", "fmin", "atan2", "hypot_", "logaddexp"):
        if not name.endswith("_"):
            yield Case(name, _call(name), (In(), In()), NUMBERS)
    for name in ("divide", "floor_divide", "mod", "remainder"):
        if name != "remainder":
            yield Case(name, _call(name), (In(), In(role="nonzero")), NUMBERS)
    yield Case("pow", _call("pow"), (In(role="base"), In(role="small")), NUMBERS)
    for name in ("equal", "not_equal", "less_than", "less_equal", "greater_than", "greater_equal"):
        yield Case(name, _call(name), (In(), In()), ALL)
    for name in ("logical_and", "logical_or", "logical_xor"):
        yield Case(name, _call(name), (In(), In()), ALL)
    for name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
        yield Case(name, _call(name), (In(), In()), _WHOLE)
    for name in ("bitwise_left_shift", "bitwise_right_shift"):
        yield Case(name, _call(name), (In(), In(role="small")), INTS)
    yield Case("add_row", _call("add"), (In(), In((4,), is_fixed=True)), NUMBERS)
    yield Case("multiply_column", _call("multiply"), (In(), In((3, 1))), NUMBERS)
    yield Case("subtract_picture", _call("subtract"), (_PICTURE, In((1, 4, 1, 1), is_fixed=True)), FLOATS)
    yield Case("heaviside", _call("heaviside"), (In(), In()), NUMBERS)
    yield Case("lerp", _call("lerp", 0.3), (In(), In()), FLOATS)
    yield Case("gcd", _call("gcd"), (In(), In(role="nonzero")), INTS)
    yield Case("lcm", _call("lcm"), (In(), In(role="nonzero")), INTS)
    yield Case("add_n", lambda p, x, y: p.add_n([x, y, x]), (In(), In()), NUMBERS)


def _reductions() -> Iterator[Case]:
    for name in ("sum", "mean", "max", "min", "prod", "amax", "amin", "logsumexp", "std", "var", "median", "nansum"):
        for label, axis in (("all", None), ("last", -1), ("first", 0)):
            role = "small" if name == "prod" else "any"
            yield Case(f"{name}_{label}", _call(name, axis), (In(role=role),), ALL)
    for name in ("sum", "mean", "max", "min"):
        yield Case(f"{name}_kept", _call(name, axis=1, keepdim=True), types=NUMBERS)
        yield Case(f"{name}_picture", _call(name, [2, 3]), (_PICTURE,), FLOATS)
    for name in ("all", "any"):
        for label, axis in (("all", None), ("last", -1)):
            yield Case(f"reduce_{name}_{label}", _call(name, axis), types=("bool",))
    yield Case("count_nonzero", _call("count_nonzero", -1), types=ALL)
    for name in ("cumsum", "cummax", "cummin", "logcumsumexp"):
        yield Case(name, _call(name, axis=1), types=NUMBERS)
    yield Case("cumsum_flat", _call("cumsum"), types=NUMBERS)
    yield Case("cumprod", _call("cumprod", dim=1), (In(role="small"),), NUMBERS)
    for label, p in (("one", 1), ("two", 2), ("three", 3), ("inf", float("inf"))):
        yield Case(f"norm_{label}", _call("linalg.norm", p, -1), types=FLOATS)
    yield Case("normalize", _call("nn.functional.normalize"), types=FLOATS)
    yield Case("cosine_similarity", _call("nn.functional.cosine_similarity"), (In(), In()), FLOATS)
    yield Case("dist", _call("dist"), (In(), In()), FLOATS)


def _places() -> Iterator[Case]:
    for name in ("argmax", "argmin"):
        for label, axis in (("all", None), ("last", -1), ("first", 0)):
            yield Case(f"{name}_{label}", _call(name, axis), types=NUMBERS)
        yield Case(f"{name}_int32", _call(name, -1, dtype="int32"), types=NUMBERS)
        yield Case(f"{name}_kept", _call(name, -1, keepdim=True), types=NUMBERS)
    for largest in (True, False):
        yield Case(f"topk_{largest}", lambda p, x, up=largest: list(p.topk(x, 2, largest=up)), types=NUMBERS)
        yield Case(f"argsort_{largest}", _call("argsort", descending=largest), types=NUMBERS)
        yield Case(f"sort_{largest}", _call("sort", descending=largest), types=NUMBERS)
    yield Case("topk_first", lambda p, x: list(p.topk(x, 2, axis=0)), (_FIXED,), NUMBERS)
    yield Case("kthvalue", lambda p, x: list(p.kthvalue(x, 2)), types=NUMBERS)
    yield Case("mode", lambda p, x: list(p.mode(x)), types=NUMBERS)
    yield Case("nonzero", _call("nonzero"), types=ALL)
    yield Case("unique", _call("unique"), (In((8,)),), NUMBERS)
    yield Case(
        "unique_all",
        lambda p, x: list(p.unique(x, return_index=True, return_inverse=True, return_counts=True)),
        (In((8,)),),
        NUMBERS,
    )
    yield Case("unique_consecutive", _call("unique_consecutive"), (In((8,)),), NUMBERS)
    rows = In((2,), "index:3", "int64")
    yield Case("gather", _call("gather"), (In(), rows), ALL)
    yield Case("gather_int32", _call("gather"), (In(), In((2,), "index:3", "int32")), ALL)
    yield Case("gather_axis_1", lambda p, x, i: p.gather(x, i, axis=1), (In(), rows), ALL)
    yield Case("index_select", lambda p, x, i: p.index_select(x, i, axis=1), (In(), rows), ALL)
    yield Case("gather_nd", _call("gather_nd"), (In(), In((2, 2), "index:3", "int64")), ALL)
    yield Case("index_sample", _call("index_sample"), (In(), In((3, 2), "index:4", "int64")), NUMBERS)
    yield Case(
        "take_along_axis", lambda p, x, i: p.take_along_axis(x, i, 1), (In(), In((3, 2), "index:4", "int64")), NUMBERS
    )
    yield Case(
        "put_along_axis",
        lambda p, x, i, v: p.put_along_axis(x, i, v, 1),
        (In(), In((3, 1), "index:4", "int64"), In((3, 1))),
        NUMBERS,
    )
    yield Case("scatter", _call("scatter"), (_FIXED, In((2,), "index:3", "int64"), In((2, 4))), NUMBERS)
    yield Case(
        "scatter_add",
        lambda p, x, i, v: p.scatter(x, i, v, overwrite=False),
        (_FIXED, In((2,), "index:3", "int64"), In((2, 4))),
        NUMBERS,
    )
    yield Case("scatter_nd_add", _call("scatter_nd_add"), (_FIXED, In((2, 1), "index:3", "int64"), In((2, 4))), NUMBERS)
    yield Case("where", _call("where"), (In(type="bool"), In(), In()), ALL)
    yield Case("masked_select", _call("masked_select"), (In(), In(type="bool")), ALL)
    yield Case("masked_fill", _call("masked_fill", 3), (In(), In(type="bool")), NUMBERS)
    yield Case("searchsorted", _call("searchsorted"), (In((6,), "sorted", is_fixed=True), In()), NUMBERS)
    yield Case("bucketize", _call("bucketize"), (In(), In((6,), "sorted", is_fixed=True)), NUMBERS)
    for kind in ("int64", "int32"):
        ids = In((3, 4), "index:10", kind)
        yield Case(
            f"embedding_{kind}",
            lambda p, x, i: p.nn.functional.embedding(i, x),
            (In((10, 5), is_weight=True), ids),
            FLOATS,
        )
        yield Case(f"one_hot_{kind}", _call("nn.functional.one_hot", 10), (ids,), (kind,))
    yield Case(
        "embedding_padding",
        lambda p, x, i: p.nn.functional.embedding(i, x, padding_idx=2),
        (In((10, 5), is_weight=True), In((3, 4), "index:10", "int64")),
        FLOATS,
    )


def _shapes() -> Iterator[Case]:
    simple: dict[str, Callable[..., Any]] = {
        "reshape": lambda p, x: p.reshape(x, [-1, 2, 2]),
        "transpose": lambda p, x: p.transpose(x, [1, 0]),
        "flatten": lambda p, x: p.flatten(x),
        "unsqueeze": lambda p, x: p.unsqueeze(x, [1]),
        "squeeze": lambda p, x: p.squeeze(p.unsqueeze(x, [1]), [1]),
        "concat": lambda p, x: p.concat([x, x], 1),
        "stack": lambda p, x: p.stack([x, x], 1),
        "unstack": lambda p, x: p.unstack(x, axis=1),
        "unbind": lambda p, x: p.unbind(x, axis=1),
        "split": lambda p, x: p.split(x, 2, 1),
        "split_sections": lambda p, x: p.split(x, [1, 3], 1),
        "chunk": lambda p, x: p.chunk(x, 2, 1),
        "slice": lambda p, x: p.slice(x, [1], [1], [3]),
        "slice_negative": lambda p, x: x[:, -3:-1],
        "strided_slice": lambda p, x: p.strided_slice(x, [1], [0], [4], [2]),
        "strided_slice_back": lambda p, x: x[:, ::-1],
        "item": lambda p, x: x[:, 1],
        "expand": lambda p, x: p.expand(x.unsqueeze(0), [2, -1, -1]),
        "expand_as": lambda p, x: p.expand_as(x[:, :1], x),
        "broadcast_to": lambda p, x: p.broadcast_to(x.unsqueeze(1), [3, 2, 4]),
        "tile": lambda p, x: p.tile(x, [1, 2]),
        "flip": lambda p, x: p.flip(x, [1]),
        "roll": lambda p, x: p.roll(x, 1, 1),
        "tril": lambda p, x: p.tril(x),
        "triu": lambda p, x: p.triu(x, 1),
        "diag": lambda p, x: p.diag(x[0]),
        "diagonal": lambda p, x: p.diagonal(x),
        "shape": lambda p, x: p.shape(x),
        "numel": lambda p, x: p.numel(x),
        "zeros_like": lambda p, x: p.zeros_like(x),
        "ones_like": lambda p, x: p.ones_like(x),
        "full_like": lambda p, x: p.full_like(x, 3),
        "full_like_large": lambda p, x: p.full_like(x, 100),
        "assign": lambda p, x: p.assign(x),
        "repeat_interleave": lambda p, x: p.repeat_interleave(x, 2, 1),
        "meshgrid": lambda p, x: p.meshgrid(x[0], x[1]),
        "moveaxis": lambda p, x: p.moveaxis(x, 0, 1),
        "arange": lambda p, x: p.arange(0, 5, 1, x.dtype) + x[0, 0],
        "linspace": lambda p, x: p.linspace(0, 5, 6, x.dtype) + x[0, 0],
        "eye": lambda p, x: p.eye(4, dtype=x.dtype) + x[0, 0],
        "constant_beyond": lambda p, x: x + p.full([1], 5_000_000_007, x.dtype),
        "assign_value": lambda p, x: x + p.assign([1, 2, 3, 4]).cast(x.dtype),
        "crop": lambda p, x: p.crop(x, [2, 2], [0, 1]),
        "set_value": lambda p, x: p.static.setitem(x, (slice(None), 1), p.full([1], 7, x.dtype)),
        "rot90": lambda p, x: p.rot90(x),
        "kron": lambda p, x: p.kron(x, x),
        "diff": lambda p, x: p.diff(x),
        "pad_constant": lambda p, x: p.nn.functional.pad(x, [0, 0, 1, 2], value=2.0),
    }
    for name, build in simple.items():
        is_fixed = name in ("transpose", "broadcast_to", "diagonal", "rot90", "kron", "unstack", "expand")
        types = ("int64", "float64", "float32") if name == "constant_beyond" else ALL
        yield Case(name, build, (_FIXED if is_fixed else In(),), types)


def _pictures() -> Iterator[Case]:
    types = FLOATS
    kernel = In((4, 4, 3, 3), is_weight=True)
    convolutions: dict[str, dict[str, Any]] = {
        "": {},
        "_strided": {"stride": 2, "padding": 1},
        "_dilated": {"dilation": 2, "padding": 2},
        "_same": {"padding": "SAME"},
        "_uneven": {"padding": [0, 1, 2, 1]},
    }
    for label, more in convolutions.items():
        yield Case(f"conv2d{label}", _call("nn.functional.conv2d", **more), (_PICTURE, kernel), types)
    depth, grouped = In((4, 1, 3, 3), is_weight=True), In((4, 2, 3, 3), is_weight=True)
    yield Case("conv2d_depthwise", _call("nn.functional.conv2d", groups=4), (_PICTURE, depth), types)
    yield Case("conv2d_grouped", _call("nn.functional.conv2d", groups=2), (_PICTURE, grouped), types)
    back = In((4, 3, 3, 3), is_weight=True)
    yield Case("conv2d_transpose", _call("nn.functional.conv2d_transpose", stride=2), (_PICTURE, back), types)
    yield Case(
        "conv2d_transpose_padded",
        _call("nn.functional.conv2d_transpose", stride=2, padding=1, output_padding=1),
        (_PICTURE, back),
        types,
    )
    yield Case("conv1d", _call("nn.functional.conv1d"), (In((2, 4, 9)), In((5, 4, 3), is_weight=True)), types)
    cube, cubes = In((2, 3, 5, 6, 7)), In((4, 3, 2, 2, 2), is_weight=True)
    yield Case("conv3d", _call("nn.functional.conv3d"), (cube, cubes), types)
    for kind in ("max", "avg"):
        pool = f"nn.functional.{kind}_pool2d"
        for label, more in {
            "": {"stride": 2},
            "_padded": {"stride": 2, "padding": 1},
            "_ceil": {"stride": 2, "ceil_mode": True},
            "_overlapping": {"stride": 1},
        }.items():
            yield Case(f"{kind}_pool2d{label}", _call(pool, 3, **more), (_PICTURE,), types)
        yield Case(f"adaptive_{kind}_pool2d", _call(f"nn.functional.adaptive_{kind}_pool2d", 2), (_PICTURE,), types)
        yield Case(f"adaptive_{kind}_pool2d_odd", _call(f"nn.functional.adaptive_{kind}_pool2d", 3), (_PICTURE,), types)
        yield Case(f"global_{kind}_pool2d", _call(f"nn.functional.adaptive_{kind}_pool2d", 1), (_PICTURE,), types)
        yield Case(f"{kind}_pool1d", _call(f"nn.functional.{kind}_pool1d", 3, 2), (In((2, 4, 9)),), types)
        yield Case(f"{kind}_pool3d", _call(f"nn.functional.{kind}_pool3d", 2, 2), (cube,), types)
    yield Case(
        "avg_pool2d_inclusive",
        _call("nn.functional.avg_pool2d", 3, stride=2, padding=1, exclusive=False),
        (_PICTURE,),
        types,
    )
    yield Case(
        "max_pool2d_mask",
        lambda p, x: list(p.nn.functional.max_pool2d(x, 2, 2, return_mask=True)),
        (_PICTURE,),
        types,
    )
    for mode in ("nearest", "bilinear", "bicubic", "area"):
        for label, more in {
            "_up": {"size": [16, 16]} if mode == "area" else {"scale_factor": 2.0},
            "_size": {"size": [5, 11]},
            "_down": {"size": [3, 4]},
            "_corners": {"size": [5, 11], "align_corners": True},
            "_mode_1": {"size": [5, 11], "align_mode": 1},
        }.items():
            if mode in ("nearest", "area") and label == "_corners" or mode != "bilinear" and label == "_mode_1":
                continue
            yield Case(
                f"interpolate_{mode}{label}", _call("nn.functional.interpolate", mode=mode, **more), (_PICTURE,), types
            )
    for mode in ("constant", "reflect", "replicate", "circular"):
        build = _call("nn.functional.pad", [1, 2, 1, 0], mode=mode)
        yield Case(f"pad2d_{mode}", build, (_PICTURE,), (*FLOATS, "int64", "int32"))
    yield Case("pad2d_value", _call("nn.functional.pad", [1, 2, 1, 0], value=-3.5), (_PICTURE,), (*FLOATS, "int64"))
    yield Case("pixel_shuffle", _call("nn.functional.pixel_shuffle", 2), (_PICTURE,), types)
    yield Case("pixel_unshuffle", _call("nn.functional.pixel_unshuffle", 2), (_PICTURE,), types)
    yield Case("channel_shuffle", _call("nn.functional.channel_shuffle", 2), (_PICTURE,), types)
    yield Case("unfold", _call("nn.functional.unfold", 3), (_PICTURE,), types)
    yield Case("fold", lambda p, x: p.nn.functional.fold(x, [4, 4], 2, strides=2), (In((2, 12, 4)),), types)
    grid = In((2, 5, 5, 2), "unit")
    for mode in ("bilinear", "nearest"):
        for padding in ("zeros", "border", "reflection"):
            build = _call("nn.functional.grid_sample", mode=mode, padding_mode=padding)
            yield Case(f"grid_sample_{mode}_{padding}", build, (_PICTURE, grid), types)
    yield Case("affine_grid", lambda p, x: p.nn.functional.affine_grid(x, [2, 3, 4, 4]), (In((2, 2, 3)),), types)
    yield Case("local_response_norm", _call("nn.functional.local_response_norm", 3), (_PICTURE,), types)


def _products() -> Iterator[Case]:
    left, right = In((3, 4)), In((4, 5), is_fixed=True)
    yield Case("matmul", _call("matmul"), (left, right), NUMBERS)
    yield Case("matmul_turned", _call("matmul", transpose_y=True), (left, In((5, 4), is_fixed=True)), NUMBERS)
    yield Case("matmul_batch", _call("matmul"), (In((2, 3, 4)), In((2, 4, 5))), NUMBERS)
    yield Case("matmul_vector", _call("matmul"), (left, In((4,), is_fixed=True)), NUMBERS)
    yield Case("bmm", _call("bmm"), (In((2, 3, 4)), In((2, 4, 5))), NUMBERS)
    yield Case("mm", _call("mm"), (left, right), FLOATS)
    yield Case("mv", _call("mv"), (left, In((4,), is_fixed=True)), NUMBERS)
    yield Case("dot", _call("dot"), (left, left), NUMBERS)
    yield Case("outer", _call("outer"), (In((3,)), In((4,))), NUMBERS)
    yield Case("inner", _call("inner"), (left, In((2, 4), is_fixed=True)), FLOATS)
    yield Case("addmm", _call("addmm"), (In((3, 5)), left, right), NUMBERS)
    yield Case(
        "linear", _call("nn.functional.linear"), (left, In((4, 5), is_weight=True), In((5,), is_weight=True)), FLOATS
    )
    yield Case("einsum", lambda p, x, y: p.einsum("ij,jk->ik", x, y), (left, right), NUMBERS)
    yield Case("einsum_batch", lambda p, x, y: p.einsum("bij,bkj->bik", x, y), (In((2, 3, 4)), In((2, 5, 4))), FLOATS)
    yield Case("tensordot", lambda p, x, y: p.tensordot(x, y, 1), (left, right), FLOATS)
    yield Case("cross", _call("cross"), (In((4, 3)), In((4, 3))), NUMBERS)
    yield Case("cdist", _call("cdist"), (In((2, 3, 4)), In((2, 5, 4))), FLOATS)
    yield Case("trace", _call("trace"), (_FIXED,), NUMBERS)
    yield Case("inverse", lambda p, x: p.inverse(p.matmul(x, x, False, True) + p.eye(3, dtype=x.dtype)), types=FLOATS)
    yield Case(
        "attention",
        lambda p, q, k, v: p.matmul(p.nn.functional.softmax(p.matmul(q, k, transpose_y=True) * 0.5), v),
        (In((2, 3, 4)), In((2, 5, 4)), In((2, 5, 4))),
        FLOATS,
    )


def _norms() -> Iterator[Case]:
    def channels(name: str) -> Callable[..., Any]:
        def build(p: Any, x: Any, mean: Any, variance: Any, weight: Any, bias: Any) -> Any:
            return p.nn.functional.batch_norm(x, mean, variance, weight, bias, training=False, epsilon=1e-3)

        return build

    of_channels = tuple(In((4,), role, is_weight=True) for role in ("any", "positive", "any", "any"))
    yield Case("batch_norm", channels("batch_norm"), (_PICTURE, *of_channels), FLOATS)
    yield Case(
        "layer_norm",
        lambda p, x, w, b: p.nn.functional.layer_norm(x, 8, w, b),
        (_VECTOR, In((8,), is_weight=True), In((8,), is_weight=True)),
        FLOATS,
    )
    yield Case("layer_norm_axes", lambda p, x: p.nn.functional.layer_norm(x, [4, 8, 8]), (_PICTURE,), FLOATS)
    yield Case("instance_norm", _call("nn.functional.instance_norm"), (_PICTURE,), FLOATS)
    yield Case(
        "group_norm",
        lambda p, x, w, b: p.nn.functional.group_norm(x, 2, weight=w, bias=b),
        (_PICTURE, In((4,), is_weight=True), In((4,), is_weight=True)),
        FLOATS,
    )
    yield Case("rms_norm", lambda p, x: x * p.rsqrt(p.mean(x * x, -1, keepdim=True) + 1e-6), (_VECTOR,), FLOATS)


def _others() -> Iterator[Case]:
    def recurrent(kind: str, **more: Any) -> Callable[..., Any]:
        def build(p: Any, x: Any) -> Any:
            p.seed(1)
            return getattr(p.nn, kind)(4, 5, **more)(x)[0]

        return build

    for kind in ("SimpleRNN", "LSTM", "GRU"):
        yield Case(f"rnn_{kind}", recurrent(kind), (In((2, 6, 4)),), ("float32", "float64"))
        yield Case(
            f"rnn_{kind}_two_ways", recurrent(kind, direction="bidirect", num_layers=2), (In((2, 6, 4)),), ("float32",)
        )
    yield Case(
        "cond",
        lambda p, x: p.static.nn.cond(p.sum(x) > 0, lambda: x * 2, lambda: x - 1),
        types=("float32", "float64", "int64", "int32"),
    )
    yield Case(
        "while_loop",
        lambda p, x: p.static.nn.while_loop(
            lambda i, y: i < 3, lambda i, y: [i + 1, y * 2], [p.full([1], 0, "int64"), x]
        )[1],
        types=("float32", "float64", "int64", "int32"),
    )
    yield Case("sequence_mask", _call("nn.functional.sequence_mask", 6), (In((3,), "index:6", "int64"),), ("int64",))
    yield Case("label_smooth", _call("nn.functional.label_smooth"), (In(role="prob"),), FLOATS)
    yield Case("mse_loss", _call("nn.functional.mse_loss"), (In(), In()), FLOATS)
    yield Case("log_loss", _call("nn.functional.log_loss"), (In((3, 1), "prob"), In((3, 1), "prob")), FLOATS)
    yield Case(
        "box_coder",
        lambda p, x, y: p.vision.ops.box_coder(
            x, [0.1, 0.1, 0.2, 0.2], y, code_type="decode_center_size", box_normalized=False
        ),
        (In((3, 4), "sorted", is_fixed=True), In((2, 3, 4), "unit")),
        ("float32", "float64"),
    )
    yield Case(
        "yolo_box",
        lambda p, x, s: list(p.vision.ops.yolo_box(x, s, [10, 13, 16, 30], 2, 0.01, 32)),
        (In((1, 14, 4, 4)), In((1, 2), "index:400", "int32")),
        ("float32", "float64"),
    )
    yield Case(
        "roi_align",
        lambda p, x, b: p.vision.ops.roi_align(x, b, p.full([1], 3, "int32"), 2),
        (In((1, 4, 8, 8), is_fixed=True), In((3, 4), "sorted", is_fixed=True)),
        ("float32", "float64"),
    )
    yield Case(
        "prior_box",
        lambda p, x, y: list(p.vision.ops.prior_box(x, y, [4.0], [8.0], [2.0], flip=True, clip=True)),
        (_PICTURE, In((2, 3, 32, 32))),
        ("float32", "float64"),
    )
    yield Case(
        "deform_conv2d",
        lambda p, x, o, w: p.vision.ops.deform_conv2d(x, o, w),
        (_PICTURE, In((2, 18, 6, 6), "unit"), In((4, 4, 3, 3), is_weight=True)),
        ("float32", "float64"),
    )
    yield Case("multinomial_free_gather", lambda p, x: p.gather(x, p.argmax(x[0], -1, keepdim=True) % 3), types=FLOATS)
