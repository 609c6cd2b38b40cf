"""The messages between a front and an engine, as bytes.

A packet of their Unix SEQPACKET socket holds one message or several: what is due at one moment travels together.
Small tensors travel inside the message, larger ones lie in a shared segment and the message says where. No pickle: a
fixed header, then a few numbers per tensor. These numbers are the same for request after request, so they are read
and written once and remembered. Byte strings are one block, as `byte_strings` packs them, whose length is said
beside their shape.

    front -> engine   RUN      run the model on these tensors
                      CANCEL   nobody waits for that answer any more
                      ATTACH   a new segment; its file descriptor rides along
                      DETACH   that segment is gone
    engine -> front   HELLO    loaded: signature, backend and plan, as JSON
                      DONE     outputs; a descriptor rides along when they did not fit the request's segment
                      FAILED   an error: its class and its text
"""

import itertools
import json
import struct
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

import numpy as np

from paddle_serving_app.signature import Input, Output, Signature
from paddle_serving_client import byte_strings, dtype, errors
from paddle_serving_client.errors import BackendFailed, ServingError
from paddle_serving_client.message import Array, Lod
from paddle_serving_server.engine import batch

RUN, CANCEL, ATTACH, DETACH, HELLO, DONE, FAILED = range(1, 8)

INLINE_BYTES = 48 << 10
"""Tensors up to this, together, travel inside the message."""
MAX_MESSAGE_BYTES = 128 << 10
MAX_PACKET_BYTES = MAX_MESSAGE_BYTES + 4
INLINE = 0xFFFFFFFF
"""In place of a segment's number: the values follow in the message."""
ENCLOSED = 0xFFFFFFFE
"""In place of a segment's number: a segment of its own, whose descriptor rides along."""

_LENGTH = struct.Struct("<I")  # of a message in a packet
_HEAD = struct.Struct("<BQ")  # kind, id
_RUN = struct.Struct("<BQddIQBBI")  # kind, id, sent, deadline, segment, end of inputs, outputs, tensors, layout bytes
_DONE = struct.Struct("<BQIQfffIBI")  # kind, id, segment, its size, queue, batch, run ms, rows, tensors, layout bytes
_ATTACH = struct.Struct("<BQQ")  # kind, segment, size
_FAILED = struct.Struct("<BQB")  # kind, id, class
_TENSOR = struct.Struct("<bBBQ")  # elem_type, axes, LoD levels, offset
_BLOCK = struct.Struct("<Q")  # bytes of a block of strings
Strings: TypeAlias = Mapping[int, tuple[int, ...]]
"""The shapes of the tensors, by index, that are blocks of byte strings."""
Timing: TypeAlias = tuple[float, float, float, int]
"""Milliseconds in the queue, of joining and splitting, of the whole run; rows of the batch."""
NO_STRINGS: Strings = {}
_MOST_AXES = 255
_REMEMBERED = 256
"""Layouts that are remembered; then it begins anew."""

_ERRORS: tuple[type[ServingError], ...] = (
    errors.BackendFailed,
    errors.DeadlineExceeded,
    errors.Stopping,
    errors.BadInput,
    errors.Busy,
)


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


@dataclass(slots=True)
class Run:
    """A request as the engine reads it."""

    id: int
    sent: float
    """When the front sent it, on the clock of `time.monotonic`, which all processes share."""
    deadline: float
    segment: int
    end: int
    """Where the inputs end in the segment: outputs may be written behind."""
    outputs: bytes
    """Indices of the wanted outputs."""
    layout: Layout
    inline: bytes
    """The values, where they are not in a segment."""


@dataclass(slots=True)
class Done:
    """An answer as the front reads it."""

    id: int
    segment: int
    size: int
    queue_ms: float
    batch_ms: float
    run_ms: float
    rows: int
    layout: Layout
    inline: bytes


def bundle(messages: Sequence[bytes]) -> bytes:
    """Several messages as one packet."""
    return b"".join([part for message in messages for part in (_LENGTH.pack(len(message)), message)])


def next_packet(outbox: deque[tuple[bytes, int | None]]) -> tuple[bytes, int | None, int]:
    """As many messages from the head of a queue as one packet takes; one with a descriptor travels alone.

    Returns:
        The packet, its descriptor, and how many messages are in it.
    """
    first, fd = outbox[0]
    chosen, size = [first], len(first) + _LENGTH.size
    if fd is None:
        for message, its_fd in itertools.islice(outbox, 1, None):
            size += len(message) + _LENGTH.size
            if its_fd is not None or size > MAX_PACKET_BYTES:
                break
            chosen.append(message)
    return bundle(chosen), fd, len(chosen)


def unbundle(packet: bytes) -> Iterator[bytes]:
    """The messages of a packet."""
    at = 0
    while at < len(packet):
        (length,) = _LENGTH.unpack_from(packet, at)
        at += _LENGTH.size + length
        yield packet[at - length : at]


def kind_and_id(packet: bytes) -> tuple[int, int]:
    """What a packet is, and which request (or segment) it is about."""
    kind, number = _HEAD.unpack_from(packet)
    return kind, number


def packed(arrays: Sequence[Array]) -> tuple[Sequence[Array], Strings]:
    """Arrays with blocks in the place of those of byte strings, and the shapes of these.

    Raises:
        BadInput: an element is no byte string.
    """
    strings = {k: array.shape for k, array in enumerate(arrays) if array.dtype.hasobject}
    return [byte_strings.pack(array) if k in strings else array for k, array in enumerate(arrays)], strings


