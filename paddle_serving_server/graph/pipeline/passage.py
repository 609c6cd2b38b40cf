"""One request on its way through the ops, and what is written down of it on the way."""

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from paddle_serving_server.graph.pipeline.channel import ChannelData
from paddle_serving_server.graph.pipeline.op import REQUEST_NAME
from paddle_serving_server.graph.pipeline.stages import Span
from paddle_serving_server.graph.pipeline.step import Outcome

Data: TypeAlias = dict[str, Any]
"""What an op gives."""


@dataclass(slots=True, eq=False)
class Passage:
    """Of one request."""

    data_id: int
    log_id: int
    deadline: float
    arrivals: dict[str, int] = field(default_factory=dict)
    """When each op's channel got the request, in microseconds since 1970."""
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    """By the name of an op."""

    def begin_again(self) -> None:
        """The request takes its way once more."""
        self.arrivals.clear()
        self.outcomes.clear()

    def channel_data(self, outcome: Outcome) -> ChannelData:
        """What the ResponseOp gets."""
        return ChannelData(
            data=outcome.data,
            error_code=outcome.error,
            error_info=outcome.info,
            data_id=self.data_id,
            log_id=self.log_id,
        )

    def profile(self, ends: Sequence[Span]) -> str:
        """PROFILE lines: start and end of each step in microseconds since 1970.

        Args:
            ends: of unpacking, and of packing.
        """
        number = f"{self.data_id}#"
        names = (f"prepack_{number}{REQUEST_NAME}", f"postpack_{number}{REQUEST_NAME}", f"call_{number}DAG")
        spans = (*ends, (ends[0][0], ends[-1][1]))
        head = f"\nPROFILE\tpid:{os.getpid()}\t"
        lines = head + _spans(zip(names, spans, strict=True))
        steps = []
        for name, outcome in self.outcomes.items():
            times = outcome.times
            for k, step in enumerate(("prep", "midp", "postp")):
                if len(times) >= 2 * k + 2:
                    steps.append((f"{step}#[{name}|{self.data_id}]", (times[2 * k], times[2 * k + 1])))
        return lines + head + _spans(steps) + "\n"


class OpEnded(Exception):
    """An op has ended the request: the other ops are called off, and the ResponseOp is told."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.info)
        self.outcome = outcome


def now_us() -> int:
    """Microseconds since 1970, as PROFILE has them."""
    return time.time_ns() // 1000


def _spans(spans: Iterable[tuple[str, Span]]) -> str:
    return "".join(f"{name}_0:{start} {name}_1:{end} " for name, (start, end) in spans)
