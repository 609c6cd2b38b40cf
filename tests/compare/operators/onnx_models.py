"""The cases that are written in ONNX: one node each. ONNX Runtime says what is right, OpenVINO is compared with it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.compare.operators.case import ALL, FLOATS, INTS, Case, In

_NUMBERS = tuple(name for name in (*FLOATS, *INTS) if name != "bfloat16")
_ALL = tuple(name for name in ALL if name != "bfloat16")
_FLOATS = ("float32", "float64", "float16")
_WHOLE = (*INTS, "bool")
_IR_VERSION = 8
_OPSET = 17
_PRODUCTS = ("Mul", "MatMul", "Gemm", "Einsum", "ReduceSumSquare", "ReduceL2", "ScatterND_mul", "ScatterElements_mul")
_PICTURE = In((2, 4, 8, 8))
_FIXED = In((3, 4), is_fixed=True)


@dataclass(frozen=True)
class Node:
    """What a case is made of."""

    kind: str
    attributes: dict[str, Any] = field(default_factory=dict)
    constants: tuple[Any, ...] = ()
    """Further inputs, int64 unless they say otherwise."""
    outputs: int = 1
    leads: bool = False
    """Whether the constants come before the inputs."""


def cases() -> list[Case]:
    """All of them; their names begin with `onnx_`."""
    return [*_simple(), *_reductions(), *_shapes(), *_pictures(), *_others()]


def write(case: Case, element_type: str, path: Path) -> None:
    """Write the model of a case."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    node: Node = case.build(element_type)
    codes = {
        "float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "float16": TensorProto.FLOAT16,
        "int64": TensorProto.INT64, "int32": TensorProto.INT32, "int16": TensorProto.INT16, "int8": TensorProto.INT8,
        "uint8": TensorProto.UINT8, "bool": TensorProto.BOOL,
    }  # fmt: skip
    feeds = []
    for number, spec in enumerate(case.inputs):
        code = codes[element_type if spec.type == "T" else spec.type]
        shape: list[str | int | None] = [*spec.shape]
        if shape and not spec.is_fixed:
            shape[0] = "n"
        feeds.append(helper.make_tensor_value_info(f"x{number}", code, shape))
    constants = [
        numpy_helper.from_array(np.asarray(values, None if isinstance(values, np.ndarray) else np.int64), f"c{number}")
        for number, values in enumerate(node.constants)
    ]
    named = [feed.name for feed in feeds], [constant.name for constant in constants]
    inputs = [*named[1], *named[0]] if node.leads else [*named[0], *named[1]]
    outputs = [f"y{number}" for number in range(node.outputs)]
    made = helper.make_node(node.kind, inputs, outputs, **node.attributes)
    results = [helper.make_empty_tensor_value_info(name) for name in outputs]
    graph = helper.make_graph([made], case.name, feeds, results, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    path.write_bytes(inferred.SerializeToString())


def _case(label: str, node: Node, inputs: tuple[In, ...] = (In(),), types: tuple[str, ...] = _ALL) -> Case:
    case = Case(f"onnx_{label}", lambda _type: node, inputs, types)
    return case.multiplying() if label.startswith(_PRODUCTS) else case


def _simple() -> Iterator[Case]:
    anywhere = (
        "Abs Neg Sign Ceil Floor Round Exp Sin Cos Tan Sinh Cosh Tanh Atan Asinh Erf Sigmoid Softplus Softsign IsNaN "
        "IsInf Not Relu Identity HardSwish Elu Selu Celu LeakyRelu ThresholdedRelu HardSigmoid Softmax LogSoftmax "
        "Hardmax Shape Size NonZero Flatten"
    )
    for name in anywhere.split():
        yield _case(name, Node(name))
    for name in ("Log", "Sqrt", "Reciprocal", "Acosh"):
        yield _case(name, Node(name), (In(role="positive"),), _NUMBERS)
    for name in ("Asin", "Acos", "Atanh"):
        yield _case(name, Node(name), (In(role="unit"),), _FLOATS)
    for alpha in (0.1, 0.5):
        yield _case(f"LeakyRelu_{alpha}", Node("LeakyRelu", {"alpha": alpha}), types=_FLOATS)
    for name in ("Add", "Sub", "Mul", "Max", "Min", "Sum", "Mean"):
        yield _case(name, Node(name), (In(), In()), _NUMBERS)
    yield _case("Div", Node("Div"), (In(), In(role="nonzero")), _NUMBERS)
    yield _case("Mod", Node("Mod"), (In(), In(role="nonzero")), INTS)
    yield _case("Mod_fmod", Node("Mod", {"fmod": 1}), (In(), In(role="nonzero")), _NUMBERS)
    yield _case("Pow", Node("Pow"), (In(role="base"), In(role="small")), _NUMBERS)
    yield _case("Pow_float", Node("Pow"), (In(role="base"), In(role="small", type="float32")), _NUMBERS)
    for name in ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"):
        yield _case(name, Node(name), (In(), In()))
    for name in ("And", "Or", "Xor"):
        yield _case(name, Node(name), (In(), In()), ("bool",))
    for way in ("LEFT", "RIGHT"):
        yield _case(f"BitShift_{way}", Node("BitShift", {"direction": way}), (In(), In(role="small")), INTS)
    yield _case("Where", Node("Where"), (In(type="bool"), In(), In()))
    yield _case("PRelu", Node("PRelu"), (In(), In((4,), is_fixed=True)), _NUMBERS)
    codes = {"float32": 1, "uint8": 2, "int8": 3, "int16": 5, "int32": 6, "int64": 7, "bool": 9, "float16": 10}
    for target, code in {**codes, "float64": 11}.items():
        yield _case(f"Cast_{target}", Node("Cast", {"to": code}))
    for name in ("Clip",):
        for element_type in _NUMBERS:
            bounds = tuple(np.array(bound, element_type) for bound in (1, 3))
            yield _case(f"{name}_{element_type}", Node(name, constants=bounds), types=(element_type,))


def _reductions() -> Iterator[Case]:
    names = "Max Min Mean Prod SumSquare L1 L2 LogSum LogSumExp"
    for name in names.split():
        role = "positive" if name == "LogSum" else "small" if name == "Prod" else "any"
        ways: dict[str, dict[str, Any]] = {"all": {}, "last": {"axes": [-1], "keepdims": 0}}
        for label, more in ways.items():
            yield _case(f"Reduce{name}_{label}", Node(f"Reduce{name}", more), (In(role=role),), _NUMBERS)
    yield _case("ReduceSum_all", Node("ReduceSum"), types=_NUMBERS)
    yield _case("ReduceSum_last", Node("ReduceSum", constants=([-1],)), types=_NUMBERS)
    for name in ("ArgMax", "ArgMin"):
        for last in (0, 1):
            node = Node(name, {"axis": 1, "select_last_index": last})
            yield _case(f"{name}_{last}", node, types=_NUMBERS)
    for largest in (0, 1):
        node = Node("TopK", {"largest": largest}, ([2],), outputs=2)
        yield _case(f"TopK_{largest}", node, types=_NUMBERS)
    for way in ("", "exclusive", "reverse"):
        yield _case(f"CumSum{way}", Node("CumSum", {way: 1} if way else {}, (np.array(1),)), types=_NUMBERS)
    yield _case("Unique", Node("Unique", outputs=4), (In((8,)),), _NUMBERS)


def _shapes() -> Iterator[Case]:
    nodes = {
        "Reshape": Node("Reshape", constants=([-1, 2, 2],)),
        "Transpose": Node("Transpose", {"perm": [1, 0]}),
        "Squeeze": Node("Squeeze"),
        "Unsqueeze": Node("Unsqueeze", constants=([1],)),
        "Split": Node("Split", {"axis": 1}, ([1, 3],), outputs=2),
        "Slice": Node("Slice", constants=([1], [3], [1])),
        "Slice_back": Node("Slice", constants=([3], [-9], [1], [-1])),
        "Expand": Node("Expand", constants=([2, 3, 4],)),
        "Tile": Node("Tile", constants=([1, 2],)),
        "Pad": Node("Pad", constants=([0, 1, 0, 2],)),
        "Pad_reflect": Node("Pad", {"mode": "reflect"}, ([0, 1, 0, 2],)),
        "Pad_edge": Node("Pad", {"mode": "edge"}, ([0, 1, 0, 2],)),
        "Trilu": Node("Trilu"),
        "Trilu_low": Node("Trilu", {"upper": 0}),
        "Gather_0": Node("Gather", constants=([[0, 2]],)),
        "Gather_1": Node("Gather", {"axis": 1}, ([-1, 0],)),
        "GatherElements": Node("GatherElements", {"axis": 1}, ([[0, 3], [1, 1], [2, 0]],)),
        "GatherND": Node("GatherND", constants=([[0, 1], [2, 3]],)),
        "ReverseSequence": Node("ReverseSequence", {"batch_axis": 0, "time_axis": 1}, ([1, 3, 4],)),
    }
    for label, node in nodes.items():
        yield _case(label, node, (_FIXED if label in ("Expand", "GatherElements", "ReverseSequence") else In(),))
    yield _case("Concat", Node("Concat", {"axis": 1}), (In(), In()))
    for reduction in ("none", "add", "mul"):
        more = {"reduction": reduction}
        rows, places = In((2, 1), "index:3", "int64"), In((3, 1), "index:4", "int64")
        yield _case(f"ScatterND_{reduction}", Node("ScatterND", more), (_FIXED, rows, In((2, 4))), _NUMBERS)
        yield _case(
            f"ScatterElements_{reduction}",
            Node("ScatterElements", {**more, "axis": 1}),
            (_FIXED, places, In((3, 1))),
            _NUMBERS,
        )
    yield _case("Compress", Node("Compress", {"axis": 1}, (np.array([True, False, True, True]),)))
    yield _case("EyeLike", Node("EyeLike"), (_FIXED,), _NUMBERS)
    depth = (np.array(10), np.array([0, 1]))
    yield _case("OneHot", Node("OneHot", {}, depth), (In((3, 4), "index:10"),), ("int64", "int32", "float32"))


def _pictures() -> Iterator[Case]:
    kernel = np.random.default_rng(3).normal(size=(4, 4, 3, 3))
    for element_type in ("float32", "float16", "float64"):
        weights = (kernel.astype(element_type),)
        ways: dict[str, dict[str, Any]] = {
            "": {},
            "_strided": {"strides": [2, 2], "pads": [1, 1, 1, 1]},
            "_same": {"auto_pad": "SAME_LOWER"},
            "_dilated": {"dilations": [2, 2]},
        }
        for label, more in ways.items():
            yield _case(f"Conv{label}_{element_type}", Node("Conv", more, weights), (_PICTURE,), (element_type,))
        node = Node("ConvTranspose", {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}, weights)
        yield _case(f"ConvTranspose_{element_type}", node, (_PICTURE,), (element_type,))
    for name in ("MaxPool", "AveragePool"):
        pools: dict[str, dict[str, Any]] = {"": {}, "_ceil": {"ceil_mode": 1}, "_padded": {"pads": [1, 1, 1, 1]}}
        for label, more in pools.items():
            node = Node(name, {"kernel_shape": [3, 3], "strides": [2, 2], **more})
            yield _case(f"{name}{label}", node, (_PICTURE,), (*_FLOATS, "int8", "uint8"))
    inclusive = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}
    yield _case("AveragePool_inclusive", Node("AveragePool", inclusive), (_PICTURE,), _FLOATS)
    yield _case("MaxPool_places", Node("MaxPool", {"kernel_shape": [2, 2]}, outputs=2), (_PICTURE,), _FLOATS)
    yield _case("LpPool", Node("LpPool", {"kernel_shape": [2, 2]}), (_PICTURE,), _FLOATS)
    for name in ("GlobalAveragePool", "GlobalMaxPool"):
        yield _case(name, Node(name), (_PICTURE,), _FLOATS)
    empty = np.array([], np.float32)
    for mode in ("nearest", "linear", "cubic"):
        for where in ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"):
            for scale in (2.0, 0.6):
                scales = np.array([1, 1, scale, scale], np.float32)
                node = Node("Resize", {"mode": mode, "coordinate_transformation_mode": where}, (empty, scales))
                types = ("float32", "int8", "uint8", "int32")
                yield _case(f"Resize_{mode}_{where}_{scale}", node, (_PICTURE,), types)
    for mode in ("bilinear", "nearest", "bicubic"):
        for padding in ("zeros", "border", "reflection"):
            for corners in (0, 1):
                node = Node("GridSample", {"mode": mode, "padding_mode": padding, "align_corners": corners})
                grid = In((2, 5, 5, 2), "unit")
                yield _case(f"GridSample_{mode}_{padding}_{corners}", node, (_PICTURE, grid), ("float32",))
    for order in ("DCR", "CRD"):
        yield _case(f"DepthToSpace_{order}", Node("DepthToSpace", {"blocksize": 2, "mode": order}), (_PICTURE,))
    yield _case("SpaceToDepth", Node("SpaceToDepth", {"blocksize": 2}), (_PICTURE,))
    yield _case("LRN", Node("LRN", {"size": 3}), (_PICTURE,), _FLOATS)
    yield _case("MeanVarianceNormalization", Node("MeanVarianceNormalization"), (_PICTURE,), _FLOATS)


