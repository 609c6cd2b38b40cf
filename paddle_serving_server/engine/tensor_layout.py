"""Types, shapes and places of the tensors of a message, as bytes.

These are the same for request after request, so they are read and written once and remembered. Byte strings are one
block, as `byte_strings` packs them, whose length is said beside their shape.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from paddle_serving_client import byte_strings, dtype
from paddle_serving_client.errors import BackendFailed
from paddle_serving_client.message import Array, Lod
from paddle_serving_server.engine import batch

_TENSOR = struct.Struct("<bBBQ")  # elem_type, axes, LoD levels, offset
_BLOCK = struct.Struct("<Q")  # bytes of a block of strings
Strings: TypeAlias = Mapping[int, tuple[int, ...]]
"""The shapes of the tensors, by index, that are blocks of byte strings."""
NO_STRINGS: Strings = {}
_MOST_AXES = 255
_REMEMBERED = 256
"""Layouts that are remembered; then it begins anew."""


class Layout:
    """Types, shapes and places of the tensors of one message, and what batching asks about them."""

    __slots__ = ("blocks", "kind", "lods", "offsets", "rows", "shapes", "types")

    def __init__(
        self,
        types: tuple[np.dtype[np.generic], ...],
        shapes: tuple[tuple[int, ...], ...],
        offsets: tuple[int, ...],
        lods: Mapping[int, Lod],
        blocks: Mapping[int, int],
    ) -> None:
        """`blocks` has the bytes of each tensor of strings, by index."""
        self.types = types
        self.shapes = shapes
        self.offsets = offsets
        self.lods = lods
        self.blocks = blocks
        self.rows = batch.rows_of(shapes)
        self.kind = batch.kind_of(types, shapes, lods)

    def arrays(self, buffer: object) -> list[Array]:
        """The tensors as views of a buffer; strings are copies.

        Raises:
            BadInput: a block of strings that does not hold what its shape says.
        """
        if self.blocks:
            return self._with_strings(memoryview(buffer))  # type: ignore[arg-type]
        return [
            np.ndarray(shape, kind, buffer, offset)  # type: ignore[arg-type]  # any buffer will do
            for kind, shape, offset in zip(self.types, self.shapes, self.offsets, strict=True)
        ]

    def _with_strings(self, buffer: memoryview) -> list[Array]:
        arrays: list[Array] = []
        for k, (kind, shape, offset) in enumerate(zip(self.types, self.shapes, self.offsets, strict=True)):
            if k in self.blocks:
                block = buffer[offset : offset + self.blocks[k]]
                arrays.append(byte_strings.unpack(block, shape, f"tensor {k} of an engine message"))
            else:
                arrays.append(np.ndarray(shape, kind, buffer, offset))
        return arrays


_written: dict[tuple[object, ...], bytes] = {}
_read: dict[bytes, Layout] = {}


def written(arrays: Sequence[Array], offsets: Sequence[int], lods: Mapping[int, Lod], strings: Strings) -> bytes:
    """Those of arrays that lie at these offsets.

    Raises:
        BackendFailed: a tensor is of a type that has no code, or has too many axes.
    """
    if lods or strings:
        return _layout_bytes(arrays, offsets, lods, strings)
    key = tuple([(array.dtype.char, array.shape, offset) for array, offset in zip(arrays, offsets, strict=True)])
    if (raw := _written.get(key)) is None:
        raw = _layout_bytes(arrays, offsets, lods, strings)
        if len(_written) >= _REMEMBERED:
            _written.clear()
        _written[key] = raw
    return raw


def _layout_bytes(arrays: Sequence[Array], offsets: Sequence[int], lods: Mapping[int, Lod], strings: Strings) -> bytes:
    parts = []
    for k, (array, offset) in enumerate(zip(arrays, offsets, strict=True)):
        lod = lods.get(k, ())
        shape = strings.get(k, array.shape)
        code = dtype.STRING if k in strings else dtype.code_of(array.dtype)
        if code == dtype.UNKNOWN or array.dtype.hasobject or len(shape) > _MOST_AXES:
            raise BackendFailed(f"tensor {k} is {array.dtype.name} of {len(shape)} axes, which cannot be handed on")
        parts.append(_TENSOR.pack(code, len(shape), len(lod), offset))
        parts.append(struct.pack(f"<{len(shape)}q", *shape))
        if k in strings:
            parts.append(_BLOCK.pack(array.nbytes))
        parts += (struct.pack(f"<I{len(level)}q", len(level), *level) for level in lod)
    return b"".join(parts)


def read(raw: bytes, count: int) -> Layout:
    """What `written` wrote of so many tensors."""
    if (layout := _read.get(raw)) is None:
        layout = _layout_of(raw, count)
        if not layout.lods and not layout.blocks:
            if len(_read) >= _REMEMBERED:
                _read.clear()
            _read[raw] = layout
    return layout


def _layout_of(raw: bytes, count: int) -> Layout:
    types, shapes, offsets = [], [], []
    lods: dict[int, Lod] = {}
    blocks: dict[int, int] = {}
    at = 0
    for k in range(count):
        code, ndim, levels, offset = _TENSOR.unpack_from(raw, at)
        at += _TENSOR.size
        kind = dtype.numpy_of(code)
        if kind is None:
            raise ValueError(f"tensor {k} of an engine message has {dtype.name_of(code)}")
        types.append(kind)
        offsets.append(offset)
        shapes.append(struct.unpack_from(f"<{ndim}q", raw, at))
        at += 8 * ndim
        if code == dtype.STRING:
            (blocks[k],) = _BLOCK.unpack_from(raw, at)
            at += _BLOCK.size
        lod = []
        for _ in range(levels):
            (length,) = struct.unpack_from("<I", raw, at)
            lod.append(struct.unpack_from(f"<{length}q", raw, at + 4))
            at += 4 + 8 * length
        if lod:
            lods[k] = tuple(lod)
    return Layout(tuple(types), tuple(shapes), tuple(offsets), lods, blocks)


def values(arrays: Sequence[Array], offsets: Sequence[int]) -> bytes:
    """The values, each at its offset."""
    if len(arrays) == 1:
        return arrays[0].tobytes()
    values = bytearray(offsets[-1] + arrays[-1].nbytes if arrays else 0)
    for array, offset in zip(arrays, offsets, strict=True):
        values[offset : offset + array.nbytes] = array.tobytes()
    return bytes(values)
