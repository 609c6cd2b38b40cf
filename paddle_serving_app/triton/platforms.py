"""Which of Triton's backends there are here, what their models are called, and which are not served."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from paddle_serving_client.errors import BadModel

ENSEMBLE: Final = "ensemble"
PYTHON: Final = "python"


@dataclass(frozen=True, slots=True)
class BackendKind:
    """One of Triton's backends, as a config names it."""

    platform: str
    """What `platform` is completed to; empty: nothing."""
    file: str
    """What a model is called in its version folder, where the config does not say it."""
    ours: str = ""
    """The library of ours that is the same; empty: it runs no model of its own accord."""
    default_cpu_instances: int = 1
    """What Triton starts where the config does not say it."""


BACKENDS: Final[Mapping[str, BackendKind]] = {
    "tensorflow": BackendKind("tensorflow_savedmodel", "model.savedmodel", "openvino", default_cpu_instances=2),
    "onnxruntime": BackendKind("onnxruntime_onnx", "model.onnx", "onnxruntime", default_cpu_instances=2),
    "openvino": BackendKind("", "model.xml", "openvino"),
    "pytorch": BackendKind("pytorch_libtorch", "model.pt", "torch"),
    "paddle": BackendKind("", "model.pdmodel", "paddle"),
    PYTHON: BackendKind("", "model.py"),
}
"""In the order in which a folder is looked through for a model: that of Triton."""
_BY_PLATFORM: Final = {
    "onnxruntime_onnx": "onnxruntime",
    "pytorch_libtorch": "pytorch",
    "pytorch": "pytorch",
    "tensorflow_savedmodel": "tensorflow",
    "tensorrt_plan": "tensorrt",
    "tensorflow_graphdef": "tensorflow",
    "openvino": "openvino",
    "paddle": "paddle",
    "python": PYTHON,
}
"""What people write as `platform`, some of them where `backend` was meant."""
_ALIKE: Final = {"fastdeploy": ("onnxruntime", "paddle"), "paddlepaddle": ("paddle",), "paddle_backend": ("paddle",)}
"""Backends that others have made, and those of ours that read the same files."""
_REFUSED: Final = {
    "tensorrt": "a TensorRT engine runs on one kind of GPU only; give the ONNX model it was made of, and say "
    'backend: "onnxruntime"',
    "tensorflow_graphdef": "a frozen graph is not served; export a SavedModel, or ONNX",
    "dali": 'DALI is not served; do the same steps in a model.py (backend: "python")',
    "fil": "forests of trees are not served by this backend; export the model to ONNX (skl2onnx, onnxmltools)",
    "vllm": "language models are not served here",
    "tensorrtllm": "language models are not served here",
    "pytorch_aoti": "AOTInductor packages are not served; save the model as TorchScript",
    "identity": "it is a test of Triton; a model.py of three lines does the same",
}


def of_platform(platform: str) -> str:
    """The backend that a platform means; empty where none is known."""
    return _BY_PLATFORM.get(platform, "")


def file_of(backend: str) -> str:
    """The usual name of a model file of a backend; empty where there is none."""
    found = BACKENDS.get(_ALIKE.get(backend, (backend,))[0])
    return "" if found is None else found.file


def kind_of(backend: str, platform: str, file: str) -> BackendKind:
    """The backend that serves a model.

    Args:
        backend: as the config says, or as it was completed.
        platform: likewise.
        file: the name of its model file.

    Raises:
        BadModel: there is none; the message says what to do.
    """
    reason = _REFUSED.get(platform) or _REFUSED.get(backend)
    if reason is not None:
        raise BadModel(f"backend {backend or platform!r} is not served: {reason}")
    for name in _ALIKE.get(backend, (backend,)):
        kind = BACKENDS.get(name)
        if kind is not None and (backend not in _ALIKE or _ending(kind.file) == _ending(file)):
            return kind
    known = ", ".join([*BACKENDS, ENSEMBLE])
    raise BadModel(f"there is no backend {backend!r}; there are {known}")


def backend_in(names: set[str]) -> str:
    """The backend whose usual model file is among names of a version folder; empty where none is."""
    return next((name for name, kind in BACKENDS.items() if kind.file in names), "")


def backend_of_file(file: str) -> str:
    """The backend whose model files end as one does; empty where there is none."""
    return next((name for name, kind in BACKENDS.items() if file and _ending(kind.file) == _ending(file)), "")


def _ending(file: str) -> str:
    return file.rpartition(".")[2]
