"""Whether a model's weights hold what no trained weight is.

Looked at where a model answers no numbers: made-up inputs outside of what it was made for are one reason, damage is
another.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from paddle_serving_app import model_files
from paddle_serving_client.io import params
from paddle_serving_client.wire.proto import onnx_pb2

_FLOATS = {1: np.float32, 10: np.float16, 11: np.float64}
"""By ONNX's numbers of types."""
_LARGEST = 1e30
"""Of a weight; a flipped bit of an exponent makes larger ones. Masks are made with such numbers, and infinite ones."""


def damage(folder: Path, *, is_silent: bool) -> str | None:
    """What is wrong with a folder's weights; None where they are sound, or the model has none.

    Args:
        folder: of the model, readable.
        is_silent: whether an output never had a finite number, whatever was tried. Then numbers that a mask may hold
            count as damage, too, and so do weights that cannot be looked at.
    """
    if model_files.paddle_program(folder) is None and model_files.onnx_model(folder) is None:
        return "weights are missing or damaged" if is_silent else None
    for name, values in _of(folder):
        if np.isnan(values).any():
            return f"weights are damaged: parameter {name} holds NaN"
        if is_silent and values.size and not np.abs(values).max() <= _LARGEST:
            return f"weights are damaged: parameter {name} holds {np.abs(values).max():.3g}"
    return None


def _of(folder: Path) -> Iterator[tuple[str, npt.NDArray[np.floating[Any]]]]:
    if model_files.paddle_program(folder) is not None:
        for path in model_files.read_paddle(folder).params:
            for number, values in enumerate(params.floats(path)):
                yield f"number {number} of {path.name}", values
    elif (model := model_files.onnx_model(folder)) is not None:
        graph = onnx_pb2.ModelProto.FromString(model.read_bytes()).graph
        constants = (attribute.t for node in graph.node for attribute in node.attribute if attribute.HasField("t"))
        for tensor in (*graph.initializer, *constants):
            if (kind := _FLOATS.get(tensor.data_type)) is not None:
                yield tensor.name.decode(errors="replace"), _values(tensor, kind, folder)


def _values(tensor: onnx_pb2.TensorProto, kind: type, folder: Path) -> npt.NDArray[np.floating[Any]]:
    if tensor.float_data:
        return np.asarray(tensor.float_data, np.float32)
    entries = {entry.key: entry.value for entry in tensor.external_data}
    if b"location" not in entries:
        return np.frombuffer(tensor.raw_data, kind)
    with (folder / entries[b"location"].decode()).open("rb") as stream:
        stream.seek(int(entries.get(b"offset", b"0")))
        return np.frombuffer(stream.read(int(entries.get(b"length", b"-1"))), kind)
