"""What is counted for each call of a service, whatever protocol carried it. It is always on."""

import time
from collections.abc import Sequence
from typing import Final

from paddle_serving_client.message import Measured
from paddle_serving_server.counting import recording
from paddle_serving_server.counting.counters import GAUGE, Counters
from paddle_serving_server.counting.series import Series
from paddle_serving_server.counting.sums import Counted
from paddle_serving_server.counting.timing import NO_STAGES, Stages

REQUEST: Final = "request"
"""Series by service and protocol."""
FAILURE: Final = "failure"
"""Counts by service, protocol and err_no."""
CONNECTIONS: Final = GAUGE + "connections"
HANGING: Final = GAUGE + "hanging_steps"
HANGS: Final = "hangs"
"""Steps of services that did not return by their deadline: those that hang now, and all since the start."""
RESTARTS: Final = "restarts"
"""Counts of processes that had to be replaced, by kind: front or engine; the supervisor's."""
OWN_COUNTER: Final = "own_counter"
OWN_GAUGE: Final = GAUGE + "own_gauge"
OWN_SUM: Final = "own_sum"
OWN_TIMES: Final = "own_times"
"""What user code counts, by name, unit and labels of its own, in millionths; of a histogram the sum and how often."""
_MOST: Final = 9e12
UNKNOWN_SERVICE: Final = "-"
"""Stands for every name that is not served, so that callers cannot make up what is counted."""


class Meter:
    """Counts calls; every protocol says when one is answered or refused."""

    def __init__(self, counters: Counters) -> None:
        self.counters = counters
        self._series: dict[tuple[str, str], Series] = {}
        self._connections = counters.count(CONNECTIONS)
        self._hanging, self._hangs = counters.count(HANGING), counters.count(HANGS)

    def answered(
        self,
        service: str,
        protocol: str,
        started: float,
        bytes_in: int = 0,
        bytes_out: int = 0,
        stages: Stages = NO_STAGES,
    ) -> None:
        """Count a call that was answered.

        Args:
            service: a name that is served.
            protocol: "http", "brpc" or "grpc".
            started: when the whole request was there, on the clock of `time.monotonic`.
            bytes_in, bytes_out: sizes of the bodies as they travelled.
            stages: of the call, and those of models inside them.
        """
        now = time.monotonic()
        series = self._series.get((service, protocol))
        if series is None:
            series = self._make(service, protocol)
        series.add(int((now - started) * 1e6), now, bytes_in, bytes_out)
        if recording.now is not None:
            recording.now.answered(service, protocol, started, now, stages)

    def failed(self, service: str, protocol: str, number: int, bytes_in: int = 0) -> None:
        """Count a call that was refused or failed.

        Args:
            service: a name that is served, or `UNKNOWN_SERVICE`.
            protocol: "http", "brpc" or "grpc".
            number: of the error.
            bytes_in: size of the body.
        """
        series = self._series.get((service, protocol)) or self._make(service, protocol)
        series.add_failure(time.monotonic(), bytes_in)
        self.counters.count(FAILURE, service=service, protocol=protocol, err_no=str(number)).add()
        if recording.now is not None:
            recording.now.failed(service, protocol, str(number))

    def measured(self, values: Sequence[Measured]) -> None:
        """Count what user code has counted, in millionths: these numbers are whole ones."""
        for one in values:
            at = {"name": one.name, "unit": one.unit, **one.labels}
            millionths = int(max(-_MOST, min(_MOST, one.value if one.value == one.value else 0)) * 1e6)
            if one.kind == "gauge":
                self.counters.count(OWN_GAUGE, **at).set(millionths)
                continue
            self.counters.count(OWN_COUNTER if one.kind == "counter" else OWN_SUM, **at).add(millionths)
            if one.kind != "counter":
                self.counters.count(OWN_TIMES, **at).add()

    def connections(self, n: int) -> None:
        """Say how many connections are open."""
        self._connections.set(n)

    def hangs(self, now: int, is_news: bool) -> None:
        """Say how many threads hang in a step of a service, and whether that is one more than before."""
        self._hanging.set(now)
        self._hangs.add(is_news)

    def read(self) -> Counted:
        """What all fronts have counted."""
        return self.counters.read(time.monotonic())

    def _make(self, service: str, protocol: str) -> Series:
        series = self.counters.series(REQUEST, service=service, protocol=protocol)
        self._series[service, protocol] = series
        return series
