"""JSON documents with many numbers: arrays of numbers become numpy arrays without a Python object per number.

By simdjson, where it is installed, as on every server; elsewhere, and for what it does not take, documents are read as
ever. A nested array becomes one array only if it is regular: as many items in each of its arrays, numbers all the way.
"""

import functools
import math
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from paddle_serving_client.message import Array
from paddle_serving_client.wire import json_size, json_text
from paddle_serving_client.wire.json_size import Text

simdjson: Any
try:
    import simdjson
except ImportError:
    simdjson = None

MIN_BYTES = 4096
"""Shorter documents are read faster as plain objects."""
_MIN_NUMBERS = 64
"""Shorter arrays stay lists."""
_MAX_INNER_ARRAYS = 1 << 14
"""Looking at more arrays one by one takes longer than reading them as lists: they are looked at all at once."""
_MAX_INDEXED = 2048
"""Each item of an array is looked for from the first on ..."""
_MAX_KEYS = 256
"""... and so is each key of an object."""
_MAX_LOOKED_AT = 1 << 15
"""Items and keys of one document that are looked at one by one, each for a microsecond or two."""
_MAX_LENGTH = 0xFFFFFE
"""Longest array whose length simdjson knows."""
_MAX_RANK = 16
_KEPT_BYTES = 16 << 20
"""A parser that has read a longer document is not kept: it holds some ten times that much memory."""
_BOM = b"\xef"
"""What a byte order mark begins with, and no JSON: simdjson reads over it, others refuse it."""
_FLOAT = (("d", np.float64),)
_WHOLE = (("i", np.int64), ("u", np.uint64), *_FLOAT)
"""What an array of numbers may be, the usual first: simdjson's letters and ours."""
_parsers = threading.local()


def loads(text: Text, max_objects: int = sys.maxsize) -> Any:
    """Read a document; in it, a long array of numbers is an int64, uint64 or float64 array.

    Args:
        text: the document.
        max_objects: how many values and keys may become objects of their own.

    Raises:
        ValueError: it is not JSON. TooLarge: there are more values and keys, and they are no regular arrays of numbers.
    """
    if simdjson is None or len(text) < MIN_BYTES or bytes(text[:1]) == _BOM:
        return _plain(text, max_objects)
    try:
        reader = _Reader(text)
        parser = getattr(_parsers, "parser", None) or simdjson.Parser()
        # Not kept when anything goes wrong: an error on its way may still hold a piece of the document.
        _parsers.parser = None
        whole = reader.plain(parser.parse(text))
        if len(text) <= _KEPT_BYTES:
            _parsers.parser = parser
        # An array with one number in the place of a number would not be noticed otherwise.
        if json_size.count(text, b"[") == reader.arrays:
            return whole
    except (ValueError, RuntimeError, LookupError):
        pass
    return _plain(text, max_objects)


def regular_shape(text: Text) -> tuple[int, ...] | None:
    """The shape of the arrays in a document, by nothing but brackets and commas from the first bracket to the last.

    None where these are not those of one regular array, also because of strings or other values between them. What its
    items are is not looked at: a list of objects, each with an array of one shape, looks like a list of these arrays.
    """
    whole = bytes(text)
    begin, end = whole.find(b"["), whole.rfind(b"]")
    marks = json_size.kept(memoryview(whole)[begin : end + 1], b"[],")
    rank = len(marks) - len(marks.lstrip(b"["))
    if not 0 < rank <= _MAX_RANK or end < begin:
        return None
    shape: list[int] = []
    inner = b""
    for level in range(rank):
        # Up to the first place where so many arrays end at once there is one array of this level, the first.
        length = marks.find(b"]" * (level + 1), rank) + level + 1 - (rank - 1 - level)
        count = (length - 1) // (len(inner) + 1)
        if count < 1:
            return None
        inner = b"[" + ((inner + b",") * count)[:-1] + b"]"
        if len(inner) != length:
            return None
        shape.append(count)
    return tuple(reversed(shape)) if inner == marks else None


def _plain(text: Text, max_objects: int) -> Any:
    json_size.refuse_large(text, max_objects)
    return json_text.loads(text)  # it says what is wrong, and where


class _Reader:
    """Takes values out of one document, without any reference to the parser's memory."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self.arrays = 0
        """How many arrays were seen, those inside of arrays of numbers too."""
        self._looked_at = 0

    def plain(self, value: Any) -> Any:
        """Any value."""
        if isinstance(value, simdjson.Object):
            self._look_at(len(value), _MAX_KEYS)
            keys = list(value.keys())
            # Asked by its name, the first of two equal ones would count, not the last, and a name would end at a NUL.
            if len(set(keys)) < len(keys) or any("\0" in key for key in keys):
                raise ValueError("keys that cannot be asked for by name")
            return {key: self.plain(value[key]) for key in keys}
        if isinstance(value, simdjson.Array):
            numbers = self._numbers(value)
            if numbers is not None:
                return numbers
            self.arrays += 1
            return [self.plain(item) for item in self._items(value)]
        return value

    def _numbers(self, value: Any) -> Array | None:
        """A regular array of numbers; None if it is something else, or short."""
        shape: list[int] = []
        first = value
        while isinstance(first, simdjson.Array):
            length = len(first)
            if not 0 < length <= _MAX_LENGTH or len(shape) == _MAX_RANK:
                return None
            shape.append(length)
            first = first[0]
        size, inner = math.prod(shape), math.prod(shape[:-1])
        if type(first) not in (int, float) or size < _MIN_NUMBERS:
            return None
        if inner > _MAX_INNER_ARRAYS or max(shape[:-1], default=0) > _MAX_INDEXED:
            is_regular = self._shape is not None and self._shape[-len(shape) :] == tuple(shape)
        else:
            is_regular = self._is_regular(value, shape)
        flat = _flat(value, type(first)) if is_regular else None
        if flat is None or flat.size != size:
            return None
        self.arrays += sum(math.prod(shape[:k]) for k in range(len(shape)))
        return flat.reshape(shape)

    @functools.cached_property
    def _shape(self) -> tuple[int, ...] | None:
        """Of all arrays of the document together: one of them that has its last axes is regular, too."""
        return regular_shape(self._text)

    def _items(self, value: Any) -> Iterator[Any]:
        """The items of an array; iterating over it would make lists of arrays."""
        length = len(value)
        self._look_at(length, _MAX_INDEXED)
        return (value[k] for k in range(length))

    def _look_at(self, count: int, most: int) -> None:
        self._looked_at += count
        if count > most or self._looked_at > _MAX_LOOKED_AT:
            raise ValueError("too much to be looked at one by one")

    def _is_regular(self, value: Any, shape: list[int]) -> bool:
        """Whether all arrays of one level are equally long; that there are numbers in the last is for others to see."""
        if len(shape) == 1:
            return True
        for item in self._items(value):
            if not isinstance(item, simdjson.Array) or len(item) != shape[1]:
                return False
            if not self._is_regular(item, shape[1:]):
                return False
        return True


def _flat(value: Any, kind: type) -> Array | None:
    for letter, wanted in _WHOLE if kind is int else _FLOAT:
        try:
            return np.frombuffer(value.as_buffer(of_type=letter), wanted)
        except (ValueError, TypeError):
            continue
    return None
