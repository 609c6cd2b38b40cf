"""The messages between a front and an engine, as bytes.

A packet of their Unix SEQPACKET socket holds one message or several: what is due at one moment travels together.
Small tensors travel inside the message, larger ones lie in a shared segment and the message says where. No pickle: a
fixed header, then a few numbers per tensor (`tensor_layout.py`).

    front -> engine   RUN      run the model on these tensors
                      CANCEL   nobody waits for that answer any more
                      ATTACH   a new segment; its file descriptor rides along
                      DETACH   that segment is gone
                      TOLD     the answer to an ASK; a descriptor rides along when it is large
    engine -> front   HELLO    loaded: signature, backend and plan, as JSON
                      DONE     outputs; a descriptor rides along when they did not fit the request's segment
                      FAILED   an error: its class and its text
                      BEGUN    user code has begun with a request: it is not tried again
                      ASK      user code asks another service; a descriptor rides along when it is large
"""

import itertools
import json
import struct
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from paddle_serving_app.signature import Input, Output, Sample, Signature
from paddle_serving_client import byte_strings, errors
from paddle_serving_client.errors import ServingError
from paddle_serving_client.message import Array, Lod
from paddle_serving_server.engine import tensor_layout
from paddle_serving_server.engine.tensor_layout import NO_STRINGS, Layout, Strings

RUN, CANCEL, ATTACH, DETACH, HELLO, DONE, FAILED, BEGUN, ASK, TOLD = range(1, 11)

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
# kind, id, segment, its size, milliseconds of queue, input, output and run, rows, tensors, layout bytes
_DONE = struct.Struct("<BQIQffffIBI")
_ATTACH = struct.Struct("<BQQ")  # kind, segment, size
_CARRIED = struct.Struct("<BQIQBI")  # kind, id, segment, its size, tensors, layout bytes
_FAILED = struct.Struct("<BQB")  # kind, id, class
Timing: TypeAlias = tuple[float, float, float, float, int]
"""Milliseconds in the queue, of joining, of splitting, of the whole run; rows of the batch."""

_ERRORS: tuple[type[ServingError], ...] = (
    errors.BackendFailed,
    errors.DeadlineExceeded,
    errors.Stopping,
    errors.BadInput,
    errors.Busy,
)


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
    input_ms: float
    output_ms: float
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
    layout = tensor_layout.written(arrays, offsets, lods, strings)
    head = _RUN.pack(RUN, number, *times, segment, end, len(outputs), len(arrays), len(layout))
    return b"".join((head, bytes(outputs), layout, tensor_layout.values(arrays, offsets) if segment == INLINE else b""))


def read_run(packet: bytes) -> Run:
    """Read a RUN packet."""
    _, number, sent, deadline, segment, end, n_outputs, n_tensors, n_layout = _RUN.unpack_from(packet)
    at = _RUN.size + n_outputs
    layout = tensor_layout.read(packet[at : at + n_layout], n_tensors)
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
    layout = tensor_layout.written(arrays, offsets, lods, strings)
    head = _DONE.pack(DONE, number, segment, size, *timing, len(arrays), len(layout))
    return b"".join((head, layout, tensor_layout.values(arrays, offsets) if segment == INLINE else b""))


def read_done(packet: bytes) -> Done:
    """Read a DONE packet."""
    _, number, segment, size, queue, joining, splitting, run, rows, n_tensors, n_layout = _DONE.unpack_from(packet)
    end = _DONE.size + n_layout
    layout = tensor_layout.read(packet[_DONE.size : end], n_tensors)
    return Done(number, segment, size, queue, joining, splitting, run, rows, layout, packet[end:])


def begun(number: int) -> bytes:
    """A BEGUN packet."""
    return _HEAD.pack(BEGUN, number)


def carried(kind: int, number: int, segment: int, size: int, arrays: Sequence[Array], offsets: Sequence[int]) -> bytes:
    """An ASK or TOLD packet; with `segment` = INLINE the values are appended."""
    layout = tensor_layout.written(arrays, offsets, {}, NO_STRINGS)
    head = _CARRIED.pack(kind, number, segment, size, len(arrays), len(layout))
    return b"".join((head, layout, tensor_layout.values(arrays, offsets) if segment == INLINE else b""))


def read_carried(packet: bytes) -> tuple[int, int, Layout, bytes]:
    """The segment of an ASK or TOLD packet, its size, the layout, and the values where they are inline."""
    _, _, segment, size, n_tensors, n_layout = _CARRIED.unpack_from(packet)
    end = _CARRIED.size + n_layout
    return segment, size, tensor_layout.read(packet[_CARRIED.size : end], n_tensors), packet[end:]


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
    inputs = tuple(_input(i) for i in parts["inputs"])
    outputs = tuple(Output(**{**o, "shape": tuple(o["shape"])}) for o in parts["outputs"])
    return Signature(inputs, outputs, parts["fields"]), said["backend"], said["plan"]


def _input(said: Mapping[str, Any]) -> Input:
    sample = said["sample"]
    made = None if sample is None else Sample(tuple(sample["shape"]), sample["value"])
    return Input(**{**said, "shape": tuple(said["shape"]), "sample": made})
