"""What callers of `Client.predict` pass as `feed`, by the rules of Paddle Serving 0.9: Python values -> wire tensors.

The caller's dict and arrays are never changed.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from paddle_serving_client import byte_strings, dtype
from paddle_serving_client.errors import BadDType, BadInput
from paddle_serving_client.message import Array, Lod, describe, is_same_but_for_ones, misfit
from paddle_serving_client.model_config import Variable
from paddle_serving_client.wire.tensors import WireTensor, lod_levels, string_tensor

_LOD_SUFFIX = ".lod"
_NUMERIC_KINDS = "biufc"


def as_mapping(feed: object, feeds: Sequence[Variable]) -> Mapping[str, Any]:
    """The feed by name, whichever of its forms the caller chose.

    Raises:
        ValueError: it has none of these forms, or a name that the model does not have.
    """
    if feed is None:
        raise ValueError("You should specify feed for prediction")
    if isinstance(feed, list):
        feed = _from_list(feed, feeds)
    if not isinstance(feed, Mapping):
        raise ValueError("Feed only accepts dict and list of dict")
    known = {var.alias for var in feeds}
    for name in feed:
        if name not in known and _LOD_SUFFIX not in name:
            raise ValueError(f"Wrong feed name: {name}.")
    return feed


def wire_tensors(feed: Mapping[str, Any], feeds: Sequence[Variable], batch: bool) -> tuple[WireTensor, ...]:
    """The tensors to send, in the order of the config.

    Args:
        feed: values by alias; `NAME.lod` holds the offsets of a LoD input.
        feeds: the inputs of the model.
        batch: whether arrays have the batch axis already; otherwise it is added. Bytes (uint8, int8, float16) and
            strings never get one.

    Raises:
        ValueError: a value that does not fit its input.
    """
    present = [var for var in feeds if var.alias in feed]
    if batch:
        _refuse_lists([feed[var.alias] for var in present if var.elem_type != dtype.STRING])
    return tuple(_tensor(var, feed[var.alias], offsets(var, feed), batch) for var in present)


def _from_list(feed: list[Any], feeds: Sequence[Variable]) -> object:
    if len(feed) == 1 and isinstance(feed[0], Mapping):
        return feed[0]
    if len(feeds) != 1:
        raise ValueError(
            "input is a list, but we got 0 or 2+ feed_var, don`t know how to divide the feed list"
            + (": a batch is one dict of arrays that have a batch axis" if _has_dicts(feed) else "")
        )
    if _has_dicts(feed):
        raise ValueError("feed is a list of several dicts: a batch is one dict of arrays that have a batch axis")
    return {feeds[0].alias: feed}


def _has_dicts(feed: list[Any]) -> bool:
    return any(isinstance(item, Mapping) for item in feed)


def _refuse_lists(values: list[object]) -> None:
    listed = [isinstance(value, list | tuple) for value in values]
    if all(listed) and listed:
        raise ValueError("Please make sure all of your inputs are numpy array")
    if any(listed):
        raise ValueError("Please make sure the inputs are all in list type or all in numpy.array type")


def offsets(var: Variable, feed: Mapping[str, Any]) -> Lod:
    """The LoD that stands beside a sequence input. Raises BadInput."""
    given = feed.get(var.alias + _LOD_SUFFIX) if var.is_lod else None
    if given is None:
        return ()
    return lod_levels(f"feed {var.alias!r}", np.asarray(given, np.int64).reshape(-1).tolist())


def _tensor(var: Variable, value: object, lod: Lod, batch: bool) -> WireTensor:
    if var.elem_type == dtype.STRING:
        return text_tensor(var, value, lod)
    wanted = dtype.numpy_of(var.elem_type)
    if wanted is None and var.elem_type != dtype.UNKNOWN:
        name = dtype.name_of(var.elem_type)
        raise BadDType(f"feed {var.alias!r}: {name} cannot be sent{dtype.remedy_of(var.elem_type)}")
    if isinstance(value, list | tuple):
        if not var.is_lod and len(value) != math.prod(var.shape):
            raise ValueError(f"The shape of feed tensor {var.alias} not match.")
    elif not isinstance(value, np.ndarray | np.generic):
        raise BadInput(f"feed {var.alias!r} must be a numpy array or a list, got {type(value).__name__}")
    array = converted(var, value, wanted)
    if var.elem_type in dtype.SENT_WITHOUT_BATCH:
        array = _without_batch(var, array, is_list=isinstance(value, list | tuple))
    elif not batch:
        array = array[np.newaxis]
    return WireTensor(name=var.name, alias=var.alias, array=array, lod=lod)


def _without_batch(var: Variable, array: Array, is_list: bool) -> Array:
    """One row in the configured shape, which is what old servers expect of bytes; several rows as they are.

    Raises:
        BadInput: as many values as one row has, in another layout. The old client sent it in the configured shape all
            the same, which is another picture.
    """
    if -1 in var.shape or math.prod(var.shape) != array.size:
        return array
    if not is_list and not is_same_but_for_ones(array.shape, var.shape):
        problem = misfit(var.shape, array.shape)
        raise BadInput(f"feed {var.alias!r} must be {list(var.shape)}, got {describe(array)}: {problem}")
    return array.reshape(var.shape)


def converted(var: Variable, value: object, wanted: "np.dtype[np.generic] | None") -> Array:
    """The value as an array of the input's type; numbers may lose precision, but an integer stays what it was."""
    try:
        array = _of_uint64(value) if wanted == np.uint64 else np.asarray(value)
        if array.dtype.kind not in _NUMERIC_KINDS and array.dtype != dtype.BFLOAT16:
            raise TypeError(f"{array.dtype} is not a number")
        if wanted is None or array.dtype == wanted:
            return array
        with np.errstate(over="ignore", invalid="ignore"):
            converted = array.astype(wanted)
    except (TypeError, ValueError, OverflowError) as exc:
        raise BadInput(f"feed {var.alias!r} cannot be made {wanted}: {exc}") from exc
    if converted.dtype.kind in "iu" and not np.array_equal(converted, array):
        raise BadInput(f"feed {var.alias!r}: {describe(array)} has values that {wanted} cannot hold")
    return converted


def _of_uint64(value: object) -> Array:
    """As `numpy.asarray`, which makes floats of a list with whole numbers below and beyond 63 bits."""
    array = np.asarray(value)
    if array.dtype.kind != "f" or isinstance(value, np.ndarray):
        return array
    whole = np.asarray(value, object)
    return whole.astype(np.uint64) if all(isinstance(item, int) for item in whole.flat) else array


def text_tensor(var: Variable, value: object, lod: Lod) -> WireTensor:
    """The value of a string input: one, a list of them, or an array of any shape. Raises BadInput."""
    array = byte_strings.of(value, f"feed {var.alias!r}")
    return string_tensor(var.name, tuple(array.flat), var.alias, lod, array.shape)
