"""The messages between a front and an engine, as bytes; one message is one packet of a Unix SEQPACKET socket.

Small tensors travel inside the packet, larger ones lie in a shared segment and the packet says where. No pickle:
a fixed header, then a few numbers per tensor.

    front -> engine   RUN      run the model on these tensors
                      CANCEL   nobody waits for that answer any more
                      ATTACH   a new segment; its file descriptor rides along
    engine -> front   HELLO    loaded: signature, backend and plan, as JSON
                      DONE     outputs; a descriptor rides along when they did not fit the request's segment
                      FAILED   an error: its class and its text
"""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from paddle_serving_app.signature import Input, Output, Signature
from paddle_serving_client import dtype, errors
from paddle_serving_client.errors import ServingError
from paddle_serving_client.message import Array, Lod

RUN, CANCEL, ATTACH, HELLO, DONE, FAILED = range(1, 7)

INLINE_BYTES = 48 << 10
"""Tensors up to this, together, travel inside the packet."""
MAX_PACKET_BYTES = 128 << 10
INLINE = 0xFFFFFFFF
"""In place of a segment's number: the values follow in the packet."""
ENCLOSED = 0xFFFFFFFE
"""In place of a segment's number: a segment of its own, whose descriptor rides along."""

_HEAD = struct.Struct("<BQ")  # kind, id
_RUN = struct.Struct("<BQddIQBB")  # kind, id, sent, deadline, segment, end of inputs, outputs, tensors
_DONE = struct.Struct("<BQIQffIB")  # kind, id, segment, its size, queue ms, run ms, rows, tensors
_ATTACH = struct.Struct("<BQQ")  # kind, segment, size
_FAILED = struct.Struct("<BQB")  # kind, id, class
_TENSOR = struct.Struct("<bBBQ")  # elem_type, axes, LoD levels, offset

_ERRORS: tuple[type[ServingError], ...] = (
    errors.BackendFailed,
    errors.DeadlineExceeded,
    errors.Stopping,
    errors.BadInput,
    errors.Busy,
)


@dataclass(frozen=True, slots=True)
class Run:
    """A request as the engine reads it."""

    id: int
    sent: float
    """When the front sent it, on the clock of `time.monotonic`, which all processes share."""
    deadline: float
    segment: int
    end: int
    """Where the inputs end in the segment: outputs may be written behind."""
    outputs: tuple[int, ...]
    tensors: "Tensors"


@dataclass(frozen=True, slots=True)
class Done:
    """An answer as the front reads it."""

    id: int
    segment: int
    size: int
    queue_ms: float
    run_ms: float
    rows: int
    tensors: "Tensors"


@dataclass(frozen=True, slots=True)
class Tensors:
    """Types, shapes and places of the tensors of one message."""

    types: tuple[np.dtype[np.generic], ...]
    shapes: tuple[tuple[int, ...], ...]
    offsets: tuple[int, ...]
    lods: Mapping[int, Lod]
    inline: bytes

    def arrays(self, memory: object) -> list[Array]:
        """The tensors as views: of `memory`, a segment, or of the packet itself when `memory` is None."""
        buffer = self.inline if memory is None else memory
        return [
            np.ndarray(shape, kind, buffer, offset)  # type: ignore[arg-type]  # any buffer will do
            for kind, shape, offset in zip(self.types, self.shapes, self.offsets, strict=True)
        ]


def kind_and_id(packet: bytes) -> tuple[int, int]:
    """What a packet is, and which request (or segment) it is about."""
    kind, number = _HEAD.unpack_from(packet)
    return kind, number


def run(
    number: int,
    times: tuple[float, float],
    segment: int,
    end: int,
    outputs: Sequence[int],
    arrays: Sequence[Array],
    offsets: Sequence[int],
    lods: Mapping[int, Lod],
) -> bytes:
    """A RUN packet; `times` are now and the deadline; with `segment` = INLINE the values are appended."""
    head = _RUN.pack(RUN, number, *times, segment, end, len(outputs), len(arrays))
    body = bytes(outputs) + _tensors(arrays, offsets, lods)
    return head + body + (_values(arrays, offsets) if segment == INLINE else b"")


