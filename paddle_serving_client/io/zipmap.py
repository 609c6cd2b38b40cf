"""ZipMap, the last step of classifiers that come from scikit-learn: taken out, since it gives no tensor.

It makes a list of maps, class to probability, of a tensor with one column for each class. Without it the tensor comes
out, under the same name.
"""

from collections.abc import Sequence

from paddle_serving_client.wire.proto import onnx_pb2 as pb

_ZIPMAP, _SAME = b"ZipMap", b"Identity"
_OPERATORS_VERSION = 13
_FLOAT32 = 1
_MAX_SHOWN = 20


def taken_out(model: pb.ModelProto) -> list[str]:
    """Exchange each ZipMap of a model, which is changed, by a step that hands its tensor on.

    Returns:
        A line for people on each: what comes out, and of which classes the columns are.
    """
    outputs = {info.name: info for info in model.graph.output}
    notes = []
    for node in model.graph.node:
        if node.op_type != _ZIPMAP or len(node.input) != 1 or len(node.output) != 1:
            continue
        name, classes = node.output[0], _classes(node)
        node.CopyFrom(pb.NodeProto(input=list(node.input), output=[name], op_type=_SAME))
        if name in outputs:
            outputs[name].type.CopyFrom(_table(len(classes)))
        notes.append(f"{name.decode(errors='replace')} has a column for each class: {_listed(classes)}")
    if notes and not any(not used.domain for used in model.opset_import):
        model.opset_import.add(version=_OPERATORS_VERSION)
    return notes


def _classes(node: pb.NodeProto) -> Sequence[str]:
    for attribute in node.attribute:
        if attribute.strings:
            return [text.decode(errors="replace") for text in attribute.strings]
        if attribute.ints:
            return [str(number) for number in attribute.ints]
    return []


def _table(columns: int) -> pb.TypeProto:
    """float32, rows that may vary."""
    shape = pb.TensorShapeProto(dim=[pb.TensorShapeProto.Dimension(), pb.TensorShapeProto.Dimension(dim_value=columns)])
    return pb.TypeProto(tensor_type=pb.TypeProto.Tensor(elem_type=_FLOAT32, shape=shape))


def _listed(classes: Sequence[str]) -> str:
    more = ", ..." if len(classes) > _MAX_SHOWN else ""
    return f"{', '.join(classes[:_MAX_SHOWN])}{more}"
