"""Small unary calls that are like an earlier one: answered without a task, where their service has a lane for them."""

import time
from collections.abc import Sequence
from typing import Final, Protocol

from paddle_serving_client.errors import DeadlineExceeded, ServingError
from paddle_serving_client.message import Array
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.dataplane.quick import QuickCall
from paddle_serving_server.engine.interface import Reply
from paddle_serving_server.engine.lane import MAX_BYTES
from paddle_serving_server.protocols.grpc.incoming import Piece
from paddle_serving_server.protocols.grpc.methods import Methods
from paddle_serving_server.protocols.grpc.open_call import OpenCall
from paddle_serving_server.protocols.grpc.services import SmallCall

_ENOUGH_S: Final = 1.0
"""Calls with less time are looked at one by one: those that are run together have one deadline."""
_PLAIN: Final = "identity"


class Answerer(Protocol):
    """Who answers the calls of a connection."""

    @property
    def is_writable(self) -> bool:
        """Whether the peer takes what is written."""

    def answer(self, call: OpenCall, message: bytes) -> None:
        """Answer a call with a message."""

    def refuse(self, call: OpenCall, error: ServingError) -> None:
        """Answer a call with an error."""

    def begin(self, call: OpenCall) -> None:
        """Have a call answered in the ordinary way."""


def take(answerer: Answerer, methods: Methods, call: OpenCall, piece: Piece) -> bool:
    """Have a call answered, if it is of this sort.

    Args:
        answerer: told of the answer, later.
        methods: of the address.
        call: any unary call.
        piece: its message.
    """
    head, message = call.head, piece.message
    if len(message) > MAX_BYTES or piece.is_compressed or head.longest_s < _ENOUGH_S or call.kind is not None:
        return False
    if head.wants_timing or head.encoding != _PLAIN or not answerer.is_writable:
        return False
    view = memoryview(message)
    found = methods.small(head.path, view)
    if found is None:
        return False
    service, known = found
    call.is_in_lane = True
    plane = methods.plane
    small = _Small(plane, service, answerer, call, known, len(message))
    known.submit(view, small, call.began + plane.limits.request_s)
    return True


class _Small(QuickCall):
    """One of them."""

    __slots__ = ("_answerer", "_call", "_known")

    def __init__(
        self, plane: DataPlane, service: str, answerer: Answerer, call: OpenCall, known: SmallCall, size: int
    ) -> None:
        super().__init__(plane, service, "grpc", call.began, size)
        self._answerer = answerer
        self._call = call
        self._known = known

    def answered(self, outputs: Sequence[Array], reply: Reply) -> None:
        call = self._call
        if time.monotonic() - call.began > call.head.longest_s:
            self.failed(DeadlineExceeded(f"no answer within the {call.head.longest_s:g} s that the caller gives"))
            return
        response = self._known.response(outputs, reply)
        call.is_in_lane = False
        self.count(len(response))
        self._answerer.answer(call, response)

    def refuse(self, error: ServingError) -> None:
        self._call.is_in_lane = False
        self._answerer.refuse(self._call, error)

    def again(self) -> None:
        self._call.is_in_lane = False
        if not self._call.is_over:
            self._answerer.begin(self._call)