def read_run(packet: bytes) -> Run:
    """Read a RUN packet."""
    _, number, sent, deadline, segment, end, n_outputs, n_tensors = _RUN.unpack_from(packet)
    at = _RUN.size + n_outputs
    outputs = tuple(packet[_RUN.size : at])
    return Run(number, sent, deadline, segment, end, outputs, _read_tensors(packet, at, n_tensors))


def done(
    number: int,
    segment: int,
    size: int,
    timing: tuple[float, float, int],
    arrays: Sequence[Array],
    offsets: Sequence[int],
    lods: Mapping[int, Lod],
) -> bytes:
    """A DONE packet; `timing` is milliseconds in the queue, milliseconds of the run, rows of the batch."""
    head = _DONE.pack(DONE, number, segment, size, *timing, len(arrays))
    return head + _tensors(arrays, offsets, lods) + (_values(arrays, offsets) if segment == INLINE else b"")


def read_done(packet: bytes) -> Done:
    """Read a DONE packet."""
    _, number, segment, size, queue_ms, run_ms, rows, n_tensors = _DONE.unpack_from(packet)
    return Done(number, segment, size, queue_ms, run_ms, rows, _read_tensors(packet, _DONE.size, n_tensors))


def attach(segment: int, size: int) -> bytes:
    """An ATTACH packet."""
    return _ATTACH.pack(ATTACH, segment, size)


def read_attach(packet: bytes) -> tuple[int, int]:
    """The number and size of the segment in an ATTACH packet."""
    _, segment, size = _ATTACH.unpack(packet)
    return segment, size


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
    said = {"signature": asdict(signature), "backend": backend_name, "plan": plan}
    return _HEAD.pack(HELLO, 0) + json.dumps(said).encode()


def read_hello(packet: bytes) -> tuple[Signature, str, Mapping[str, object]]:
    """The signature, the backend's name and the plan in a HELLO packet."""
    said = json.loads(packet[_HEAD.size :])
    parts = said["signature"]
    inputs = tuple(Input(**{**i, "shape": tuple(i["shape"])}) for i in parts["inputs"])
    outputs = tuple(Output(**{**o, "shape": tuple(o["shape"])}) for o in parts["outputs"])
    return Signature(inputs, outputs), said["backend"], said["plan"]


def _tensors(arrays: Sequence[Array], offsets: Sequence[int], lods: Mapping[int, Lod]) -> bytes:
    parts = []
    for k, (array, offset) in enumerate(zip(arrays, offsets, strict=True)):
        lod = lods.get(k, ())
        parts.append(_TENSOR.pack(dtype.code_of(array.dtype), array.ndim, len(lod), offset))
        parts.append(struct.pack(f"<{array.ndim}q", *array.shape))
        parts += (struct.pack(f"<I{len(level)}q", len(level), *level) for level in lod)
    return b"".join(parts)


def _read_tensors(packet: bytes, at: int, count: int) -> Tensors:
    types, shapes, offsets = [], [], []
    lods: dict[int, Lod] = {}
    for k in range(count):
        code, ndim, levels, offset = _TENSOR.unpack_from(packet, at)
        at += _TENSOR.size
        kind = dtype.numpy_of(code)
        if kind is None:
            raise ValueError(f"tensor {k} of an engine message has {dtype.name_of(code)}")
        types.append(kind)
        offsets.append(offset)
        shapes.append(struct.unpack_from(f"<{ndim}q", packet, at))
        at += 8 * ndim
        lod = []
        for _ in range(levels):
            (length,) = struct.unpack_from("<I", packet, at)
            lod.append(struct.unpack_from(f"<{length}q", packet, at + 4))
            at += 4 + 8 * length
        if lod:
            lods[k] = tuple(lod)
    return Tensors(tuple(types), tuple(shapes), tuple(offsets), lods, packet[at:])


def _values(arrays: Sequence[Array], offsets: Sequence[int]) -> bytes:
    size = offsets[-1] + arrays[-1].nbytes if arrays else 0
    values = bytearray(size)
    for array, offset in zip(arrays, offsets, strict=True):
        values[offset : offset + array.nbytes] = array.tobytes()
    return bytes(values)