def _others() -> Iterator[Case]:
    left, right = In((3, 4)), In((4, 5), is_fixed=True)
    yield _case("MatMul", Node("MatMul"), (left, right), _NUMBERS)
    yield _case("MatMul_batch", Node("MatMul"), (In((2, 3, 4)), In((2, 4, 5))), _NUMBERS)
    scaled = {"alpha": 0.5, "beta": 2.0, "transB": 1}
    yield _case("Gemm", Node("Gemm", scaled), (left, In((5, 4), is_fixed=True), In((5,), is_fixed=True)), _NUMBERS)
    yield _case("Einsum", Node("Einsum", {"equation": "ij,jk->ik"}), (left, right), _NUMBERS)
    channels = tuple(In((4,), role, is_fixed=True) for role in ("any", "any", "any", "positive"))
    yield _case("BatchNormalization", Node("BatchNormalization"), (_PICTURE, *channels), _FLOATS)
    yield _case("InstanceNormalization", Node("InstanceNormalization"), (_PICTURE, *channels[:2]), _FLOATS)
    row = In((4,), is_fixed=True)
    yield _case("LayerNormalization", Node("LayerNormalization"), (In(), row, row), _FLOATS)
    yield _case("LpNormalization", Node("LpNormalization"), types=_FLOATS)
    yield _case("Dropout", Node("Dropout"), types=_FLOATS)
    yield _case("Det", Node("Det"), (In((3, 3), is_fixed=True),), _FLOATS)
    for kind in ("int8", "uint8"):
        scale, zero = np.array(0.05, np.float32), np.array(3, kind)
        yield _case(f"QuantizeLinear_{kind}", Node("QuantizeLinear", {}, (scale, zero)), types=("float32",))
        yield _case(f"DequantizeLinear_{kind}", Node("DequantizeLinear", {}, (scale, zero)), types=(kind,))
    yield _case("DynamicQuantizeLinear", Node("DynamicQuantizeLinear", outputs=3), types=("float32",))
    yield _case("MatMulInteger", Node("MatMulInteger"), (left, right), ("int8", "uint8"))
    for kind, gates in {"RNN": 1, "GRU": 3, "LSTM": 4}.items():
        random = np.random.default_rng(5)
        weights = tuple(
            random.normal(size=shape).astype(np.float32) / 2
            for shape in ((1, gates * 5, 4), (1, gates * 5, 5), (1, gates * 10))
        )
        for extra in ({}, {"linear_before_reset": 1}) if kind == "GRU" else ({},):
            node = Node(kind, {"hidden_size": 5, **extra}, weights, outputs=2)
            yield _case(f"{kind}{len(extra)}", node, (In((6, 2, 4)),), ("float32",))
    yield _case("Range", Node("Range", constants=(np.array(9), np.array(2))), (In((), "index:5", "int64"),), ("int64",))
