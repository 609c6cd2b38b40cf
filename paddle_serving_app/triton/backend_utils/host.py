"""What a model.py asks of the server it runs in; the process that runs it says who answers."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from paddle_serving_app.triton.backend_utils.errors import TritonModelException

if TYPE_CHECKING:
    from paddle_serving_app.triton.backend_utils.messages import InferenceResponse
    from paddle_serving_app.triton.backend_utils.tensor import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request of a model.py to another model of the server."""

    model_name: str
    model_version: int
    """-1: which one the policy of the model says."""
    inputs: "Sequence[Tensor]"
    outputs: Sequence[str]
    """The names of those that are wanted; empty: all."""
    request_id: str = ""
    correlation_id: int | str = 0
    flags: int = 0
    parameters: Mapping[str, bool | int | float | str]
    timeout_us: int = 0
    """0: that of the server."""
    decoupled: bool = False
    """Whether any number of answers is wanted; else one is the only answer."""


class Host(Protocol):
    """Who answers."""

    def infer(self, call: Call) -> "Iterator[InferenceResponse]":
        """The answers of another model as they come; the caller's thread waits for them."""

    def infer_async(self, call: Call) -> "AsyncIterator[InferenceResponse]":
        """The same, for coroutines."""

    def load_model(self, name: str, config: str, files: Mapping[str, bytes]) -> None:
        """Load a model of the repository."""

    def unload_model(self, name: str, unload_dependents: bool) -> None:
        """Take a model off the server."""

    def is_model_ready(self, name: str, version: str) -> bool:
        """Whether a model answers; any version of it where `version` is empty."""

    def model_dir(self) -> str:
        """The folder of the version of the model that is run."""


class Link(Protocol):
    """What ties one request to its caller."""

    def send(self, response: "InferenceResponse | None", is_final: bool) -> None:
        """Send an answer, or only that there are no more."""

    def is_cancelled(self) -> bool:
        """Whether nobody waits for the answer any more."""


_hosts: list[Host] = []


def connect(host: Host | None) -> None:
    """Say who answers in this process; None: nobody any more."""
    _hosts[:] = [] if host is None else [host]


def current() -> Host:
    """Who answers.

    Raises:
        TritonModelException: nobody does: the code does not run in a server.
    """
    if not _hosts:
        raise TritonModelException("no server runs this model: other models can only be asked from inside one")
    return _hosts[0]
