"""Calls of GeneralModelService that are like an earlier one: from the message to the lane, from rows to the message.

What they have in common is read, checked and written once. For everything else there is `general_model.answer`.
"""

import time
from collections.abc import Sequence
from typing import Final

import numpy as np

from paddle_serving_app.signature import Signature
from paddle_serving_client.errors import ServingError
from paddle_serving_client.message import Array
from paddle_serving_client.wire import general_model, recall
from paddle_serving_client.wire.general_model import ModelOutput, WireTensor
from paddle_serving_client.wire.recall import Known
from paddle_serving_server.engine.interface import Reply
from paddle_serving_server.engine.lane import Caller, Kind, Lane
from paddle_serving_server.services.model_service import ENGINE_NAME

_MAX_CALLS: Final = 256


class RecalledCall:
    """All calls that differ in the values of their tensor only."""

    __slots__ = ("_around", "_known", "_log_id", "_names", "_reply", "_shape", "_times", "kind")

    def __init__(self, known: Known, kind: Kind, signature: Signature) -> None:
        self.kind = kind
        self._known = known
        self._names = [(signature.outputs[k].name, signature.outputs[k].alias) for k in kind.outputs]
        self._log_id = general_model.log_id_field(known.request.log_id)
        self._shape: tuple[int, ...] | None = None
        self._around: tuple[bytes, bytes] = (b"", b"")
        self._reply: Reply | None = None
        self._times = b""

    def submit(self, message: memoryview, caller: Caller, deadline: float) -> None:
        """Have it answered; see `Kind.submit`."""
        self.kind.submit(caller, (self._known.values(message),), deadline)

    def response(self, outputs: Sequence[Array], reply: Reply) -> bytes:
        """The answer as a message; its times are those of the run that it shared with others."""
        if reply is not self._reply:  # else it is one more of those that came back together
            now = time.time_ns() // 1000
            took_us = int((time.monotonic() - reply.sent) * 1e6)
            self._reply, self._times = reply, general_model.profile_times(now - took_us, now)
        if len(outputs) == 1 and outputs[0].shape == self._shape:
            before, after = self._around
            return b"".join((before, outputs[0].tobytes(), after, self._times, self._log_id))
        return self._written(outputs)

    def _written(self, outputs: Sequence[Array]) -> bytes:
        tensors = [
            WireTensor(name=name, alias=alias, array=np.ascontiguousarray(array))
            for (name, alias), array in zip(self._names, outputs, strict=True)
        ]
        output = ModelOutput(tensors=tuple(tensors), engine_name=ENGINE_NAME)
        if (around := general_model.around_values(output)) is not None:
            self._shape, self._around = outputs[0].shape, around
        whole = general_model.encode_response(general_model.WireResponse(outputs=(output,)))
        return b"".join((whole, self._times, self._log_id))


class RecalledCalls:
    """Those of one service."""

    def __init__(self) -> None:
        self._version: object = None
        self._calls: dict[Known, RecalledCall | None] = {}

    def find(self, message: memoryview, lane: Lane) -> RecalledCall | None:
        """What a message is, if it is like an earlier one that may take the service's lane, which is open."""
        if len(message) > recall.MAX_BYTES:
            return None
        if lane.version is not self._version or len(self._calls) > _MAX_CALLS:
            self._calls.clear()
            self._version = lane.version
        if (known := recall.match(message)) is None:
            return None
        if known not in self._calls:
            self._calls[known] = self._make(known, lane)
        return self._calls[known]

    def _make(self, known: Known, lane: Lane) -> RecalledCall | None:
        request = known.request
        (tensor,) = request.tensors
        if request.profile_server or tensor.lod:
            return None
        signature = lane.signature
        empty = np.zeros(known.shape, known.type)
        try:
            arranged = signature.arrange({tensor.name or tensor.alias: empty})
        except ServingError:
            return None
        if arranged.arrays[0].dtype != known.type or not known.type.isnative:
            return None
        kind = lane.kind(arranged, signature.select(request.fetch))
        return None if kind is None else RecalledCall(known, kind, signature)
