"""Paddle Inference: reads every Paddle model folder there is.

What it does wrong, and what is done about it (all seen with 3.3.1):
- It loads a model whose parameters are missing or cut short and answers nonsense, and dies of a program that is none.
  So `model_files` reads both first.
- With oneDNN and its own setting it keeps something for every shape it has met: 2.0 GB after 600 image sizes, where
  `_ONEDNN_SHAPES` = 10 stays at 0.56 GB. oneDNN also lacks operators. So where it fails, the model goes on without it.
- It runs on CPU when a GPU is asked for and there is none. So we look for it.
- Its import configures the root logger, warns, and takes over SIGTERM, which then kills the process with a stack trace.
  So these are put back; its handlers for crashes stay, since their traces help.
"""

import contextlib
import importlib.util
import logging
import platform
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from paddle_serving_app import library_error, model_files, processors
from paddle_serving_app.backend import ModelOptions, Outputs, TensorSpec, version_of
from paddle_serving_app.model_files import PaddleModel
from paddle_serving_client.errors import BackendFailed, BadModel, MissingLibrary
from paddle_serving_client.message import Array, Lod
from paddle_serving_client.model_config import ModelSpec

logger = logging.getLogger(__name__)

_NEWEST_PYTHON = (3, 13)
_ONEDNN_SHAPES = 10
"""Input shapes for which oneDNN keeps what it prepared."""
_GPU_POOL_MB = 256
_TRT_WORKSPACE_BYTES = 1 << 30
_TRT_MIN_SUBGRAPH = 3
_TRT_MAX_BATCH = 32
_MAX_KNOWN_FAILURES = 64
_NO_CUDA = "but this paddlepaddle is built without CUDA: pip install -r requirements-gpu.txt"


def missing() -> str | None:
    """Why this library cannot be used here, or None."""
    if importlib.util.find_spec("paddle") is not None:
        return None
    if sys.version_info[:2] > _NEWEST_PYTHON:
        return f"paddlepaddle is not installed, and there is none for Python {platform.python_version()} yet"
    return "paddlepaddle is not installed: pip install paddlepaddle"


def version() -> str:
    """Of the library."""
    return version_of("paddlepaddle-gpu", "paddlepaddle")


def refuses(folder: Path, spec: ModelSpec) -> str | None:
    """Why this library cannot read that model folder, or None."""
    if model_files.paddle_program(folder) is None:
        return model_files.no_model(folder, "Paddle program")
    return None


def load(folder: Path, spec: ModelSpec, options: ModelOptions) -> "PaddleBackend":
    """Load the model of a folder; see `backend.Plugin.load`."""
    if (reason := missing()) is not None:
        raise MissingLibrary(reason)
    model = model_files.read_paddle(folder)
    paddle = _import()
    if options.gpu_id is not None:
        _require_gpu(paddle, options.gpu_id)
    elif (reason := _not_on_cpu(paddle, options)) is not None:
        logger.warning("%s: %s", folder, reason)
    return PaddleBackend(paddle.inference, model, options)


class PaddleBackend:
    """A predictor of Paddle Inference; with oneDNN until it fails where plain Paddle does not."""

    def __init__(self, inference: Any, model: PaddleModel, options: ModelOptions) -> None:
        self._inference = inference
        self._model = model
        self._options = options
        self._known_failures: set[str] = set()
        self.has_onednn = options.onednn and options.gpu_id is None
        self._predictor = self._load()
        self.inputs = self._predictor.inputs
        self.outputs = self._predictor.outputs

    def run(self, arrays: Sequence[Array], lods: Mapping[int, Lod]) -> Outputs:
        """Run the model once; see `Backend.run`."""
        try:
            return self._predictor.run(arrays, lods)
        except Exception as exc:
            if not self.has_onednn or self._kind_of(exc) in self._known_failures:
                raise BackendFailed(f"Paddle: {library_error.text_of(exc)}") from exc
            return self._run_without_onednn(arrays, lods, exc)

    def close(self) -> None:
        """Give the memory back."""
        del self._predictor

    def _load(self) -> "_Predictor":
        if self.has_onednn:
            try:
                return self._make(onednn=True)
            except Exception as exc:
                failure = exc
        with library_error.raised_as(BadModel, f"{self._model.program}: Paddle"):
            predictor = self._make(onednn=False)
        if self.has_onednn:
            self._give_up_onednn(failure)
        return predictor

    def _run_without_onednn(self, arrays: Sequence[Array], lods: Mapping[int, Lod], failure: Exception) -> Outputs:
        """Find out whether oneDNN failed or the input is at fault: run again without it, and keep what works."""
        try:
            predictor = self._make(onednn=False)
            outputs = predictor.run(arrays, lods)
        except Exception as exc:
            if len(self._known_failures) < _MAX_KNOWN_FAILURES:
                self._known_failures.add(self._kind_of(failure))
            raise BackendFailed(f"Paddle: {library_error.text_of(exc)}") from exc
        self._predictor = predictor
        self._give_up_onednn(failure)
        return outputs

    def _give_up_onednn(self, failure: Exception) -> None:
        self.has_onednn = False
        logger.warning("%s goes on without oneDNN: %s", self._model.program, library_error.text_of(failure))

    def _make(self, onednn: bool) -> "_Predictor":
        config = _config(self._inference, self._model, self._options, onednn)
        return _Predictor(self._inference.create_predictor(config), self._model)

    @staticmethod
    def _kind_of(failure: Exception) -> str:
        """Failures that differ only in numbers are one kind, so that a bad request costs a second predictor once."""
        return re.sub(r"\d+", "#", library_error.text_of(failure))


