"""What was counted, under the names that TorchServe gives it, as Prometheus reads it."""

import os
import re
import shutil
import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from paddle_serving_server.counting import meter
from paddle_serving_server.counting.counters import GAUGE
from paddle_serving_server.counting.sums import Counted
from paddle_serving_server.counting.torchserve_names import (
    LATENCY_US,
    QUEUE_MS,
    QUEUE_US,
    REQUESTS,
    STATUSES,
    WORKER_MS,
)
from paddle_serving_server.showing.machine_load import MachineLoad

_MB, _GB = 1 << 20, 1 << 30
_NO_LETTER: Final = re.compile(r"[^A-Za-z0-9_:]")
_OF_GPUS: Final = {"GPUMemoryUtilization": "Percent", "GPUMemoryUsed": "Megabytes", "GPUUtilization": "Percent"}
_PER_MODEL: Final = {REQUESTS: "Count", LATENCY_US: "Microseconds", QUEUE_US: "Microseconds"}

Values = Sequence[tuple[Mapping[str, str], float]]


@dataclass(frozen=True, slots=True)
class Family:
    """Numbers of one name, which differ in their labels."""

    name: str
    kind: str
    unit: str
    values: Values

    def text(self) -> str:
        """As Prometheus reads it."""
        lines = [
            f"# HELP {self.name} Torchserve prometheus {self.kind} metric with unit: {self.unit}",
            f"# TYPE {self.name} {self.kind}",
            *(f"{self.name}{{{_labels(labels)}}} {float(value)!r}" for labels, value in self.values),
        ]
        return "".join(f"{line}\n" for line in lines)


def families(counted: Counted, load: MachineLoad, load_ms: Mapping[str, float], store: str) -> list[Family]:
    """All there are.

    Args:
        counted: of all processes.
        load: of the machine.
        load_ms: by the name of a worker: how long it took to load.
        store: the folder whose disk is looked at.
    """
    host = {"Level": "Host", "Hostname": socket.gethostname()}
    found = [
        *(Family(name, "counter", unit, _of_models(counted, name)) for name, unit in _PER_MODEL.items()),
        *(Family(name, "counter", "Count", [(host, _sum(counted, name))]) for name in STATUSES.values()),
        *(
            Family(name, "gauge", "Milliseconds", [(host, _sum(counted, f"{GAUGE}{name}"))])
            for name in (QUEUE_MS, WORKER_MS)
        ),
        Family(
            "WorkerLoadTime",
            "gauge",
            "Milliseconds",
            [({"WorkerName": worker, **host}, ms) for worker, ms in load_ms.items()],
        ),
        *(Family(name, "gauge", unit, [(host, value)]) for name, unit, value in _of_machine(load, store)),
        *(Family(name, "gauge", unit, []) for name, unit in _OF_GPUS.items()),
    ]
    return [*found, *_of_user_code(counted, {one.name for one in found})]


def exposition(found: Sequence[Family], names: Collection[str] = ()) -> str:
    """The text that Prometheus reads; of some `names` only, where there are any."""
    return "".join(family.text() for family in found if not names or family.name in names)


def _of_models(counted: Counted, name: str) -> Values:
    host = {"hostname": socket.gethostname()}
    return [({**labels, **host}, n) for labels, n in counted.counts_of(name)]


def _of_user_code(counted: Counted, known: Collection[str]) -> Iterator[Family]:
    """What handlers count, where that has no name of the server's."""
    kinds = ((meter.OWN_COUNTER, "counter"), (meter.OWN_GAUGE, "gauge"), (meter.OWN_SUM, "histogram"))
    times = {tuple(labels.items()): n for labels, n in counted.counts_of(meter.OWN_TIMES)}
    found: dict[tuple[str, str, str], list[tuple[Mapping[str, str], float]]] = {}
    for kind, shown in kinds:
        for labels, millionths in counted.counts_of(kind):
            value = millionths / 1e6
            if shown == "histogram":
                value /= max(1, times.get(tuple(labels.items()), 1))
            own = {name: text for name, text in labels.items() if name not in ("name", "unit")}
            at = _NO_LETTER.sub("_", labels["name"]), "gauge" if shown == "histogram" else shown, labels["unit"]
            found.setdefault(at, []).append(({**own, "Hostname": socket.gethostname()}, value))
    for (name, shown, unit), values in found.items():
        if name not in known:
            yield Family(name, shown, unit, values)


def _of_machine(load: MachineLoad, store: str) -> Iterator[tuple[str, str, float]]:
    free = load.memory_bytes - load.used_bytes
    yield "CPUUtilization", "Percent", round(100 * load.busy, 1)
    yield "MemoryUsed", "Megabytes", load.used_bytes / _MB
    yield "MemoryAvailable", "Megabytes", free / _MB
    yield "MemoryUtilization", "Percent", round(100 * load.used_bytes / max(1, load.memory_bytes), 1)
    disk = shutil.disk_usage(store if store and os.path.isdir(store) else "/")
    yield "DiskUsage", "Gigabytes", disk.used / _GB
    yield "DiskAvailable", "Gigabytes", disk.free / _GB
    yield "DiskUtilization", "Percent", round(100 * disk.used / max(1, disk.used + disk.free), 1)


def _sum(counted: Counted, kind: str) -> float:
    return float(sum(n for _, n in counted.counts_of(kind)))


def _labels(labels: Mapping[str, str]) -> str:
    return "".join(f'{_NO_LETTER.sub("_", name)}="{_escaped(text)}",' for name, text in labels.items())


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
