"""A Request in, a Response out: every protocol adapts its bytes to these two."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
"""A tensor of any element type. Arrays off the wire are read-only views."""
Tensors: TypeAlias = Mapping[str, Array]
"""Tensors by name; axis 0 is the batch."""
Lod: TypeAlias = tuple[tuple[int, ...], ...]
"""Sequence offsets, level by level: ((0, 2, 5),) says rows 0-1 and rows 2-4 are two sequences."""
Instance: TypeAlias = Mapping[str, object]
"""One item of a JSON `feed`: values as the caller wrote them; a file is its bytes."""


class Stage(NamedTuple):
    """One step of a request: how long it took, and when it was. Requests make many, so it is a cheap tuple."""

    name: str
    ms: float
    """Without the stages inside it: they add up to the whole."""
    began: float = 0.0
    """On the clock of `time.monotonic`, in seconds; 0 where only the length is known."""
    ended: float = 0.0
    rows: int = 0
    """Rows of the batch it was part of; 0 where there is no batch."""


class Measured(NamedTuple):
    """A number that user code has counted or measured."""

    name: str
    value: float
    unit: str = "count"
    kind: str = "counter"
    """`counter`: it is added; `gauge`: it takes the place of the one before; `histogram`: its mean is shown."""
    labels: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call of a service: tensors that are ready for the model, or instances that preprocessing turns into them."""

    model: str = ""
    """The name of the service."""
    version: str = ""
    """Which version of it: a number, a name or a label; empty: the one that answers by default."""
    tensors: Tensors | None = None
    """By alias or real name, with the batch axis; None when the request carries instances."""
    lods: Mapping[str, Lod] = field(default_factory=dict)
    instances: Sequence[Instance] = ()
    raw: bytes | None = None
    """The message as it came, for services whose own code reads it; None: nothing of them does."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """What the caller says beside the values, as his protocol has it."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of HTTP, with names in lower case, for services that look at them."""
    id: str = ""
    """As the caller calls this request; it is in the answer."""
    fetch: tuple[str, ...] = ()
    """Aliases of the outputs wanted; empty means all."""
    log_id: int = 0
    variant: str = ""
    """The variant of the model that is asked for; empty: whichever the weights give."""
    variant_key: str = ""
    """Requests with the same key get the same variant."""
    body_bytes: int = 0
    """Size of the message it came in, where it was large enough to matter; 0: unknown."""
    deadline: float = math.inf
    """On the clock of `time.monotonic`, in seconds."""
    askers: Sequence[object] = ()
    """Inside a server: who stands still until this is answered, and so cannot answer it."""


class Parts(Protocol):
    """A response in parts, as they are made. Who has it takes them to the end, or closes it."""

    def __aiter__(self) -> "Parts": ...

    async def __anext__(self) -> "Response":
        """The next part; raises `StopAsyncIteration` at the end, and a `ServingError` where it cannot be made."""

    async def aclose(self) -> None:
        """No more are wanted: what works on them stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The answer: tensors by alias, or the JSON-able result of postprocessing; or parts, each with one of these."""

    tensors: Tensors = field(default_factory=dict)
    lods: Mapping[str, Lod] = field(default_factory=dict)
    result: object = None
    """None when the request carried tensors."""
    raw: bytes | None = None
    """The message as the service's own code wrote it; None: there is a result, or tensors."""
    stages: tuple[Stage, ...] = ()
    inside: tuple[Stage, ...] = ()
    """Stages of models that the service's own steps asked: they are inside the stages of those steps."""
    status: int = 200
    """Of an answer over HTTP, where user code says one."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of an answer over HTTP, likewise."""
    content_type: str = ""
    """Of a result that is bytes; empty: they have no type of their own."""
    variant: str = ""
    """Which variant of the model has answered; empty where there is but one."""
    parts: Parts | None = None
    """The answer, where it comes in parts."""
    measured: Sequence[Measured] = ()
    """What user code has counted since its last answer."""


def describe(array: Array) -> str:
    """An array for a log line or an error: its type and shape, never its values."""
    name = "string" if array.dtype.hasobject else np.dtype(array.dtype).name
    return f"{name}{list(array.shape)}"


def is_same_but_for_ones(shape: Sequence[int], other: Sequence[int]) -> bool:
    """Whether two shapes differ in axes of length 1 only, so that what has one may be given the other."""
    return [length for length in shape if length != 1] == [length for length in other if length != 1]


def misfit(expected: Sequence[int], got: Sequence[int], first_axis: int = 0) -> str:
    """What is wrong with a shape, for a message: the number of axes, or the first axis that differs.

    Args:
        expected: -1 is any length.
        got: another shape.
        first_axis: the number of the first axis in the caller's terms.
    """
    if len(expected) != len(got):
        return f"it has {len(got)} {'axis' if len(got) == 1 else 'axes'}, not {len(expected)}"
    pairs = enumerate(zip(expected, got, strict=True), first_axis)
    return next(f"axis {axis} is {there}, not {wanted}" for axis, (wanted, there) in pairs if wanted not in (-1, there))


def address_of(array: Array) -> int:
    """Where the first value of an array lies in memory."""
    address: int = array.__array_interface__["data"][0]
    return address
