"""Calls of KServe v2 over gRPC that are like an earlier one: from the message to the lane, from rows to the message.

Two messages of one length that differ in nothing but the bytes of their tensors, and in their id, say the same in
everything else: that is read, checked and written once. For everything else there is `kserve_calls.infer`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from paddle_serving_client.errors import ServingError
from paddle_serving_client.message import Array, address_of
from paddle_serving_client.wire import kserve_protobuf
from paddle_serving_client.wire.kserve import InferOutput, InferResponse
from paddle_serving_client.wire.protobuf import bytes_field
from paddle_serving_server.dataplane import kserve_calls, kserve_models
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.engine.interface import Reply
from paddle_serving_server.engine.lane import MAX_BYTES, Caller, Kind, Lane

_MAX_LENGTHS: Final = 64
_MAX_PER_LENGTH: Final = 4
_MAX_TRIES: Final = 8
"""How often a message of some length is looked at in full, in the hope that others like it will come."""
_Place = tuple[int, int]
_ID: Final = 3


@dataclass(slots=True, eq=False)
class _Layout:
    """What messages of one kind have in common."""

    model: str
    kind: Kind
    fixed: tuple[tuple[int, int, bytes], ...]
    """Bytes that are the same in all of them, from where and until where."""
    values: tuple[_Place, ...]
    """Where the values of each input are, in the order of the model."""
    id: _Place
    names: tuple[str, ...]
    """Of the outputs, as this kind of caller has them."""
    version: str
    around: tuple[bytes, bytes] = (b"", b"")
    """The response before its id, and between that and the values."""
    shapes: tuple[tuple[int, ...], ...] | None = None
    """Of the outputs in such a response."""

    def fits(self, message: memoryview) -> bool:
        """Whether a message of the same length is of this kind."""
        return all(message[begin:end] == said for begin, end, said in self.fixed)


class RecalledInfer:
    """One call."""

    __slots__ = ("_id", "_layout")

    def __init__(self, layout: _Layout, message: memoryview) -> None:
        self._layout = layout
        begin, end = layout.id
        self._id = bytes(message[begin:end])

    def submit(self, message: memoryview, caller: Caller, deadline: float) -> None:
        """Have it answered; see `Kind.submit`."""
        values = [message[begin:end] for begin, end in self._layout.values]
        self._layout.kind.submit(caller, values, deadline)

    def response(self, outputs: Sequence[Array], reply: Reply) -> bytes:
        """The answer as a message."""
        layout = self._layout
        if layout.shapes != tuple(array.shape for array in outputs):
            self._remember(outputs)
        before, between = layout.around
        parts = [before, *(bytes_field(_ID, self._id) if self._id else ()), between]
        for array in outputs:
            parts += bytes_field(6, np.ascontiguousarray(array).tobytes())
        return b"".join(parts)

    def _remember(self, outputs: Sequence[Array]) -> None:
        """What responses with outputs of these shapes have in common."""
        layout = self._layout
        empty = [InferOutput(name, array) for name, array in zip(layout.names, outputs, strict=True)]
        before = kserve_protobuf.encode_response(InferResponse(model=layout.model, version=layout.version))
        whole = kserve_protobuf.encode_response(
            InferResponse(model=layout.model, version=layout.version, outputs=tuple(empty))
        )
        values = b"".join(part for array in outputs for part in bytes_field(6, np.ascontiguousarray(array).tobytes()))
        layout.around = before, whole[len(before) : len(whole) - len(values)]
        layout.shapes = tuple(array.shape for array in outputs)


class RecalledInfers:
    """Those of one server."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane
        self._known: dict[int, list[_Layout]] = {}
        """By the length of the message."""
        self._tries: dict[int, int] = {}
        self._versions: dict[str, object] = {}
        """Of each model, the version that the layouts are of."""

    def find(self, message: memoryview) -> tuple[str, RecalledInfer] | None:
        """What a message is, if it is like an earlier one whose service takes small calls now; and that service."""
        size = len(message)
        layout = next((known for known in self._known.get(size, ()) if known.fits(message)), None)
        if layout is None:
            if size <= MAX_BYTES and self._tries.get(size, 0) < _MAX_TRIES:
                self._learn(message)
            return None
        way = self._plane.try_now(layout.model)
        if way is None:
            return None
        if way.version is not self._versions[layout.model]:
            self._forget()
            return None
        return layout.model, RecalledInfer(layout, message)

    def _forget(self) -> None:
        self._known.clear()
        self._tries.clear()
        self._versions.clear()

    def _learn(self, message: memoryview) -> None:
        """Keep the layout of a message, where it is of the kind that can be recalled."""
        size = len(message)
        if len(self._tries) >= _MAX_LENGTHS and size not in self._tries:
            self._forget()
        self._tries[size] = self._tries.get(size, 0) + 1
        try:
            layout = self._read(message)
        except ServingError:  # the ordinary way says what is wrong
            return
        if layout is not None:
            known = self._known.setdefault(size, [])
            known.append(layout)
            del known[:-_MAX_PER_LENGTH]

    def _read(self, message: memoryview) -> _Layout | None:
        named = kserve_protobuf.decode_name(message)
        way = self._plane.try_now(named.model)
        if way is None:
            return None
        service = kserve_models.find(self._plane.catalogue, named.model, named.version)
        if service.lane is not way:
            return None  # another version than the one that answers by default
        request = kserve_protobuf.decode_request(named)
        if request.parameters or any(output.classes for output in request.outputs):
            return None
        tensors = kserve_calls.checked(service, request)
        wanted = kserve_calls.wanted(service, request)
        arranged = way.signature.arrange(tensors)
        places = [_place(array, message) for array in arranged.arrays]
        outputs = way.signature.select(tuple(wanted))
        kind = way.kind(arranged, outputs)
        if kind is None or None in places or not _is_whole(way, outputs):
            return None
        self._versions.setdefault(named.model, way.version)
        if way.version is not self._versions[named.model]:
            self._forget()
            self._versions[named.model] = way.version
        aliases = [way.signature.outputs[k].alias for k in kind.outputs]
        values = tuple(place for place in places if place is not None)
        id_place = _place_of(named.fields["id"][-1], message) if "id" in named.fields else (0, 0)
        return _Layout(
            model=service.name,
            kind=kind,
            fixed=_between(message, sorted((*values, id_place))),
            values=values,
            id=id_place,
            names=tuple(wanted[alias].name if alias in wanted else alias for alias in aliases),
            version=service.version,
        )


def _is_whole(way: Lane, outputs: Sequence[int]) -> bool:
    """Whether outputs are answered as they lie in memory, in the order of the model."""
    return list(outputs) == sorted(outputs)


def _place(array: Array, message: memoryview) -> _Place | None:
    """Where in a message the values of an array are; None where they were put together elsewhere."""
    begin = address_of(array) - address_of(np.frombuffer(message, np.uint8))
    end = begin + array.nbytes
    return (begin, end) if array.nbytes and 0 <= begin < end <= len(message) and array.dtype.isnative else None


def _place_of(part: memoryview, message: memoryview) -> _Place:
    """Where in a message a field of it is; an empty one is nowhere."""
    if not len(part):
        return 0, 0
    begin = address_of(np.frombuffer(part, np.uint8)) - address_of(np.frombuffer(message, np.uint8))
    return begin, begin + len(part)


def _between(message: memoryview, places: Sequence[_Place]) -> tuple[tuple[int, int, bytes], ...]:
    """What is between the places of a message."""
    found, at = [], 0
    for begin, end in (*places, (len(message), len(message))):
        if begin > at:
            found.append((at, begin, bytes(message[at:begin])))
        at = max(at, end)
    return tuple(found)
