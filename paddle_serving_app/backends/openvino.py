"""OpenVINO: reads `*.pdmodel` and its older spellings, `*.onnx`, SavedModels, and Paddle 3 programs by paddle2onnx.

What it does wrong, and what is done about it (all seen with 2026.4):
- A request that is used again can answer with an earlier caller's output. So every run has a request of its own, every
  input is a tensor that is set, and what comes out is copied.
- After a run that failed inside (an image smaller than the kernel), the compiled model fails for every later input.
  So it is compiled anew.
- On CPU it computes int64 in 32 bits and cuts larger values. So those are refused.
- It pins the threads of every process to the same first processors: two engines of one thread each shared one of two
  processors, and took twice as long. So it may not.
- Where the number of rows is open, small models take a tenth longer than where it is fixed, and more where it changes.
  So for small models each small number of rows is compiled on its own.
- Asked for float16 on a processor that has bfloat16 only, it computes in that. So it is asked for what it has.
- It keeps what it prepared for 5000 nodes and shapes: PP-OCRv4 recognition came to 1.9 GB over 700 widths. So it may
  keep `_PREPARED_NODES`, which costs a twentieth of the time where shapes alternate, and stays near 0.5 GB.
"""

import importlib.util
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paddle_serving_app import library_error, model_files, paddle_to_onnx, processors, saved_model_files
from paddle_serving_app.backend import ModelOptions, Outputs, TensorSpec, version_of
from paddle_serving_app.paddle_to_onnx import OnnxModel
from paddle_serving_client import dtype
from paddle_serving_client.errors import BackendFailed, BadModel, MissingLibrary
from paddle_serving_client.message import Array, Lod
from paddle_serving_client.model_config import ModelSpec

logger = logging.getLogger(__name__)

_PREPARED_NODES = 200
_ANY_ROWS = 0
_MOST_FIXED_ROWS = 4
_FIXED_WEIGHT_BYTES = 32 << 20
"""Of weights: a larger model takes long enough for the difference not to matter, and every number of rows costs a copy
of them."""
_INT32 = np.iinfo(np.int32)
_CODES = {"i64": 0, "f32": 1, "i32": 2, "f64": 3, "i16": 4, "f16": 5, "bf16": 6, "u8": 7, "i8": 8, "boolean": 9}
_CODES |= {"string": dtype.STRING, "u16": 21, "u32": 22, "u64": 23}
_REFUSED = (6, dtype.STRING, 22, 23)
"""Types that do not come through: it gives the bits of bfloat16 as float16, computes uint32 and uint64 in int32, and
has texts of fixed width only."""
_PRECISIONS = {"fp32": "f32", "fp16": "f16", "bf16": "bf16", "int8": "f32"}


def missing() -> str | None:
    """Why this library cannot be used here, or None."""
    return "openvino is not installed: pip install openvino" if importlib.util.find_spec("openvino") is None else None


def version() -> str:
    """Of the library, and of what converts for it."""
    return f"{version_of('openvino')}, paddle2onnx {version_of('paddle2onnx')}"


def refuses(folder: Path, spec: ModelSpec) -> str | None:
    """Why this library cannot read that model folder, or None."""
    lod = [feed.alias for feed in spec.feeds if feed.is_lod]
    if lod:
        return f"input {', '.join(map(repr, lod))} takes sequence offsets (LoD), which OpenVINO does not have"
    for var in (*spec.feeds, *spec.fetches):
        if var.elem_type in _REFUSED:
            return f"{var.alias!r} is {dtype.name_of(var.elem_type)}, which OpenVINO does not keep as it is"
    if _reads_itself(folder) or saved_model_files.find(folder) is not None:
        return None
    return paddle_to_onnx.refuses(folder)


def load(folder: Path, spec: ModelSpec, options: ModelOptions) -> "OpenVinoBackend":
    """Load the model of a folder; see `backend.Plugin.load`."""
    if (reason := missing()) is not None:
        raise MissingLibrary(reason)
    import openvino

    core = openvino.Core()
    device = _device(core, options)
    can = core.get_property(device, "OPTIMIZATION_CAPABILITIES")
    if (reason := _computed_otherwise(can, options)) is not None:
        logger.warning("%s: %s", folder, reason)
    content: tuple[object, ...]
    if (graph := saved_model_files.find(folder)) is not None:
        model = OnnxModel(graph, keys=saved_model_files.names(folder))
        content = (str(folder),)
    elif _reads_itself(folder):
        files = model_files.read_paddle(folder)
        model = OnnxModel(files.program)
        content = (files.program.read_bytes(), files.combined_params())
    else:
        model = paddle_to_onnx.onnx_of(folder)
        content = (str(model.path),)
    with library_error.raised_as(BadModel, f"{model.path}: OpenVINO"):
        return OpenVinoBackend(openvino, core.read_model(*content), model, device, options, _hint(can, options))


