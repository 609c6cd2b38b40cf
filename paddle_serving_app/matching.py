"""A folder's config and what its library says, brought together: which input and output is which, of which type."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from paddle_serving_app.backend import Backend, TensorSpec
from paddle_serving_app.program import reader
from paddle_serving_app.signature import Input, Output
from paddle_serving_client import dtype, model_config
from paddle_serving_client.errors import BadModel
from paddle_serving_client.model_config import ModelSpec, Variable

logger = logging.getLogger(__name__)


def inputs_of(folder: Path, spec: ModelSpec, backend: Backend) -> tuple[tuple[Input, ...], list[int]]:
    """The inputs in the order of the config, and for each input of the library its place among them."""
    place = {feed.name: k for k, feed in enumerate(spec.feeds)}
    names = [found.name for found in backend.inputs]
    if set(place) != set(names):
        names = _real_names(folder, len(names))
    if set(place) != set(names):
        raise BadModel(_mismatch(folder, "inputs", spec.feeds, backend.inputs))
    found_by_name = dict(zip(names, backend.inputs, strict=True))
    inputs = tuple(_input(folder, feed, found_by_name[feed.name]) for feed in spec.feeds)
    return inputs, [place[name] for name in names]


def outputs_of(folder: Path, spec: ModelSpec, backend: Backend) -> tuple[tuple[Output, ...], list[int]]:
    """The outputs in the order of the config, and for each its place among those of the library."""
    place = {found.name: k for k, found in enumerate(backend.outputs)}
    names = [fetch.name for fetch in spec.fetches]
    if all(name in place for name in names):
        order = [place[name] for name in names]
    elif len(names) == len(place) and not set(names) & set(place):
        logger.info("%s: no output has the name that the config says; they are taken in order", folder)
        order = list(range(len(names)))
    else:
        raise BadModel(_mismatch(folder, "outputs", spec.fetches, backend.outputs))
    return tuple(_output(folder, f, backend.outputs[k]) for f, k in zip(spec.fetches, order, strict=True)), order


def _real_names(folder: Path, count: int) -> list[str]:
    """What the inputs are called in the model: a library that drops a step right behind one gives it another name."""
    found = reader.find(folder)
    return list(found.feeds) if found is not None and len(found.feeds) == count else []


def _input(folder: Path, feed: Variable, found: TensorSpec) -> Input:
    agreed = found.elem_type if found.elem_type != dtype.UNKNOWN else feed.elem_type
    is_joined = feed.elem_type == dtype.STRING and agreed == dtype.code_of(np.uint8)  # as Paddle takes strings
    if feed.elem_type not in (dtype.UNKNOWN, agreed) and not is_joined:
        raise BadModel(
            f"{folder}: the config says that input {feed.alias!r} is {dtype.name_of(feed.elem_type)}, "
            f"but the model takes {dtype.name_of(agreed)}"
        )
    shape = found.shape or ((-1, *feed.shape) if feed.shape else ())  # some ONNX models do not say
    return Input(feed.name, feed.alias, agreed, shape, feed.is_lod)


def _output(folder: Path, fetch: Variable, found: TensorSpec) -> Output:
    code = found.elem_type if found.elem_type != dtype.UNKNOWN else fetch.elem_type
    if fetch.elem_type not in (dtype.UNKNOWN, code):
        declared, gives = dtype.name_of(fetch.elem_type), dtype.name_of(code)
        logger.warning("%s: the config says output %r is %s; the model gives %s", folder, fetch.alias, declared, gives)
    return Output(fetch.name, fetch.alias, code, fetch.shape, fetch.is_lod)


def _mismatch(folder: Path, kind: str, declared: Sequence[Variable], found: Sequence[TensorSpec]) -> str:
    return (
        f"{folder}: {model_config.SERVER_CONFIG} and the model do not belong together: the config has the {kind} "
        f"{', '.join(repr(v.name) for v in declared)}, the model has {', '.join(repr(t.name) for t in found)}"
    )
