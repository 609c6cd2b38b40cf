"""ONNX Runtime: reads `*.onnx`, and Paddle programs by way of paddle2onnx."""

import importlib.util
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paddle_serving_app import library_error, paddle_to_onnx, processors
from paddle_serving_app.backend import ModelOptions, Outputs, TensorSpec, version_of
from paddle_serving_app.paddle_to_onnx import OnnxModel
from paddle_serving_client.errors import BackendFailed, BadModel, MissingLibrary
from paddle_serving_client.message import Array, Lod
from paddle_serving_client.model_config import ModelSpec

logger = logging.getLogger(__name__)

_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
_ERRORS_ONLY = 3
_CODES = {
    "tensor(int64)": 0,
    "tensor(float)": 1,
    "tensor(int32)": 2,
    "tensor(double)": 3,
    "tensor(int16)": 4,
    "tensor(float16)": 5,
    "tensor(bfloat16)": 6,
    "tensor(uint8)": 7,
    "tensor(int8)": 8,
    "tensor(bool)": 9,
}


def missing() -> str | None:
    """Why this library cannot be used here, or None."""
    if importlib.util.find_spec("onnxruntime") is None:
        return "onnxruntime is not installed: pip install onnxruntime"
    return None


def version() -> str:
    """Of the library, and of what converts for it."""
    return f"{version_of('onnxruntime-gpu', 'onnxruntime')}, paddle2onnx {version_of('paddle2onnx')}"


def refuses(folder: Path, spec: ModelSpec) -> str | None:
    """Why this library cannot read that model folder, or None."""
    lod = [feed.alias for feed in spec.feeds if feed.is_lod]
    if lod:
        return f"input {', '.join(map(repr, lod))} takes sequence offsets (LoD), which ONNX does not have"
    return paddle_to_onnx.refuses(folder)


def load(folder: Path, spec: ModelSpec, options: ModelOptions) -> "OnnxRuntimeBackend":
    """Load the model of a folder; see `backend.Plugin.load`."""
    if (reason := missing()) is not None:
        raise MissingLibrary(reason)
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    if options.gpu_id is not None and _CUDA not in onnxruntime.get_available_providers():
        raise MissingLibrary(
            f"GPU {options.gpu_id} was asked for, but this onnxruntime is built without CUDA: "
            f"pip install -r requirements-gpu.txt"
        )
    if options.precision != "fp32":
        logger.warning(
            "%s: ONNX Runtime computes as the model says; precision %s is ignored", folder, options.precision
        )
    return OnnxRuntimeBackend(onnxruntime, paddle_to_onnx.onnx_of(folder), options)


class OnnxRuntimeBackend:
    """A session of ONNX Runtime."""

    def __init__(self, onnxruntime: Any, model: OnnxModel, options: ModelOptions) -> None:
        with library_error.raised_as(BadModel, f"{model.path}: ONNX Runtime"):
            self._session = onnxruntime.InferenceSession(
                str(model.path), _session_options(onnxruntime, options), providers=_providers(options)
            )
        if options.gpu_id is not None and _CUDA not in self._session.get_providers():  # it falls back to CPU silently
            raise MissingLibrary(
                f"GPU {options.gpu_id} was asked for, but ONNX Runtime cannot use it: there is no such GPU, "
                f"or a CUDA library is missing: pip install -r requirements-gpu.txt"
            )
        self.inputs = tuple(_spec(argument) for argument in self._session.get_inputs())
        outputs = tuple(_spec(argument) for argument in self._session.get_outputs())
        self._output_names = [output.name for output in outputs]
        names = model.real_names(self._output_names)
        self.outputs = tuple(TensorSpec(n, o.shape, o.elem_type) for n, o in zip(names, outputs, strict=True))

    def run(self, arrays: Sequence[Array], lods: Mapping[int, Lod]) -> Outputs:
        """Run the model once; see `Backend.run`."""
        feed = {spec.name: array for spec, array in zip(self.inputs, arrays, strict=True)}
        with library_error.raised_as(BackendFailed, "ONNX Runtime"):
            return Outputs(tuple(self._session.run(self._output_names, feed)), {})

    def close(self) -> None:
        """Give the memory back."""
        del self._session


def _session_options(onnxruntime: Any, options: ModelOptions) -> Any:
    session = onnxruntime.SessionOptions()
    session.intra_op_num_threads = options.threads or processors.available()
    session.inter_op_num_threads = 1
    session.log_severity_level = _ERRORS_ONLY
    session.enable_mem_pattern = False  # it keeps one for every shape it meets, and gains nothing that can be measured
    if not options.ir_optim:
        session.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    # Its threads would spin on after a run, and take the processors from whoever works next.
    session.add_session_config_entry("session.force_spinning_stop", "1")
    return session


def _providers(options: ModelOptions) -> list[Any]:
    return [_CPU] if options.gpu_id is None else [(_CUDA, {"device_id": options.gpu_id}), _CPU]


def _spec(argument: Any) -> TensorSpec:
    if not argument.type.startswith("tensor("):
        raise BadModel(f"{argument.name!r} is {argument.type}; only tensors can be served: convert the model again")
    if argument.type not in _CODES:
        raise BadModel(f"{argument.name!r} is {argument.type}, which cannot be served")
    dims = tuple(dim if isinstance(dim, int) and dim >= 0 else -1 for dim in argument.shape or ())
    return TensorSpec(argument.name, dims, _CODES[argument.type])
