"""An ONNX model that gives back what it takes, of any element types."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from paddle_serving_client.io.formats.onnx import CODES
from paddle_serving_client.model_config import ModelSpec, Variable
from paddle_serving_client.wire.proto import onnx_pb2
from tests import models

_ONNX_TYPES: Final = {code: number for number, code in CODES.items()}


def model(folder: Path, codes: Mapping[str, int], axes: int = 2) -> Path:
    """A folder with input NAME and output NAME_out for each name, all their axes open.

    Args:
        folder: is made.
        codes: of `dtype.ELEM_TYPES`, by name.
        axes: of each.
    """
    proto = onnx_pb2.ModelProto(ir_version=8, graph=onnx_pb2.GraphProto())
    proto.graph.MergeFromString(b"\x12\x01g")  # its name, which nobody here reads
    proto.opset_import.add(version=17)
    for name, code in codes.items():
        proto.graph.node.add(op_type=b"Identity", input=[name.encode()], output=[f"{name}_out".encode()])
        for info in (proto.graph.input.add(name=name.encode()), proto.graph.output.add(name=f"{name}_out".encode())):
            tensor = info.type.tensor_type
            tensor.elem_type = _ONNX_TYPES[code]
            for _ in range(axes):
                tensor.shape.dim.add()
    folder.mkdir(parents=True)
    (folder / "identity.onnx").write_bytes(proto.SerializeToString())
    shape = (-1,) * (axes - 1)
    feeds = tuple(Variable(name, name, code, shape) for name, code in codes.items())
    fetches = tuple(Variable(f"{name}_out", f"{name}_out", code, shape) for name, code in codes.items())
    models.write_configs(folder, ModelSpec(feeds, fetches))
    return folder
