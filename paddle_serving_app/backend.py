"""The interface of an inference library: arrays in, arrays out. `backends/` holds one plug-in for each."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from paddle_serving_client.errors import BadConfig
from paddle_serving_client.message import Array, Lod
from paddle_serving_client.model_config import ModelSpec

PRECISIONS = ("fp32", "fp16", "int8", "bf16")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """How a model is to be run; a plug-in uses what it can."""

    backend: str = ""
    """Name of a module in `paddle_serving_app.backends`; empty: the first that can read the folder."""
    threads: int = 0
    """Computing threads of one instance; 0: as many as this process may use."""
    gpu_id: int | None = None
    """Number of the GPU, counted as the driver shows it to this process; None: CPU."""
    precision: str = "fp32"
    """One of `PRECISIONS`."""
    onednn: bool = True
    """Use oneDNN on CPU where the library has it."""
    use_trt: bool = False
    """TensorRT, on GPU."""
    golden: str = ""
    """File with a golden sample (`golden.py`), whose outputs the model has to give; empty: the one in its folder."""

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise BadConfig(f"precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}")
        if self.threads < 0:
            raise BadConfig(f"threads must be at least 0, got {self.threads}")
        if self.gpu_id is not None and self.gpu_id < 0:
            raise BadConfig(f"gpu_id must be at least 0, got {self.gpu_id}")


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An input or output as the library reports it."""

    name: str
    shape: tuple[int, ...]
    """With the batch axis; -1 is a dimension that may vary."""
    elem_type: int
    """A code of `dtype.ELEM_TYPES`, or `dtype.UNKNOWN` where the library does not say."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """What one run gave."""

    arrays: tuple[Array, ...]
    """In the order of `Backend.outputs`; they belong to the caller and stay valid after the next run."""
    lods: Mapping[int, Lod]
    """By index; only where the library gave one."""


class Backend(Protocol):
    """One model loaded by one library. Used by one thread at a time."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def run(self, arrays: Sequence[Array], lods: Mapping[int, Lod]) -> Outputs:
        """Run the model once.

        Args:
            arrays: one for each of `inputs`, in that order, checked, C-contiguous, native byte order. Not modified.
            lods: sequence offsets by index of the input.

        Raises:
            BackendFailed: the library raised; its message is kept.
        """

    def close(self) -> None:
        """Give the memory back."""


@runtime_checkable
class GivesUpOneDnn(Protocol):
    """A backend that uses oneDNN until that fails."""

    has_onednn: bool


class Plugin(Protocol):
    """What a module in `paddle_serving_app.backends` offers."""

    def missing(self) -> str | None:
        """Why this library cannot be used here (what to install), or None; imports nothing heavy."""

    def version(self) -> str:
        """Of the library, and of others that decide what it runs; empty where nothing is installed."""

    def refuses(self, folder: Path, spec: ModelSpec) -> str | None:
        """Why this library cannot read that model folder, or None; looks at file names, loads nothing."""

    def load(self, folder: Path, spec: ModelSpec, options: ModelOptions) -> Backend:
        """Load the model.

        Raises:
            BadModel: the folder's files are not a model the library can load; its message is kept.
            MissingLibrary: the library is not installed, or lacks what `options` asks for (a GPU).
        """


def version_of(*distributions: str) -> str:
    """The version of the first of these packages that is installed; empty where none is."""
    for name in distributions:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""
