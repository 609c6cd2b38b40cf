"""What this process may use of the machine: processors and memory, less what a container or `taskset` takes away."""

import contextlib
import math
import os
import sys
from pathlib import Path

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # "200000 100000": 200 ms of each 100 ms, or "max 100000"

_CGROUP = Path("/sys/fs/cgroup")
_MEMORY = Path("/proc/meminfo")


def available(quota: Path = _CGROUP_QUOTA) -> int:
    """Processors this process may use, at least 1; a container's CPU limit counts, rounded up."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        limit_us, period_us = quota.read_text().split()
        usable = min(usable, math.ceil(int(limit_us) / int(period_us)))
    except (OSError, ValueError):
        pass  # no cgroup v2, or no limit
    return max(1, usable)


def free_memory_bytes(group: Path = _CGROUP, memory: Path = _MEMORY) -> int:
    """Memory that is left on the machine, or in the container where that is less; `sys.maxsize` where nobody says."""
    found = [sys.maxsize]
    with contextlib.suppress(OSError, ValueError, StopIteration, IndexError):
        lines = memory.read_text().splitlines()
        found.append(int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) << 10)
    with contextlib.suppress(OSError, ValueError):  # no cgroup v2, or "max"
        found.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    return max(0, min(found))
