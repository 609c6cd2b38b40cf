"""An op in engine processes: which user code that is, and what both ends of the line to it tell each other.

front ──> process    requests: inputs, data_id, log_id of each
process ──> front    outcomes; questions for the op's model, where an engine of this server has it: feed, log_id
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from paddle_serving_app.handler import HandlerSpec
from paddle_serving_server.engine import handler_packets
from paddle_serving_server.graph.pipeline.step import Job, Outcome

_KIND: Final = "process_op"
_PACKAGE: Final = __name__.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a service is made."""

    file: str
    argv: tuple[str, ...] = ()
    """What the file finds in `sys.argv` behind its own name."""
    code: str = ""
    """A digest of it and of what it imports from its folder: other code is run by other processes."""


def spec_of(origin: Origin, service: str, op: str) -> HandlerSpec:
    """The user code that an op is."""
    settings = {"argv": list(origin.argv), "code": origin.code, "service": service, "op": op}
    return HandlerSpec(kind=_KIND, package=_PACKAGE, path=origin.file, settings=settings, title=f"op {op}")


def requests(jobs: Sequence[Job]) -> dict[str, Any]:
    """Requests on their way to the process, as one."""
    return {"instances": [{"inputs": job.inputs, "data_id": job.data_id, "log_id": job.log_id} for job in jobs]}


def read_requests(instances: Sequence[Mapping[str, Any]]) -> list[Job]:
    """The same, in the process."""
    return [Job(**instance) for instance in instances]


def outcomes(made: Sequence[Outcome]) -> list[tuple[Any, ...]]:
    """Outcomes on their way back."""
    return [(o.data, o.error, o.info, o.jumps, o.times) for o in made]


def read_outcomes(packet: Mapping[str, Any]) -> list[Outcome]:
    """The same, in the front.

    Raises:
        RequestFailed: the process has none.
    """
    return [Outcome(*row) for row in handler_packets.read_result(packet).value]
