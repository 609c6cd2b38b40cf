"""Small calls that are answered without a task of their own: what is counted and logged for them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from paddle_serving_client.errors import ServingError
from paddle_serving_client.message import Array
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.engine.interface import Reply


class QuickCall(ABC):
    """A call in a lane: see `lane.Caller`. A protocol says how its answer is written."""

    __slots__ = ("arrived", "bytes_in", "plane", "protocol", "service")

    def __init__(self, plane: DataPlane, service: str, protocol: str, arrived: float, bytes_in: int) -> None:
        """A call for `service` that was there at `arrived`, on the clock of `time.monotonic`."""
        self.plane = plane
        self.service = service
        self.protocol = protocol
        self.arrived = arrived
        self.bytes_in = bytes_in

    @abstractmethod
    def answered(self, outputs: Sequence[Array], reply: Reply) -> None:
        """Write the answer, and count it by `count`."""

    @abstractmethod
    def again(self) -> None:
        """Answer in the ordinary way."""

    @abstractmethod
    def refuse(self, error: ServingError) -> None:
        """Write that there is no answer."""

    def count(self, bytes_out: int) -> None:
        """The answer is written."""
        self.plane.catalogue.meter.answered(self.service, self.protocol, self.arrived, self.bytes_in, bytes_out)

    def failed(self, error: ServingError) -> None:
        """See `lane.Caller.failed`."""
        call = Call(self.protocol, f"a small call of {self.service!r}", self.arrived, 0.0, self.bytes_in)
        call.service = self.service
        self.refuse(self.plane.refused(call, error))
