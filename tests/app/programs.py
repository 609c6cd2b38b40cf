"""Tiny models of one's own for tests: functions of layers as Paddle 2 or Paddle 3 saves them, or ONNX nodes."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from paddle_serving_client.io import conversion
from tests import models

Form = Literal["pdmodel", "json"]
Nodes = Sequence[tuple[str, Sequence[str], Sequence[str], Mapping[str, Any]]]
"""Operator, inputs, outputs, attributes."""
FLOAT, UINT16, INT64, FLOAT64, BFLOAT16 = 1, 4, 7, 11, 16
"""Types as ONNX numbers them."""


def paddle_model(
    folder: Path, inputs: Mapping[str, tuple[Sequence[int], str]], layers: Callable[..., Any], form: Form = "pdmodel"
) -> Path:
    """A served folder of a model in Paddle.

    Args:
        folder: where it is written.
        inputs: shape with the batch axis, and type, by name.
        layers: given paddle and the inputs: one output or several.
        form: "pdmodel" (Paddle 2) or "json" (Paddle 3).
    """
    folder.mkdir(parents=True, exist_ok=True)
    with models.quiet_paddle() as paddle, _old_programs(paddle, form):
        program, start = paddle.static.Program(), paddle.static.Program()
        with paddle.static.program_guard(program, start):
            feeds = [paddle.static.data(name, list(shape), kind) for name, (shape, kind) in inputs.items()]
            outputs = layers(paddle, *feeds)
            executor = paddle.static.Executor(paddle.CPUPlace())
            executor.run(start)
            fetches = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
            paddle.static.save_inference_model(str(folder / "inference"), feeds, fetches, executor, program=program)
    return _served(folder)


def onnx_model(
    folder: Path,
    inputs: Mapping[str, tuple[Sequence[int | None], int]],
    outputs: Mapping[str, tuple[Sequence[int | None], int]],
    nodes: Nodes,
    constants: Mapping[str, npt.NDArray[Any] | np.generic],
) -> Path:
    """A served folder of an ONNX model: types are ONNX's numbers, nodes are (operator, inputs, outputs, attributes)."""
    import onnx
    from onnx import helper, numpy_helper

    folder.mkdir(parents=True, exist_ok=True)
    graph = helper.make_graph(
        [helper.make_node(kind, takes, gives, **attributes) for kind, takes, gives, attributes in nodes],
        "g",
        [helper.make_tensor_value_info(name, kind, list(shape)) for name, (shape, kind) in inputs.items()],
        [helper.make_tensor_value_info(name, kind, list(shape)) for name, (shape, kind) in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 9
    onnx.checker.check_model(made)
    onnx.save(made, folder / "model.onnx")
    return _served(folder)


def _served(folder: Path) -> Path:
    server = folder.parent / f"{folder.name}_server"
    conversion.inference_model_to_serving(folder, server, folder.parent / f"{folder.name}_client")
    return server


def _old_programs(paddle: Any, form: Form) -> contextlib.AbstractContextManager[None]:
    return paddle.pir_utils.OldIrGuard() if form == "pdmodel" else contextlib.nullcontext()
