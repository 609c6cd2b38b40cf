"""What the supervisor, the fronts and the engines tell each other: one class for each kind of message.

    engine ──> supervisor   Taking, Unchanged, Loading, Loaded, Failed
    front ──> supervisor    Serving, Failed, Needed, Unneeded, Switched, Released, Hung, Weights, Record
    supervisor ──> front    Live, Loading, Reloaded, Weights, Record, Drain

Those that are about the registry are in `registry_messages.py`. They go over sockets that were made in pairs, one
message a packet, as JSON.
"""

import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from paddle_serving_client.errors import BadPacket
from paddle_serving_server.process import registry_messages
from paddle_serving_server.process.message import Message

MAX_BYTES: Final = 160 << 10
"""Of one message."""
_LONGEST_REASON: Final = 8 << 10
"""Letters, which JSON may make six times as long."""


# -- of engines


@dataclass(frozen=True, slots=True)
class Taking(Message):
    """Where an engine takes its model from."""

    source: str
    number: int | None
    """Of the numbered folder; None: it is none."""


@dataclass(frozen=True, slots=True)
class Unchanged(Message):
    """There is nothing that is not served already."""


@dataclass(frozen=True, slots=True)
class Loading(Message):
    """What is being done to load a model; empty: it is loaded. On its way to fronts it names the model."""

    doing: str
    model: str = ""


@dataclass(frozen=True, slots=True)
class Loaded(Message):
    """An engine answers from now on."""

    backend: str
    seconds: float
    instances: int
    """How many there should be of it."""
    inputs: Sequence[Mapping[str, Any]]
    outputs: Sequence[Mapping[str, Any]]
    """`signature.Input` and `signature.Output` as JSON."""
    plan: Mapping[str, Any]
    """`choosing.plan.Plan` as JSON."""


@dataclass(frozen=True, slots=True)
class Failed(Message):
    """A process cannot go on; the reason is its last word."""

    reason: str

    @classmethod
    def because(cls, reason: str) -> "Failed":
        """With a reason that fits, here and where it is handed on."""
        return cls(reason if len(reason) <= _LONGEST_REASON else f"{reason[:_LONGEST_REASON]} ...")


# -- of fronts


@dataclass(frozen=True, slots=True)
class Serving(Message):
    """A front answers from now on."""


@dataclass(frozen=True, slots=True)
class Needed(Message):
    """A front needs the engines of a deployment."""

    deployment: str
    """Its identity."""
    spec: str
    """`DeploymentSpec` as JSON."""
    service: str
    """Whose model it is."""
    part: int
    """Of the registry, which it belongs to; 0: to a service from a file."""


@dataclass(frozen=True, slots=True)
class Unneeded(Message):
    """A front has let go of the engines of a deployment."""

    deployment: str


@dataclass(frozen=True, slots=True)
class Switched(Message):
    """New requests of a front go to this version."""

    deployment: str
    number: int


@dataclass(frozen=True, slots=True)
class Released(Message):
    """A front has all answers of this version."""

    deployment: str
    number: int


@dataclass(frozen=True, slots=True)
class Hung(Message):
    """The engine at this socket does not answer."""

    path: str


@dataclass(frozen=True, slots=True)
class CodeRead(Message):
    """Which files the services of a front came from."""

    files: Sequence[str]


# -- to fronts


@dataclass(frozen=True, slots=True)
class CodeReport(Message):
    """What became of the last change of these files."""

    report: Mapping[str, Any]
    """As callers see it: state, reason, at."""


@dataclass(frozen=True, slots=True)
class Live(Message):
    """A version is loaded, and takes over."""

    deployment: str
    number: int
    source: str
    paths: Sequence[str]
    """The sockets of its instances."""
    first: int
    """Which of them this front asks when none of them has anything to do: each front knows of its own requests only."""


@dataclass(frozen=True, slots=True)
class Reloaded(Message):
    """What became of an attempt to load a version."""

    deployment: str
    report: Mapping[str, Any]
    """As callers see it: state, reason, at, from."""


@dataclass(frozen=True, slots=True)
class Weights(Message):
    """The weights of a service's variants are others now."""

    service: str
    weights: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Record(Message):
    """Every front is to record its requests into a folder, until a moment on the clock of `time.monotonic`."""

    folder: str
    until: float


@dataclass(frozen=True, slots=True)
class Drain(Message):
    """Finish what was accepted, and end."""


_ABSTRACT: Final = (Message, registry_messages.Asked)
KINDS: Final[dict[str, type[Message]]] = {
    name: kind
    for name, kind in [*globals().items(), *vars(registry_messages).items()]
    if isinstance(kind, type) and issubclass(kind, Message) and kind not in _ABSTRACT
}
"""By their names."""


def encode(message: Message) -> bytes:
    """A message as a packet.

    Raises:
        BadPacket: it is too large for one.
    """
    packet = json.dumps({"is": type(message).__name__, **asdict(message)}).encode()  # type: ignore[call-overload]
    if len(packet) > MAX_BYTES:
        raise BadPacket(f"a {type(message).__name__} of {len(packet)} bytes; a message has at most {MAX_BYTES}")
    return packet


def decode(packet: bytes) -> Message:
    """The opposite of `encode`.

    Raises:
        BadPacket: it is no message.
    """
    try:
        said = json.loads(packet)
        kind = KINDS[said.pop("is")]
        values = {field.name: said.pop(field.name) for field in fields(kind)}  # type: ignore[arg-type]
    except (ValueError, KeyError, AttributeError, TypeError) as exc:
        raise BadPacket(f"a control message that is none: {packet[:64]!r}") from exc
    if said:
        raise BadPacket(f"a {kind.__name__} with {', '.join(map(repr, said))}")
    return kind(**values)


def send(line: socket.socket, message: Message) -> None:
    """Send a message.

    Raises:
        OSError: nobody is there.
        BadPacket: it is too large.
    """
    line.send(encode(message))


def receive(line: socket.socket) -> Message | None:
    """The next message; None: the other end is gone. A socket that does not block raises `BlockingIOError`."""
    try:
        packet = line.recv(MAX_BYTES)
    except BlockingIOError:
        raise
    except OSError:
        packet = b""
    return decode(packet) if packet else None