class OpenVinoBackend:
    """A model compiled by OpenVINO."""

    def __init__(
        self,
        openvino: Any,
        graph: Any,
        model: OnnxModel,
        device: str,
        options: ModelOptions,
        precision_hint: str,
    ) -> None:
        self._openvino = openvino
        self._graph = graph
        self._device = device
        self._settings: dict[str, object] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision_hint,
        }
        if device == "CPU":
            self._settings["INFERENCE_NUM_THREADS"] = options.threads or processors.available()
            self._settings["ENABLE_CPU_PINNING"] = False
            self._settings["CPU_RUNTIME_CACHE_CAPACITY"] = _PREPARED_NODES
        self._most_fixed_rows = _MOST_FIXED_ROWS if device == "CPU" and _pays_to_fix_rows(graph) else 0
        self._compiled: dict[int, Any] = {}
        """By the number of rows that each takes; `_ANY_ROWS` takes all."""
        if self._most_fixed_rows:
            try:
                self._compiled_for(1)
            except RuntimeError:  # its steps know only some numbers of rows
                self._most_fixed_rows = 0
        if not self._most_fixed_rows:
            self._compiled_for(_ANY_ROWS)
        inputs, outputs = model.input_names(_names(graph.inputs)), model.real_names(_names(graph.outputs))
        self.inputs = tuple(map(_spec, graph.inputs, inputs))
        self.outputs = tuple(map(_spec, graph.outputs, outputs))

    def run(self, arrays: Sequence[Array], lods: Mapping[int, Lod]) -> Outputs:
        """Run the model once; see `Backend.run`."""
        with library_error.raised_as(BackendFailed, "OpenVINO"):
            for spec, array in zip(self.inputs, arrays, strict=True):
                if array.dtype == np.int64 and (array.min() < _INT32.min or array.max() > _INT32.max):
                    raise BackendFailed(f"OpenVINO computes int64 in 32 bits; a value of {spec.name!r} is beyond that")
            rows = len(arrays[0]) if self._most_fixed_rows else _ANY_ROWS
            if rows > self._most_fixed_rows:
                rows = _ANY_ROWS
            request = self._compiled_for(rows).create_infer_request()
            try:
                for k, array in enumerate(arrays):
                    tensor = self._openvino.Tensor(array, shared_memory=array.flags.writeable)
                    request.set_input_tensor(k, tensor)
                request.infer()
            except Exception:
                del self._compiled[rows]
                raise
            return Outputs(tuple(request.get_output_tensor(k).data.copy() for k in range(len(self.outputs))), {})

    def close(self) -> None:
        """Give the memory back."""
        del self._compiled, self._graph

    def _compiled_for(self, rows: int) -> Any:
        if rows not in self._compiled:
            graph = self._graph
            if rows != _ANY_ROWS:
                graph = graph.clone()
                graph.reshape({port: [rows, *list(port.partial_shape)[1:]] for port in graph.inputs})
            self._compiled[rows] = self._openvino.Core().compile_model(graph, self._device, self._settings)
        return self._compiled[rows]


def _pays_to_fix_rows(graph: Any) -> bool:
    """Whether the model is small, and the number of rows is all that its inputs leave open."""
    shapes = [port.partial_shape for port in graph.inputs]
    if not shapes or not all(_is_open_in_rows(shape) for shape in shapes):
        return False
    constants = (op for op in graph.get_ops() if op.get_type_name() == "Constant")
    weights: int = sum(op.get_byte_size() for op in constants)
    return weights <= _FIXED_WEIGHT_BYTES


def _is_open_in_rows(shape: Any) -> bool:
    """Whether the first axis is open, and no other."""
    if shape.rank.is_dynamic or shape.rank.get_length() == 0:
        return False
    return bool(shape[0].is_dynamic) and all(axis.is_static for axis in list(shape)[1:])


def _reads_itself(folder: Path) -> bool:
    program = model_files.paddle_program(folder)
    return program is not None and program.suffix != ".json"


def _device(core: Any, options: ModelOptions) -> str:
    if options.gpu_id is None:
        return "CPU"
    wanted = ["GPU"] if options.gpu_id == 0 else []
    wanted.append(f"GPU.{options.gpu_id}")
    found = [device for device in wanted if device in core.available_devices]
    if not found:
        raise MissingLibrary(
            f"GPU {options.gpu_id} was asked for, but OpenVINO sees none of that number (it uses Intel GPUs only, and "
            f"needs their driver); it sees {', '.join(core.available_devices)}"
        )
    return found[0]


def _computed_otherwise(can: Sequence[str], options: ModelOptions) -> str | None:
    """What of the precision a device does not do, or None; OpenVINO says nothing of that itself."""
    if options.precision == "int8":
        return "only what is quantized in the model is computed in int8, the rest in fp32"
    if options.precision.upper() not in can:
        return f"this processor has no {options.precision} for OpenVINO; the model is computed in fp32"
    return None


def _hint(can: Sequence[str], options: ModelOptions) -> str:
    """What a device is asked to compute in: float32 where it does not have what was asked for."""
    return _PRECISIONS[options.precision] if options.precision.upper() in can else _PRECISIONS["fp32"]


def _names(ports: Sequence[Any]) -> list[str]:
    """What each is called; two outputs may be one tensor, which then has the names of both."""
    names: list[str] = []
    for port in ports:
        names.append(next((name for name in sorted(port.names) if name not in names), port.any_name))
    return names


def _spec(port: Any, name: str) -> TensorSpec:
    shape = port.partial_shape
    dims = () if shape.rank.is_dynamic else tuple(-1 if d.is_dynamic else d.get_length() for d in shape)
    return TensorSpec(name, dims, _CODES.get(port.element_type.get_type_name(), dtype.UNKNOWN))
