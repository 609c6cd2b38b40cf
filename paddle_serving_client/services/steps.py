"""What a call asks of whoever has the sockets: the same for blocking callers and for those on an event loop.

A call is a generator that gives one of these after the other, and gets what came of it: see `core`.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

from paddle_serving_client.wire.reply import Reply

Message: TypeAlias = list[bytes | memoryview]
"""The parts of a request, one behind the other."""
_Result = TypeVar("_Result")


class Opened(Protocol):
    """A request that was sent, and whose answer comes; whoever has the sockets knows more of it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Send a request and wait for the whole answer; gives None. Or, to take the answer as it comes, until that begins;
    gives an `Opened`. `attempts.Failed` is thrown where there is no answer.
    """

    message: Message
    reply: Reply
    is_rpc: bool
    deadline: float
    timeout_s: float
    is_open: bool = False
    """Whether the answer is taken as it comes."""


@dataclass(frozen=True, slots=True)
class Advance:
    """Wait for more of an answer that is open. `attempts.Failed` is thrown where it breaks."""

    opened: Opened
    reply: Reply
    deadline: float
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Close:
    """An answer that was open is not wanted any more, or is complete."""

    opened: Opened


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait."""

    seconds: float


Step: TypeAlias = Ask | Advance | Close | Pause
Steps: TypeAlias = Generator[Step, Any, _Result]
