"""Small calls that are like earlier ones: they are answered without a task of their own."""

from collections.abc import Sequence
from typing import Protocol

from paddle_serving_client.errors import ServingError
from paddle_serving_client.message import Array
from paddle_serving_client.wire.brpc import Frame
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.dataplane.quick import QuickCall
from paddle_serving_server.dataplane.recalled_calls import RecalledCall
from paddle_serving_server.engine.interface import Reply


class Stream(Protocol):
    """The connection that a call came on."""

    @property
    def plane(self) -> DataPlane:
        """Who answers."""

    def leave_lane(self) -> None:
        """The call is not in its lane any more."""

    def start(self, frame: Frame) -> None:
        """Have it answered by a task of its own."""

    def write(self, frame: Frame, answer: bytes) -> None:
        """Answer it."""

    def refuse(self, frame: Frame, error: ServingError) -> None:
        """Answer it with an error."""

    def move_on(self) -> None:
        """It is out of work: begin the next, or end."""


class SmallCall(QuickCall):
    """One of them."""

    __slots__ = ("_call", "_frame", "_stream")

    def __init__(self, stream: Stream, frame: Frame, call: RecalledCall, service: str, arrived: float) -> None:
        super().__init__(stream.plane, service, "brpc", arrived, len(frame.payload))
        self._stream = stream
        self._frame = frame
        self._call = call

    def answered(self, outputs: Sequence[Array], reply: Reply) -> None:
        response = self._call.response(outputs, reply)
        self._stream.leave_lane()
        self.count(len(response))
        self._stream.write(self._frame, response)
        self._stream.move_on()

    def refuse(self, error: ServingError) -> None:
        self._stream.leave_lane()
        self._stream.refuse(self._frame, error)
        self._stream.move_on()

    def again(self) -> None:
        self._stream.leave_lane()
        self._stream.start(self._frame)
