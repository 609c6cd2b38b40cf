"""LocalPredictor: a model answered in this process, without a server."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from paddle_serving_app import layout
from paddle_serving_app.backend import PRECISIONS, ModelOptions, Outputs
from paddle_serving_app.choosing import choose
from paddle_serving_app.choosing.plan import Plan
from paddle_serving_app.model import Model
from paddle_serving_app.signature import Arranged, Input
from paddle_serving_client import dtype
from paddle_serving_client.encryption import read_key
from paddle_serving_client.errors import BadInput, BadModel
from paddle_serving_client.message import Array, Lod, is_same_but_for_ones

Feed: TypeAlias = Mapping[str, Any]
"""Inputs by alias or real name, as arrays or lists; offsets of an input under `NAME.lod`."""

logger = logging.getLogger(__name__)

_NUMBERS = "biuf"


class LocalPredictor:
    """Predicts with a model as it lies there; the surface of Paddle Serving 0.9.

    predictor = LocalPredictor()
    predictor.load_model_config("uci_housing_model")
    predictor.predict(feed={"x": x}, fetch=["price"], batch=False)

    Calls from several threads wait for each other.
    """

    def __init__(self) -> None:
        self.feed_names_: list[str] = []
        """Aliases of the inputs, once a model is loaded."""
        self.fetch_names_: list[str] = []
        self._model: Model | None = None
        self._configured: tuple[tuple[int, ...], ...] = ()

    def load_model_config(
        self,
        model_path: str | Path,
        use_gpu: bool = False,
        gpu_id: int | Sequence[int] = 0,
        use_profile: bool = False,
        thread_num: int = 1,
        mem_optim: bool = True,
        ir_optim: bool = False,
        use_trt: bool = False,
        use_lite: bool = False,
        use_xpu: bool = False,
        precision: str = "fp32",
        use_mkldnn: bool = False,
        mkldnn_cache_capacity: int = 0,
        mkldnn_op_list: Sequence[str] | None = None,
        mkldnn_bf16_op_list: Sequence[str] | None = None,
        use_feed_fetch_ops: bool = False,
        use_ascend_cl: bool = False,
        min_subgraph_size: int = 3,
        dynamic_shape_info: Mapping[str, object] | None = None,
        use_calib: bool = False,
        *,
        backend: str = "",
        key_file: str | Path | None = None,
        tune_s: float = 0.0,
        golden: str | Path | None = None,
    ) -> None:
        """Load a model and run it once.

        A warning in the log names the arguments that were given and have no effect.

        Args:
            model_path: a server's folder, an exported Paddle program or an ONNX model.
            use_gpu: run on a GPU; without one this is an error, never a silent CPU.
            gpu_id: which; the first of a list.
            use_profile: without effect.
            thread_num: computing threads; 0: as many as this process may use.
            mem_optim: either way memory is saved.
            ir_optim: either way the graph is optimised.
            use_trt: TensorRT, on GPU.
            use_lite: without effect, as with `serve`.
            use_xpu: without effect, as with `serve`.
            precision: fp32, fp16, int8 or bf16, in upper or lower case; anything else means fp32, with a warning.
            use_mkldnn: either way oneDNN is used where it helps and works.
            mkldnn_cache_capacity: without effect; it is always bounded.
            mkldnn_op_list: without effect.
            mkldnn_bf16_op_list: without effect.
            use_feed_fetch_ops: without effect.
            use_ascend_cl: without effect, as with `serve`.
            min_subgraph_size: without effect.
            dynamic_shape_info: without effect.
            use_calib: without effect.
            backend: name of an inference library; empty: the one that measured fastest, or, where nothing was measured
                yet, the first that can read the folder.
            key_file: the key of an encrypted model.
            tune_s: how long to measure where that was not done yet, in seconds; 0: what a server or `tune` measured
                before is followed, and nothing is measured now.
            golden: file with a golden sample, whose outputs the model has to give; None: the one in its folder, if any.

        Raises:
            BadModel: there is no model, or a damaged one, or the golden sample is not met.
            BadConfig: its config or the key cannot be read.
            MissingLibrary: no inference library for it is installed, or there is no such GPU.
        """
        _warn_of(
            use_lite=use_lite,
            use_xpu=use_xpu,
            use_ascend_cl=use_ascend_cl,
            use_profile=use_profile,
            mkldnn_cache_capacity=mkldnn_cache_capacity > 0,
            mkldnn_op_list=mkldnn_op_list,
            mkldnn_bf16_op_list=mkldnn_bf16_op_list,
            use_feed_fetch_ops=use_feed_fetch_ops,
            min_subgraph_size=min_subgraph_size != 3,
            dynamic_shape_info=dynamic_shape_info,
            use_calib=use_calib,
        )
        first_gpu = int(gpu_id) if isinstance(gpu_id, int | str) else int(gpu_id[0])
        options = ModelOptions(
            backend=backend,
            threads=max(0, thread_num),
            gpu_id=first_gpu if use_gpu else None,
            precision=_known_precision(precision),
            use_trt=use_trt,
            golden="" if golden is None else str(golden),
        )
        key = None if key_file is None else read_key(key_file)
        package = layout.opened(model_path)
        follow = None if backend or not options.threads else _plan_for_any_threads(package.folder, options)
        model = Model.load(package, options, tune_s, key, follow=follow)
        self._configured = tuple(feed.shape for feed in package.spec.feeds)
        self._model = model
        self.feed_names_ = [feed.alias for feed in model.signature.inputs]
        self.fetch_names_ = [fetch.alias for fetch in model.signature.outputs]

    def predict(
        self,
        feed: Feed | Sequence[Feed] | None = None,
        fetch: Sequence[str] | str | None = None,
        batch: bool = False,
        log_id: int = 0,
    ) -> dict[str, Array]:
        """Run the model once.

        Args:
            feed: every input by alias or real name; names the model does not know are ignored. Lists are made arrays
                of the configured shape, and values are cast to the configured type. Not modified. A list of feeds is
                run as one batch.
            fetch: real names or aliases of the outputs wanted; where none of them is one, they name the outputs in
                order. None: all outputs, by real name. Empty: nothing.
            batch: whether the values have a batch axis already; otherwise it is added.
            log_id: named where `feed` is of the wrong kind.

        Returns:
            Outputs by the names asked for, and `NAME.lod` (int32, first level) where an output has sequence offsets.

        Raises:
            ValueError: no feed, a feed of another kind, or a value that is no array of numbers.
            BadInput: an input is missing, or its shape does not fit (also a ValueError).
            BackendFailed: the inference library failed.
        """
        if feed is None:
            raise ValueError(f"You should specify feed vars for prediction. log_id:{log_id}")
        feeds = [feed] if isinstance(feed, Mapping) else feed
        if not isinstance(feeds, list | tuple) or not feeds or not all(isinstance(item, Mapping) for item in feeds):
            raise ValueError(f"Feed only accepts dict and list of dict. log_id:{log_id}")
        if self._model is None:
            raise ValueError(f"no model is loaded: call load_model_config first. log_id:{log_id}")
        parts = [self._arrange(self._model, item, batch) for item in feeds]
        return self._named(self._model, self._model.run(_joined(parts)), fetch)

    def _arrange(self, model: Model, feed: Feed, batch: bool) -> Arranged:
        tensors: dict[str, Array] = {}
        lods: dict[str, Lod] = {}
        for spec, shape in zip(model.signature.inputs, self._configured, strict=True):
            for name in {spec.name, spec.alias} & set(feed):
                tensors[name] = _array(spec, shape, feed[name], batch)
                if f"{name}.lod" in feed:
                    lods[name] = _lod(name, feed[f"{name}.lod"])
        return model.signature.arrange(tensors, lods)

    def _named(self, model: Model, outputs: Outputs, fetch: Sequence[str] | str | None) -> dict[str, Array]:
        specs = model.signature.outputs
        place = {spec.alias: k for k, spec in enumerate(specs)} | {spec.name: k for k, spec in enumerate(specs)}
        wanted = [spec.name for spec in specs] if fetch is None else [fetch] if isinstance(fetch, str) else list(fetch)
        chosen = {name: place[name] for name in wanted if name in place}
        if not chosen:
            chosen = {name: k for k, name in enumerate(wanted) if k < len(specs)}
        named: dict[str, Array] = {}
        for name, k in chosen.items():
            named[name] = outputs.arrays[k]
            if lod := outputs.lods.get(k):
                named[f"{name}.lod"] = np.array(lod[0], np.int32)
        return named


Debugger = LocalPredictor
"""What LocalPredictor was called before 0.4."""


def _warn_of(**given: object) -> None:
    """Say which arguments have no effect, of those that are given."""
    if names := [name for name, value in given.items() if value]:
        logger.warning("LocalPredictor: %s %s no effect", ", ".join(names), "has" if len(names) == 1 else "have")


def _known_precision(asked: str | None) -> str:
    precision = (asked or "").lower()
    if precision in PRECISIONS:
        return precision
    logger.warning("precision must be one of %s, got %r; the model is computed in fp32", ", ".join(PRECISIONS), asked)
    return "fp32"


def _plan_for_any_threads(folder: Path, options: ModelOptions) -> Plan | None:
    """What was measured for a server, which is free to choose its threads; here there is one, unless a script asks."""
    try:
        return choose.plan_for(folder, replace(options, threads=0), 0)
    except (BadModel, OSError):  # loading will say what is wrong with the folder
        return None


def _array(spec: Input, shape: tuple[int, ...], value: object, batch: bool) -> Array:
    """A value as an array with the batch axis, of the model's type; `shape` is the configured one."""
    try:
        array = np.asarray(value)
    except ValueError as exc:  # rows of unequal length
        raise BadInput(f"input {spec.alias!r} must be {spec}, got a list of unequal rows") from exc
    expected = dtype.numpy_of(spec.elem_type)
    if array.dtype.kind not in _NUMBERS or expected is None:
        raise ValueError(f"local predictor receives wrong data type: input {spec.alias!r} is {spec}, got {array.dtype}")
    if isinstance(value, list) and shape and min(shape) > 0:
        rows = array.size // int(np.prod(shape)) if batch else 1
        layouts = (array.shape, array.shape[1:]) if batch else (array.shape,)
        # A flat list the original takes for any shape; in a nested one the axes must be those of the input.
        fits = any(len(layout) < 2 or is_same_but_for_ones(layout, shape) for layout in layouts)
        if fits and array.size == rows * int(np.prod(shape)):
            array = array.reshape(rows, *shape) if batch else array.reshape(shape)
    array = array.astype(expected, copy=False)
    return array if batch else array[np.newaxis]


def _lod(name: str, value: Any) -> Lod:
    """Offsets as callers give them: one level as a flat list or array, or a list of levels."""
    try:
        levels = value if len(value) and np.ndim(value[0]) else [value]
        return tuple(tuple(int(offset) for offset in level) for level in levels)
    except (TypeError, ValueError, KeyError) as exc:
        raise BadInput(f"{name}.lod must be a list of offsets, got {type(value).__name__}") from exc


def _joined(parts: Sequence[Arranged]) -> Arranged:
    if len(parts) == 1:
        return parts[0]
    if any(part.lods for part in parts):
        raise BadInput("several feeds with sequence offsets (LoD) cannot be run as one batch")
    try:
        return Arranged(tuple(np.concatenate(arrays) for arrays in zip(*(p.arrays for p in parts), strict=True)), {})
    except ValueError as exc:
        raise BadInput("several feeds are run as one batch, but their shapes differ") from exc