def run(
    number: int,
    times: tuple[float, float],
    segment: int,
    end: int,
    outputs: Sequence[int],
    arrays: Sequence[Array],
    offsets: Sequence[int],
    lods: Mapping[int, Lod],
    strings: Strings = NO_STRINGS,
) -> bytes:
    """A RUN packet; `times` are now and the deadline; with `segment` = INLINE the values are appended.

    Blocks of strings are among `arrays`, and their shapes in `strings`: see `packed`.
    """
    layout = _written_layout(arrays, offsets, lods, strings)
    head = _RUN.pack(RUN, number, *times, segment, end, len(outputs), len(arrays), len(layout))
    return b"".join((head, bytes(outputs), layout, _values(arrays, offsets) if segment == INLINE else b""))


def read_run(packet: bytes) -> Run:
    """Read a RUN packet."""
    _, number, sent, deadline, segment, end, n_outputs, n_tensors, n_layout = _RUN.unpack_from(packet)
    at = _RUN.size + n_outputs
    layout = _read_layout(packet[at : at + n_layout], n_tensors)
    return Run(number, sent, deadline, segment, end, packet[_RUN.size : at], layout, packet[at + n_layout :])


def done(
    number: int,
    segment: int,
    size: int,
    timing: Timing,
    arrays: Sequence[Array],
    offsets: Sequence[int],
    lods: Mapping[int, Lod],
    strings: Strings = NO_STRINGS,
) -> bytes:
    """A DONE packet; with `segment` = INLINE the values are appended. Strings: see `run`.

    Raises:
        BackendFailed: an output is of a type that has no code, or has more axes than the packet can say.
    """
    layout = _written_layout(arrays, offsets, lods, strings)
    head = _DONE.pack(DONE, number, segment, size, *timing, len(arrays), len(layout))
    return b"".join((head, layout, _values(arrays, offsets) if segment == INLINE else b""))


def read_done(packet: bytes) -> Done:
    """Read a DONE packet."""
    _, number, segment, size, queue_ms, batch_ms, run_ms, rows, n_tensors, n_layout = _DONE.unpack_from(packet)
    end = _DONE.size + n_layout
    layout = _read_layout(packet[_DONE.size : end], n_tensors)
    return Done(number, segment, size, queue_ms, batch_ms, run_ms, rows, layout, packet[end:])


def attach(segment: int, size: int) -> bytes:
    """An ATTACH packet."""
    return _ATTACH.pack(ATTACH, segment, size)


def read_attach(packet: bytes) -> tuple[int, int]:
    """The number and size of the segment in an ATTACH packet."""
    _, segment, size = _ATTACH.unpack(packet)
    return segment, size


def detach(segment: int) -> bytes:
    """A DETACH packet."""
    return _HEAD.pack(DETACH, segment)


def cancel(number: int) -> bytes:
    """A CANCEL packet."""
    return _HEAD.pack(CANCEL, number)


def failed(number: int, error: ServingError) -> bytes:
    """A FAILED packet; an error of another class than those known here travels as BackendFailed."""
    index = next((k for k, cls in enumerate(_ERRORS) if type(error) is cls), 0)
    return _FAILED.pack(FAILED, number, index) + str(error).encode()[:4096]


def read_failed(packet: bytes) -> ServingError:
    """The error in a FAILED packet."""
    _, _, index = _FAILED.unpack_from(packet)
    cls: type[ServingError] = _ERRORS[index]
    return cls(packet[_FAILED.size :].decode(errors="replace"))


def hello(signature: Signature, backend_name: str, plan: Mapping[str, object]) -> bytes:
    """A HELLO packet."""
    sides = {"inputs": [asdict(i) for i in signature.inputs], "outputs": [asdict(o) for o in signature.outputs]}
    said = {"signature": {**sides, "fields": signature.fields}, "backend": backend_name, "plan": plan}
    return _HEAD.pack(HELLO, 0) + json.dumps(said).encode()


def read_hello(packet: bytes) -> tuple[Signature, str, Mapping[str, object]]:
    """The signature, the backend's name and the plan in a HELLO packet."""
    said = json.loads(packet[_HEAD.size :])
    parts = said["signature"]
    inputs = tuple(Input(**{**i, "shape": tuple(i["shape"])}) for i in parts["inputs"])
    outputs = tuple(Output(**{**o, "shape": tuple(o["shape"])}) for o in parts["outputs"])
    return Signature(inputs, outputs, parts["fields"]), said["backend"], said["plan"]


_written: dict[tuple[object, ...], bytes] = {}
_read: dict[bytes, Layout] = {}


def _written_layout(
    arrays: Sequence[Array], offsets: Sequence[int], lods: Mapping[int, Lod], strings: Strings
) -> bytes:
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


def _read_layout(raw: bytes, count: int) -> Layout:
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


def _values(arrays: Sequence[Array], offsets: Sequence[int]) -> bytes:
    if len(arrays) == 1:
        return arrays[0].tobytes()
    values = bytearray(offsets[-1] + arrays[-1].nbytes if arrays else 0)
    for array, offset in zip(arrays, offsets, strict=True):
        values[offset : offset + array.nbytes] = array.tobytes()
    return bytes(values)
