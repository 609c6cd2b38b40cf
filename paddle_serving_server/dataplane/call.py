"""One call of a service, from the moment it was there to its answer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from paddle_serving_client.message import Response, Stage
from paddle_serving_server.config.listening import Listening

_SOMEWHERE: Final = Listening()


@dataclass(slots=True, eq=False)
class Call:
    """What a protocol says of a call, and what the data plane finds out about it."""

    protocol: str
    """"http", "brpc" or "grpc": calls are counted by it."""
    what: str
    """The call, for the log."""
    arrived: float
    """When the whole of it was there, on the clock of `time.monotonic`, in seconds."""
    deadline: float
    """When it must be answered, on the same clock."""
    bytes_in: int = 0
    """Size of its body as it travelled."""
    timeout_s: float = math.inf
    """The caller's own longest time, where he said one: everything that is done for him ends then."""
    authorization: str = field(default="", repr=False)
    """The header of that name, over gRPC."""
    at: Listening = _SOMEWHERE
    """The address by which it came, where that makes a difference."""
    service: str = ""
    """Whose call it is; empty: nobody's that are counted, such as a page."""
    err_no: int = 0
    """Of an answer that says by itself that it is an error."""
    goes_on: bool = False
    """Whether its answer comes in parts, and is not over with its handler."""
    is_over: bool = False
    """Whether it was refused, and so was counted and is in the log."""
    stages: Sequence[Stage] = ()
    inside: Sequence[Stage] = ()
    """Of models inside those stages."""
    variant: str = ""
    """Which variant has answered."""

    def note(self, response: Response) -> None:
        """Keep what a response says of how it was made."""
        self.stages, self.inside, self.variant = response.stages, response.inside, response.variant