class _Predictor:
    """Paddle's predictor with its handles at hand."""

    def __init__(self, predictor: Any, model: PaddleModel) -> None:
        self._predictor = predictor
        input_names, output_names = predictor.get_input_names(), predictor.get_output_names()
        self.inputs = _in_order(model.program, "inputs", model.inputs, input_names)
        self.outputs = _in_order(model.program, "outputs", model.outputs, output_names)
        self._input_handles = [predictor.get_input_handle(name) for name in input_names]
        self._output_handles = [predictor.get_output_handle(name) for name in output_names]

    def run(self, arrays: Sequence[Array], lods: Mapping[int, Lod]) -> Outputs:
        for k, (handle, array) in enumerate(zip(self._input_handles, arrays, strict=True)):
            handle.copy_from_cpu(array)
            if handle.lod() or k in lods:  # an earlier caller's offsets would stay
                handle.set_lod([list(level) for level in lods.get(k, ())])
        self._predictor.run()
        arrays = tuple(handle.copy_to_cpu() for handle in self._output_handles)
        found = ((k, handle.lod()) for k, handle in enumerate(self._output_handles))
        return Outputs(arrays, {k: tuple(map(tuple, lod)) for k, lod in found if lod})


def _in_order(program: Path, kind: str, specs: tuple[TensorSpec, ...], names: list[str]) -> tuple[TensorSpec, ...]:
    by_name = {spec.name: spec for spec in specs}
    if set(names) == set(by_name):
        return tuple(by_name[name] for name in names)
    raise BadModel(f"{program}: Paddle finds the {kind} {', '.join(names)}; the program names {', '.join(by_name)}")


def _config(inference: Any, model: PaddleModel, options: ModelOptions, onednn: bool) -> Any:
    config = inference.Config()
    if len(model.params) > 1:
        program, params = model.program.read_bytes(), model.combined_params()
        config.set_model_buffer(program, len(program), params, len(params))
    else:
        config.set_model(str(model.program), str(model.params[0]) if model.params else "")
    config.disable_glog_info()
    config.set_cpu_math_library_num_threads(options.threads or processors.available())
    config.switch_ir_optim(True)
    if not model.is_pir:  # Paddle 3 programs fail with it, and save memory anyway
        config.enable_memory_optim()
    if options.gpu_id is not None:
        _use_gpu(inference, config, options)
    elif onednn:
        config.enable_mkldnn()
        config.set_mkldnn_cache_capacity(_ONEDNN_SHAPES)
        if options.precision == "bf16":
            config.enable_mkldnn_bfloat16()
        elif options.precision == "int8":
            config.enable_mkldnn_int8()
    else:
        config.disable_mkldnn()
    return config


def _not_on_cpu(paddle: Any, options: ModelOptions) -> str | None:
    """What of the options Paddle does not do on a CPU, or None; it says nothing of that itself."""
    if options.use_trt:
        return "TensorRT needs a GPU; the model runs on the CPU without it"
    if options.precision == "fp16":
        return "Paddle has no fp16 on a CPU; the model is computed in fp32"
    if options.precision == "bf16" and not (options.onednn and paddle.base.core.supports_bfloat16()):
        return "bf16 needs oneDNN and a processor with AVX-512; the model is computed in fp32"
    if options.precision == "int8":
        return "only what is quantized in the model is computed in int8, the rest in fp32"
    return None


def _use_gpu(inference: Any, config: Any, options: ModelOptions) -> None:
    kinds = inference.PrecisionType
    precision = {"fp16": kinds.Half, "bf16": kinds.Bfloat16, "int8": kinds.Int8}.get(options.precision, kinds.Float32)
    config.enable_use_gpu(_GPU_POOL_MB, options.gpu_id, kinds.Float32 if options.use_trt else precision)
    if options.use_trt:
        config.enable_tensorrt_engine(
            workspace_size=_TRT_WORKSPACE_BYTES,
            max_batch_size=_TRT_MAX_BATCH,
            min_subgraph_size=_TRT_MIN_SUBGRAPH,
            precision_mode=precision,
            use_static=False,
            use_calib_mode=False,
        )


def _require_gpu(paddle: Any, gpu_id: int) -> None:
    if not paddle.device.is_compiled_with_cuda():
        raise MissingLibrary(f"GPU {gpu_id} was asked for, {_NO_CUDA}")
    count = paddle.device.cuda.device_count()
    if gpu_id >= count:
        raise MissingLibrary(
            f"GPU {gpu_id} was asked for, but Paddle sees {count}, counted from 0: check nvidia-smi, the driver and "
            f"CUDA_VISIBLE_DEVICES"
        )


def _import() -> Any:
    with _without_side_effects(), library_error.raised_as(MissingLibrary, "paddlepaddle cannot be imported"):
        import paddle
        import paddle.inference
    return paddle


@contextlib.contextmanager
def _without_side_effects() -> Iterator[None]:
    """Let Paddle be imported, and leave warnings, the root logger and the handler of SIGTERM as they were."""
    root = logging.getLogger()
    level, handlers, terminate = root.level, root.handlers[:], signal.getsignal(signal.SIGTERM)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
        if terminate is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, terminate)
