"""ONNX Runtime: reads `*.onnx`, Paddle programs by way of paddle2onnx, and SavedModels by way of tf2onnx."""

import ctypes
import importlib.util
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paddle_serving_app import library_error, paddle_to_onnx, processors, saved_model_files, tensorflow_to_onnx
from paddle_serving_app.backend import ModelOptions, Outputs, TensorSpec, version_of
from paddle_serving_app.paddle_to_onnx import OnnxModel
from paddle_serving_client import byte_strings, dtype
from paddle_serving_client.errors import BackendFailed, BadInput, BadModel, MissingLibrary
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
    "tensor(string)": dtype.STRING,
    "tensor(uint16)": 21,
    "tensor(uint32)": 22,
    "tensor(uint64)": 23,
}
_BFLOAT16 = _CODES["tensor(bfloat16)"]
_ONNX_BFLOAT16 = 16


def missing() -> str | None:
    """Why this library cannot be used here, or None."""
    if importlib.util.find_spec("onnxruntime") is None:
        return "onnxruntime is not installed: pip install onnxruntime"
    return None


def version() -> str:
    """Of the library, and of what converts for it."""
    converters = ", ".join(f"{name} {version_of(name)}" for name in ("paddle2onnx", "tf2onnx"))
    return f"{version_of('onnxruntime-gpu', 'onnxruntime')}, {converters}"


def refuses(folder: Path, spec: ModelSpec) -> str | None:
    """Why this library cannot read that model folder, or None."""
    lod = [feed.alias for feed in spec.feeds if feed.is_lod]
    if lod:
        return f"input {', '.join(map(repr, lod))} takes sequence offsets (LoD), which ONNX does not have"
    return tensorflow_to_onnx.refuses() if saved_model_files.find(folder) else paddle_to_onnx.refuses(folder)


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
    if saved_model_files.find(folder):
        model = OnnxModel(tensorflow_to_onnx.onnx_of(folder), keys=saved_model_files.names(folder))
    else:
        model = paddle_to_onnx.onnx_of(folder)
    return OnnxRuntimeBackend(onnxruntime, model, options)


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
        arguments, results = self._session.get_inputs(), self._session.get_outputs()
        self._input_names = [argument.name for argument in arguments]
        self._output_names = [result.name for result in results]
        self.inputs = tuple(map(_spec, arguments, model.input_names(self._input_names)))
        self.outputs = tuple(map(_spec, results, model.real_names(self._output_names)))
        types = {spec.elem_type for spec in (*self.inputs, *self.outputs)}
        self._ort_value = onnxruntime.OrtValue if _BFLOAT16 in types else None
        self._has_strings = dtype.STRING in types
        if self._ort_value is not None and self._has_strings:
            raise BadModel(
                f"{model.path}: inputs and outputs are strings and bfloat16, of which one model can have one"
            )
        if self._ort_value is not None and not hasattr(self._ort_value, "ortvalue_from_numpy_with_onnx_type"):
            raise BadModel(f"{model.path}: this onnxruntime is too old to take bfloat16: pip install -U onnxruntime")

    def run(self, arrays: Sequence[Array], lods: Mapping[int, Lod]) -> Outputs:
        """Run the model once; see `Backend.run`.

        Raises:
            BadInput: a string is not UTF-8, which is all that this library takes.
        """
        if self._has_strings:
            arrays = [_texts(i, a) if a.dtype.hasobject else a for i, a in zip(self.inputs, arrays, strict=True)]
        feed = dict(zip(self._input_names, arrays, strict=True))
        with library_error.raised_as(BackendFailed, "ONNX Runtime"):
            if self._ort_value is not None:
                return Outputs(self._run_with_values(feed), {})
            found = tuple(self._session.run(self._output_names, feed))
        if self._has_strings:
            found = tuple([_byte_strings(array) for array in found])
        return Outputs(found, {})

    def _run_with_values(self, feed: Mapping[str, Array]) -> tuple[Array, ...]:
        """As `run`, in its own containers: it makes no array of numpy of bfloat16."""
        assert self._ort_value is not None
        values = {}
        for name, array in feed.items():
            if array.dtype == dtype.BFLOAT16:
                bits = array.view(np.uint16)
                values[name] = self._ort_value.ortvalue_from_numpy_with_onnx_type(bits, _ONNX_BFLOAT16)
            else:
                values[name] = self._ort_value.ortvalue_from_numpy(array)
        return tuple([_array_of(value) for value in self._session.run_with_ort_values(self._output_names, values)])

    def close(self) -> None:
        """Give the memory back."""
        del self._session


def _array_of(value: Any) -> Array:
    """An output as an array that belongs to the caller."""
    if value.data_type() != "tensor(bfloat16)":
        array: Array = value.numpy()
        return array
    shape = tuple(value.shape())
    count = math.prod(shape)
    if not count:
        return np.empty(shape, dtype.BFLOAT16)
    bits = (ctypes.c_uint16 * count).from_address(value.data_ptr())  # on the CPU, where this library leaves outputs
    return np.frombuffer(bits, dtype.BFLOAT16).reshape(shape).copy()


def _texts(spec: TensorSpec, array: Array) -> Array:
    """Byte strings as the texts that the library wants: of `bytes` it would take what Python prints for them."""
    texts = np.empty(array.shape, object)
    try:
        texts.reshape(-1)[:] = [item.decode() for item in array.flat]
    except UnicodeDecodeError as exc:
        raise BadInput(f"input {spec.name!r} has a string that is not UTF-8, which ONNX Runtime does not take") from exc
    return texts


def _byte_strings(output: Any) -> Array:
    """An output; texts, also one without axes, as byte strings."""
    array: Array = np.asarray(output)
    return byte_strings.of(array, "an output of ONNX Runtime") if array.dtype.kind in "OSU" else array


def _session_options(onnxruntime: Any, options: ModelOptions) -> Any:
    session = onnxruntime.SessionOptions()
    session.intra_op_num_threads = options.threads or processors.available()
    session.inter_op_num_threads = 1
    session.log_severity_level = _ERRORS_ONLY
    session.enable_mem_pattern = False  # it keeps one for every shape it meets, and gains nothing that can be measured
    # Its threads would spin on after a run, and take the processors from whoever works next.
    session.add_session_config_entry("session.force_spinning_stop", "1")
    return session


def _providers(options: ModelOptions) -> list[Any]:
    return [_CPU] if options.gpu_id is None else [(_CUDA, {"device_id": options.gpu_id}), _CPU]


def _spec(argument: Any, name: str) -> TensorSpec:
    if not argument.type.startswith("tensor("):
        raise BadModel(f"{argument.name!r} is {argument.type}; only tensors can be served: convert the model again")
    if argument.type not in _CODES:
        raise BadModel(f"{argument.name!r} is {argument.type}, which cannot be served")
    dims = tuple(dim if isinstance(dim, int) and dim >= 0 else -1 for dim in argument.shape or ())
    return TensorSpec(name, dims, _CODES[argument.type])
