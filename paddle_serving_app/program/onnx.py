"""The operators of an ONNX model, with the element types that the file leaves to the rules of ONNX."""

from collections.abc import Iterator

import numpy as np

from paddle_serving_app.program.operators import Operator, Program, Value
from paddle_serving_client import dtype
from paddle_serving_client.io.formats.onnx import CODES
from paddle_serving_client.wire.proto import onnx_pb2 as pb

_INT64 = dtype.code_of("int64")
_BOOL = dtype.code_of("bool")
_GIVES = {
    **dict.fromkeys(("Shape", "Size", "NonZero", "ArgMax", "ArgMin", "NonMaxSuppression"), _INT64),
    **dict.fromkeys(("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"), _BOOL),
    **dict.fromkeys(("And", "Or", "Not", "Xor", "IsNaN", "IsInf"), _BOOL),
    "DynamicQuantizeLinear": dtype.code_of("uint8"),
    "ConvInteger": dtype.code_of("int32"),
    "MatMulInteger": dtype.code_of("int32"),
}
"""The element type of the first result where that is always the same."""
_LIKE_INPUT = {
    "Where": 1,
    "OneHot": 2,
    "DequantizeLinear": 1,
    "QuantizeLinear": 2,
    "QLinearConv": 7,
    "QLinearMatMul": 7,
}
"""The input whose type the first result has, where that is not the first."""
_SECOND_IS_INT64 = ("TopK", "MaxPool", "Unique")
_WITH_BODIES = ("Loop", "If", "Scan")
"""What gives what the graphs in its attributes give; a loop's say first whether it goes on."""
_LARGEST_CONSTANT = 1 << 20
"""In bytes; a larger one is a parameter."""


def read(content: bytes) -> Program:
    """The operators of a model."""
    graph = pb.ModelProto.FromString(content).graph
    held = {tensor.name for tensor in graph.initializer}
    found = _Types()
    operators = tuple(found.operators(graph))
    feeds = {_text(info.name): _declared(info) for info in graph.input if info.name not in held}
    return Program("onnx", feeds, operators)


class _Types:
    """What is known of each name, as far as the graph was read."""

    def __init__(self) -> None:
        self._known: dict[bytes, Value] = {}

    def operators(self, graph: pb.GraphProto) -> Iterator[Operator]:
        for tensor in graph.initializer:
            self._known[tensor.name] = _constant(tensor.name, tensor)
        for info in (*graph.input, *graph.value_info, *graph.output):
            self._known.setdefault(info.name, _declared(info))
        for node in graph.node:
            for attribute in node.attribute:
                for inner in (attribute.g, *attribute.graphs):
                    yield from self.operators(inner)
            yield self._operator(node)

    def _operator(self, node: pb.NodeProto) -> Operator:
        kind = _text(node.op_type)
        attributes = {_text(a.name): value for a in node.attribute if (value := _attribute(a)) is not None}
        tensors = {a.name: a.t for a in node.attribute if a.HasField("t")}
        given = [self._known.get(name, Value(_text(name), dtype.UNKNOWN)) for name in node.input]
        for number, name in enumerate(node.output):
            if not name:
                continue
            value = self._known.get(name)
            if value is None or value.elem_type == dtype.UNKNOWN:
                is_inside = kind in _WITH_BODIES
                code = self._inside(node, number) if is_inside else _code(kind, number, given, attributes, tensors)
                value = Value(_text(name), code, None if value is None else value.shape)
            if b"value" in tensors and kind in ("Constant", "ConstantOfShape"):
                value = _constant(name, tensors[b"value"], is_parameter=False)
            elif kind == "Constant" and isinstance(number_ := attributes.get("value_int"), int):
                value = Value(_text(name), _INT64, (), constant=(number_, number_))
            elif kind == "Constant" and isinstance(ints := attributes.get("value_ints"), tuple) and ints:
                value = Value(_text(name), _INT64, (len(ints),), constant=(min(ints), max(ints)))
            self._known[name] = value
        inputs = tuple(value for value in given if value.name)
        return Operator(kind, inputs, tuple(self._known[name] for name in node.output if name), attributes)

    def _inside(self, node: pb.NodeProto, number: int) -> int:
        """The element type of a result of a loop or a branch, whose graphs were read before it."""
        place = number + (node.op_type == b"Loop")
        for body in (attribute.g for attribute in node.attribute):
            value = self._known.get(body.output[place].name) if place < len(body.output) else None
            if value is not None and value.elem_type != dtype.UNKNOWN:
                return value.elem_type
        return dtype.UNKNOWN


def _code(
    kind: str, number: int, given: list[Value], attributes: dict[str, object], tensors: dict[bytes, pb.TensorProto]
) -> int:
    """The element type of a result, by the rules of ONNX."""
    if kind in ("Cast", "EyeLike", "RandomNormal", "RandomUniform") and isinstance(
        to := attributes.get("to", attributes.get("dtype")), int
    ):
        return CODES.get(to, dtype.UNKNOWN)
    if number and kind in _SECOND_IS_INT64:
        return _INT64
    if kind in _GIVES:
        return _GIVES[kind]
    if kind in ("Constant", "ConstantOfShape"):
        tensor = tensors.get(b"value")
        return dtype.code_of("float32") if tensor is None else CODES.get(tensor.data_type, dtype.UNKNOWN)
    place = _LIKE_INPUT.get(kind, 0)
    return given[place].elem_type if place < len(given) else dtype.UNKNOWN


def _declared(info: pb.ValueInfoProto) -> Value:
    tensor = info.type.tensor_type
    dims = tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim)
    return Value(
        _text(info.name), CODES.get(tensor.elem_type, dtype.UNKNOWN), dims if tensor.HasField("shape") else None
    )


def _constant(name: bytes, tensor: pb.TensorProto, *, is_parameter: bool = True) -> Value:
    code = CODES.get(tensor.data_type, dtype.UNKNOWN)
    bounds = None
    kind = dtype.numpy_of(code)
    if kind is not None and kind.kind in "iub" and len(tensor.raw_data) <= _LARGEST_CONSTANT:
        numbers = np.frombuffer(tensor.raw_data, kind) if tensor.raw_data else np.array(tensor.int64_data, np.int64)
        bounds = (int(numbers.min()), int(numbers.max())) if len(numbers) else None
    return Value(_text(name), code, tuple(tensor.dims), is_parameter, bounds)


def _attribute(attribute: pb.AttributeProto) -> object:
    """The value of an attribute, or None where it is a tensor or a graph; the numbers are those of ONNX."""
    match attribute.type:
        case 1:
            return attribute.f
        case 2:
            return attribute.i
        case 3:
            return _text(attribute.s)
        case 6:
            return tuple(attribute.floats)
        case 7:
            return tuple(attribute.ints)
        case 8:
            return tuple(map(_text, attribute.strings))
    return None


def _text(content: bytes) -> str:
    return content.decode(errors="replace")
