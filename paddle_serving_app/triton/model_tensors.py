"""What a model's own file says of its inputs and outputs, without a library that runs it."""

from pathlib import Path

from paddle_serving_app.triton.completion import ModelTensor, ModelTensors
from paddle_serving_client.io import source
from paddle_serving_client.io.formats import onnx
from paddle_serving_client.io.formats.onnx import Dims


def read(path: Path) -> ModelTensors | None:
    """The inputs and outputs of a model file; None where only the library that runs it can tell.

    Raises:
        BadModel: it is damaged.
    """
    if source.kind_of(path) != "onnx":
        return None
    inputs, outputs = onnx.shapes(path)
    return ModelTensors(_tensors(inputs), _tensors(outputs))


def _tensors(found: dict[str, tuple[int, Dims]]) -> tuple[ModelTensor, ...]:
    return tuple(ModelTensor(name, code, shape) for name, (code, shape) in found.items())
