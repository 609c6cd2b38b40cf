"""Small requests that differ from an earlier one only in the values of their one tensor.

A client that calls again and again sends the same message with other numbers. Every other byte of it is compared with
what was read before; where all are equal, so is all that was read from them, and only the values are taken anew. Values
of fixed width may be any bytes at all, so nothing is trusted that was not checked.
"""

from dataclasses import dataclass, replace

import numpy as np

from paddle_serving_client import dtype
from paddle_serving_client.message import Array, address_of
from paddle_serving_client.wire.tensors import LITTLE, VARINT_CARRIERS, WireRequest, WireTensor

MAX_BYTES = 4096
"""Larger messages are read in full: reading is then little beside the values."""
_MAX_PER_LENGTH = 4
_MAX_LENGTHS = 64


@dataclass(slots=True, eq=False)
class Known:
    """One message without its values."""

    before: bytes
    after: bytes
    start: int
    count: int
    shape: tuple[int, ...]
    type: "np.dtype[np.generic]"
    request: WireRequest
    """With no values in its tensor: they would keep the memory they came in."""

    def values(self, message: memoryview) -> memoryview:
        """The bytes of the values in a message of this kind."""
        return message[self.start : len(message) - len(self.after)]


_known: dict[int, list[Known]] = {}
"""By the length of the message."""


def match(message: memoryview) -> Known | None:
    """The earlier message that differs from this one in nothing but the values."""
    for known in _known.get(len(message), ()):
        if message[: known.start] == known.before and message[len(message) - len(known.after) :] == known.after:
            return known
    return None


def recalled(message: memoryview) -> WireRequest | None:
    """The request in a message, if only the values of its tensor are new."""
    if (known := match(message)) is None:
        return None
    array: Array = np.frombuffer(message, known.type, known.count, known.start).reshape(known.shape)
    request, (tensor,) = known.request, known.request.tensors
    return WireRequest(
        tensors=(WireTensor(name=tensor.name, alias=tensor.alias, array=array, lod=tensor.lod),),
        fetch=request.fetch,
        profile_server=request.profile_server,
        log_id=request.log_id,
    )


def remember(message: memoryview, request: WireRequest) -> None:
    """Keep the layout of a message, where it is of the kind that can be recalled."""
    if len(request.tensors) != 1 or not (tensor := request.tensors[0]).array.size:
        return
    row = dtype.ELEM_TYPES[dtype.code_of(tensor.array.dtype)]
    if row.code not in LITTLE:
        return
    start = address_of(tensor.array) - address_of(np.frombuffer(message, np.uint8))
    end = start + tensor.array.nbytes
    if row.carrier in VARINT_CARRIERS or not 0 <= start < end <= len(message):  # the values were put together elsewhere
        return
    if len(_known) >= _MAX_LENGTHS:
        _known.clear()
    layout = Known(
        bytes(message[:start]),
        bytes(message[end:]),
        start,
        tensor.array.size,
        tensor.array.shape,
        LITTLE[row.code],
        replace(request, tensors=(replace(tensor, array=np.empty(0, tensor.array.dtype)),)),
    )
    candidates = _known.setdefault(len(message), [])
    candidates.append(layout)
    del candidates[:-_MAX_PER_LENGTH]
