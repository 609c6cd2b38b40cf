"""What callers of `HttpClient.predict` pass as `feed`, by the rules of Paddle Serving 0.9: values -> wire tensors.

Not those of `Client`: inputs may be given by position, tensors keep the order of the feed, lists may be nested and may
have a batch axis. The caller's dict and arrays are never changed.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from paddle_serving_client import dtype
from paddle_serving_client.errors import BadDType, BadInput
from paddle_serving_client.feed import converted, offsets, text_tensor
from paddle_serving_client.message import Array, is_same_but_for_ones
from paddle_serving_client.model_config import Variable
from paddle_serving_client.wire.tensors import WireTensor


def as_mapping(feed: object, feeds: Sequence[Variable]) -> Mapping[str, Any]:
    """The feed by name, whichever of its forms the caller chose.

    Raises:
        ValueError: it has none of these forms, or a name that the model does not have.
    """
    if feed is None:
        raise ValueError("You should specify feed for prediction")
    if not isinstance(feed, Mapping):
        feed = _by_position(feed, feeds)
    known = {var.alias for var in feeds}
    for name in feed:
        if name not in known and ".lod" not in name:
            raise ValueError(f"Wrong feed name: {name}.")
    return feed


def wire_tensors(feed: Mapping[str, Any], feeds: Sequence[Variable], batch: bool) -> tuple[WireTensor, ...]:
    """The tensors to send, in the order of the feed.

    Args:
        feed: values by alias; `NAME.lod` holds the offsets of a LoD input.
        feeds: the inputs of the model.
        batch: whether values have the batch axis already; otherwise it is added. Strings never get one.

    Raises:
        ValueError: a value that does not fit its input.
    """
    by_alias = {var.alias: var for var in feeds}
    return tuple(_tensor(by_alias[name], feed, batch) for name in feed if name in by_alias)


def _by_position(feed: object, feeds: Sequence[Variable]) -> Mapping[str, Any]:
    if isinstance(feed, list | tuple) and len(feed) == 1 and isinstance(feed[0], Mapping):
        return feed[0]
    if len(feeds) == 1:
        return {feeds[0].alias: feed}
    if isinstance(feed, str | bytes):
        raise ValueError("input is a str, but we got 2+ feed_var, don`t know how to divide the string")
    if not isinstance(feed, list | tuple):
        raise ValueError("Feed only accepts dict/str/list/tuple")
    if len(feed) != len(feeds):
        names = ", ".join(var.alias for var in feeds)
        raise ValueError(f"len(feed) ≠ len(feed_var), error: {len(feed)} values came for the inputs {names}")
    return {var.alias: value for var, value in zip(feeds, feed, strict=True)}


def _tensor(var: Variable, feed: Mapping[str, Any], batch: bool) -> WireTensor:
    value, lod = feed[var.alias], offsets(var, feed)
    if var.elem_type == dtype.STRING:
        if not isinstance(value, str | bytes | list | tuple | np.ndarray):
            raise BadInput(f"feedvar is string-type,feed can`t be a single int or others: {var.alias!r}")
        return text_tensor(var, value, lod)
    if isinstance(value, str | bytes):
        raise BadInput(f"feedvar is not string-type,feed can`t be a single string: {var.alias!r}")
    wanted = dtype.numpy_of(var.elem_type)
    if wanted is None and var.elem_type != dtype.UNKNOWN:
        name = dtype.name_of(var.elem_type)
        raise BadDType(f"feed {var.alias!r}: {name} cannot be sent{dtype.remedy_of(var.elem_type)}")
    array = converted(var, value, wanted)
    if isinstance(value, list | tuple):
        array = _shaped(array, var, batch)
    elif array.ndim == 0:
        array = array.reshape(1)
    return WireTensor(name=var.name, alias=var.alias, array=array if batch else array[np.newaxis], lod=lod)


def _shaped(array: Array, var: Variable, batch: bool) -> Array:
    """The values of a list in the shape of the config, where it differs in axes of length 1 only.

    With a batch axis each row may be a flat list too, as the old client has it. Everything else keeps the shape that
    the list has, and the server says what is wrong with it.
    """
    row, shape = (array.shape[1:], (array.shape[0], *var.shape)) if batch and array.ndim else (array.shape, var.shape)
    is_flat_row = batch and array.ndim == 2 and row == (math.prod(var.shape),)
    return array.reshape(shape) if is_flat_row or is_same_but_for_ones(row, var.shape) else array
