"""Whether a model's weights hold what no trained weight is: NaN.

Looked at where a model answers no numbers: made-up inputs outside of what it was made for are one reason, damage is
another. Infinities say nothing: masks are made with them.
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


def with_nan(folder: Path) -> str | None:
    """The first parameter that holds NaN; None where there is none, or the weights cannot be read here."""
    return next((name for name, values in _of(folder) if np.isnan(values).any()), None)


def _of(folder: Path) -> Iterator[tuple[str, npt.NDArray[np.floating[Any]]]]:
    if model_files.paddle_program(folder) is not None:
        for path in model_files.read_paddle(folder).params:
            for number, values in enumerate(params.floats(path)):
                yield f"number {number} of {path.name}", values
    elif (model := model_files.onnx_model(folder)) is not None:
        for tensor in onnx_pb2.ModelProto.FromString(model.read_bytes()).graph.initializer:
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
