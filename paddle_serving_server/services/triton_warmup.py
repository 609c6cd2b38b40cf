"""Requests that a config wants to be run before a model counts as ready: `model_warmup`."""

import math
import time
from pathlib import Path
from typing import Final

import numpy as np

from paddle_serving_app.triton.config import TritonModelConfig, Warmup, WarmupInput
from paddle_serving_client import byte_strings
from paddle_serving_client.errors import BadModel, ServingError
from paddle_serving_client.manifest import open_inside
from paddle_serving_client.message import Array, Request, Tensors
from paddle_serving_client.wire import kserve
from paddle_serving_server.services.service import Service

_FOLDER: Final = "warmup"
"""Of a model, with the files of its samples."""
_MAX_BYTES: Final = 256 << 20
"""Of one input."""
_MAX_RUNS: Final = 1000


async def run(service: Service, folder: Path) -> None:
    """Have a service answer the samples of its config, if it has some.

    Args:
        service: is bound, and not offered yet.
        folder: of the model.

    Raises:
        BadModel: a sample cannot be made, or is not answered.
    """
    config = service.triton
    for sample in config.warmups if config is not None else ():
        assert config is not None
        try:
            tensors = {name: _tensor(config, sample, name, given, folder) for name, given in sample.inputs.items()}
            for _ in range(min(max(1, sample.count), _MAX_RUNS)):
                await _answered(service, tensors)
        except ServingError as exc:
            raise BadModel(f"failed to run warmup sample '{sample.name}' of model '{config.name}': {exc}") from exc


async def _answered(service: Service, tensors: Tensors) -> None:
    deadline = time.monotonic() + service.limits.request_s
    response = await service.infer(Request(model=service.name, tensors=tensors, deadline=deadline))
    if response.parts is not None:
        async for _ in response.parts:
            pass


def _tensor(config: TritonModelConfig, sample: Warmup, name: str, given: WarmupInput, folder: Path) -> Array:
    shape = (sample.batch_size, *given.dims) if config.max_batch_size and sample.batch_size else given.dims
    if any(length < 1 for length in shape):
        raise BadModel(f"input '{name}' needs lengths of 1 and more, got {list(shape)}")
    is_text = given.datatype == kserve.BYTES
    itemsize = 1 if is_text else kserve.numpy_of(given.datatype, name).itemsize
    if math.prod(shape) * itemsize > _MAX_BYTES:
        raise BadModel(f"input '{name}' {list(shape)} has more than {_MAX_BYTES} bytes")
    if given.data == "file":
        with open_inside(folder / _FOLDER, given.file) as stream:
            raw = stream.read(_MAX_BYTES + 1)
        return kserve.unpack(name, given.datatype, shape, memoryview(raw), config.name)
    if is_text:
        return byte_strings.array_of([b""] * math.prod(shape), shape)
    kind = kserve.numpy_of(given.datatype, name)
    if given.data == "zero":
        return np.zeros(shape, kind)
    return _random(shape, kind)


def _random(shape: tuple[int, ...], kind: "np.dtype[np.generic]") -> Array:
    """Values of the whole range that bytes have; of floats, from 0 to 1, so that all are numbers."""
    made = np.random.default_rng(0)
    if kind.kind in "iu":
        limits = np.iinfo(np.dtype(kind.str))
        return made.integers(limits.min, limits.max, shape, kind, endpoint=True)
    return (made.random(shape) < 0.5) if kind.kind == "b" else made.random(shape).astype(kind)
